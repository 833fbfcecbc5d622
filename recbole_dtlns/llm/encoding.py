"""From prompts to token ids: chat template, beginning of the answer, and the two tokens that are compared."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.prompts import TEMPLATE_OPTIONS, Paths, Prompt

logger = logging.getLogger(__name__)

_MARK = "@@QUESTION@@"


class PromptEncoder:
    """Turns questions about one user into token ids for one tokenizer.

    Attributes:
        prompt: what is asked.
        labels: token ids (positive, negative) whose logits are compared after the last token of an encoded prompt.

    Args:
        tokenizer: a Hugging Face tokenizer; its chat template is used where it has one.
        prompt: what is asked.

    Raises:
        UserError: the chat template cannot be used, or the tokenizer cannot tell the labels apart.
    """

    def __init__(self, tokenizer: Any, prompt: Prompt) -> None:
        self.prompt, self._tokenizer = prompt, tokenizer
        self._head, self._tail = self._shell()
        self._extra: list[int] = []  # tokens that both labels begin with, such as a lone blank
        self.labels = self._label_tokens()

    def encode(self, history: Sequence[Paths], candidates: Sequence[Paths]) -> list[list[int]]:
        """Token ids for each candidate, up to where the label comes next."""
        texts = [self._text(question) for question in self.prompt.questions(history, candidates)]
        return [ids + self._extra for ids in self._ids(texts)]

    def questions(self, history: Sequence[Paths], candidates: Sequence[Paths]) -> list[list[int]]:
        """Token ids for each candidate without a beginning of the answer, for free generation."""
        return self._ids([self._head + text + self._tail for text in self.prompt.questions(history, candidates)])

    def _text(self, question: str) -> str:
        return self._head + question + self._tail + self.prompt.answer

    def _ids(self, texts: list[str]) -> list[list[int]]:
        # A template writes its own special tokens; plain text needs the tokenizer's, but no end after the prompt.
        ids = list(self._tokenizer(texts, add_special_tokens=not self._templated)["input_ids"])
        end = None if self._templated else self._tokenizer.eos_token_id
        return [one[:-1] if one and one[-1] == end else one for one in ids]

    @property
    def _templated(self) -> bool:
        return bool(getattr(self._tokenizer, "chat_template", None))

    def _shell(self) -> tuple[str, str]:
        """Text before and after the question, the same for every pair."""
        system = self.prompt.system.strip()
        if not self._templated:
            return f"{system}\n\n", "\n"
        messages = [{"role": "system", "content": system}, {"role": "user", "content": _MARK}]
        merged = [{"role": "user", "content": f"{system}\n\n{_MARK}"}]
        for one in (messages, merged):  # Gemma and others know no system message
            try:
                text = self._tokenizer.apply_chat_template(
                    one, tokenize=False, add_generation_prompt=True, **TEMPLATE_OPTIONS
                )
            except Exception as error:  # templates raise what they like
                logger.debug("Chat template: %s", error)
                continue
            head, found, tail = text.partition(_MARK)
            if found and system in head:
                return head, tail
        raise UserError(
            "The chat template of this model takes neither a system message nor a user message as it is. Use an "
            "instruction-tuned model with a plain chat template."
        )

    def _label_tokens(self) -> tuple[int, int]:
        """First token in which the two answers differ; what both have before it is asked along with the prompt."""
        text = self._text("1")
        asked, positive, negative = self._ids([text, text + self.prompt.positive, text + self.prompt.negative])
        same = common_prefix_length([positive, negative])
        if positive[: len(asked)] != asked or same < len(asked) or same >= min(len(positive), len(negative)):
            raise UserError(
                f"The tokenizer cannot tell {self.prompt.positive!r} from {self.prompt.negative!r} after "
                f"{self.prompt.answer!r} by one token. Use another llm_prompt."
            )
        self._extra = positive[len(asked) : same]
        return positive[same], negative[same]


def common_prefix_length(prompts: Sequence[list[int]]) -> int:
    """Number of leading tokens that all prompts share. O(length): the smallest and the largest decide."""
    low, high = min(prompts), max(prompts)
    for place, (one, other) in enumerate(zip(low, high, strict=False)):
        if one != other:
            return place
    return min(len(low), len(high))
