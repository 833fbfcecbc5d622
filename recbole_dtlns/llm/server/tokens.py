"""Token ids by the tokenizer of a server."""

from __future__ import annotations

from typing import Any

from recbole_dtlns.llm.encoding import conversations, label_tokens
from recbole_dtlns.llm.prompts import TEMPLATE_OPTIONS, Prompt
from recbole_dtlns.llm.server.client import Client, Refused
from recbole_dtlns.llm.server.texts import LABEL_ADVICE, plain_shell


class ServerTokenizer:
    """Prompts as token ids by `/tokenize` of vLLM or SGLang.

    vLLM applies the model's chat template to messages; where the server cannot, the plain text is tokenised. Ids are
    split between query and items afterwards, so that no token is cut in two.

    Attributes:
        form: `template` or `plain`.
        labels: ids (positive, negative) of the first tokens in which the two answers differ.
        longest: tokens that a prompt may have; None = not told.

    Raises:
        Refused: there is no `/tokenize`.
        UserError: it cannot tell the labels apart.
    """

    def __init__(self, client: Client, model: str, prompt: Prompt) -> None:
        self._client, self._model, self._prompt = client, model, prompt
        self.longest: int | None = None
        self.form, self._style = self._find_style()
        begun = self.form == "template"
        whole = "" if begun else plain_shell(prompt).around("1")
        start = prompt.answer if begun else whole
        self.labels, self._extra = label_tokens(
            prompt,
            start,
            lambda text: self._tokens({"prompt": text, "add_special_tokens": not begun}),
            LABEL_ADVICE,
        )
        self._answer = self._tokens({"prompt": prompt.answer, "add_special_tokens": False}) if begun else []

    def encode(self, question: str) -> list[int]:
        """Ids of the whole prompt, up to where the label comes next."""
        if self.form == "template":
            return self._templated(question, self._style) + self._answer + self._extra
        text = plain_shell(self._prompt).around(question)
        return self._tokens({"prompt": text, "add_special_tokens": True}) + self._extra

    def _find_style(self) -> tuple[str, int]:
        for style in range(2):
            try:
                self._templated("1", style)
            except Refused as error:
                if error.status == 404:
                    raise
                continue
            return "template", style
        return "plain", 0

    def _templated(self, question: str, style: int) -> list[int]:
        messages = list(conversations(self._prompt, question))[style]
        options = {"add_generation_prompt": True, "chat_template_kwargs": TEMPLATE_OPTIONS}
        return self._tokens({"messages": messages, **options})

    def _tokens(self, body: dict[str, Any]) -> list[int]:
        answer = self._client.post("/tokenize", {"model": self._model, **body})
        self.longest = answer.get("max_model_len") or self.longest
        return list(map(int, answer["tokens"]))
