"""From prompts to token ids: chat template, beginning of the answer, and the two tokens that are compared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.prompts import TEMPLATE_OPTIONS, Prompt, ShownItem
from recbole_dtlns.llm.titles import special_texts

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
        self._special = special_texts(tokenizer) if prompt.shows_titles else ()
        self._head, self._tail = self._shell()
        # What both labels begin with is asked along with the prompt.
        self.labels, self._extra = label_tokens(prompt, self._text("1"), lambda text: self._ids([text])[0])

    def encode(self, history: Sequence[ShownItem], candidates: Sequence[ShownItem]) -> list[list[int]]:
        """Token ids for each candidate, up to where the label comes next."""
        texts = [self._text(question) for question in self.prompt.questions(history, candidates, self._special)]
        return [ids + self._extra for ids in self._ids(texts)]

    def questions(self, history: Sequence[ShownItem], candidates: Sequence[ShownItem]) -> list[list[int]]:
        """Token ids for each candidate without a beginning of the answer, for free generation."""
        texts = self.prompt.questions(history, candidates, self._special)
        return self._ids([self._head + text + self._tail for text in texts])

    def _text(self, question: str) -> str:
        return self._head + question + self._tail + self.prompt.answer

    def _ids(self, texts: list[str]) -> list[list[int]]:
        # A template writes its own special tokens; plain text needs the tokenizer's, but no end after the prompt.
        ids = list(self._tokenizer(texts, add_special_tokens=not self._templated)["input_ids"])
        end = None if self._templated else self._tokenizer.eos_token_id
        return [row[:-1] if row and row[-1] == end else row for row in ids]

    @property
    def _templated(self) -> bool:
        return bool(getattr(self._tokenizer, "chat_template", None))

    def _shell(self) -> tuple[str, str]:
        """Text before and after the question, the same for every pair."""
        system = self.prompt.system.strip()
        if not self._templated:
            return f"{system}\n\n", "\n"
        around = surroundings(self.prompt, self._rendered)
        if around is not None:
            return around
        raise UserError(
            "The chat template of this model takes neither a system message nor a user message as it is. Use an "
            "instruction-tuned model with a plain chat template."
        )

    def _rendered(self, messages: list[dict[str, str]]) -> str | None:
        try:
            text: str = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **TEMPLATE_OPTIONS
            )
            return text
        except Exception as error:  # templates raise what they like
            logger.debug("Chat template: %s", error)
            return None


def surroundings(prompt: Prompt, render: Callable[[list[dict[str, str]]], str | None]) -> tuple[str, str] | None:
    """Text that a chat template puts before and after a question, the same for every pair.

    Args:
        prompt: what is asked.
        render: the template's text of messages; None = it does not take them.

    Returns:
        None where the template takes no form of the prompt as it is.
    """
    for messages in conversations(prompt, _MARK):
        head, mark, tail = (render(messages) or "").partition(_MARK)
        if mark and prompt.system.strip() in head:
            return head, tail
    return None


def conversations(prompt: Prompt, question: str) -> Iterator[list[dict[str, str]]]:
    """Chat messages, first with a system message, then without one (Gemma and others know none)."""
    system = prompt.system.strip()
    yield [{"role": "system", "content": system}, {"role": "user", "content": question}]
    yield [{"role": "user", "content": f"{system}\n\n{question}"}]


def label_tokens(
    prompt: Prompt, start: str, tokenize: Callable[[str], list[int]], advice: str = "Use another llm_prompt."
) -> tuple[tuple[int, int], list[int]]:
    """The tokens that are compared after a text, and those that both labels begin with, such as a lone blank.

    Args:
        prompt: it knows the labels.
        start: a text that ends where the label comes next.
        tokenize: a text's ids.
        advice: what to do when that fails.

    Raises:
        UserError: one token does not tell the labels apart.
    """
    asked, positive, negative = (tokenize(start + label) for label in ("", prompt.positive, prompt.negative))
    same = common_prefix_length([positive, negative])
    if positive[: len(asked)] != asked or same < len(asked) or same >= min(len(positive), len(negative)):
        raise UserError(
            f"The tokenizer cannot tell {prompt.positive!r} from {prompt.negative!r} after {prompt.answer!r} by one "
            f"token. {advice}"
        )
    return (positive[same], negative[same]), positive[len(asked) : same]


def common_prefix_length(prompts: Sequence[list[int]]) -> int:
    """Number of leading tokens that all prompts share. O(length): the smallest and the largest decide."""
    low, high = min(prompts), max(prompts)
    for place, (left, right) in enumerate(zip(low, high, strict=False)):
        if left != right:
            return place
    return min(len(low), len(high))
