"""OpenAI's own endpoints: one token with the most likely alternatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.encoding import conversations
from recbole_dtlns.llm.prompts import TEMPLATE_OPTIONS, Prompt
from recbole_dtlns.llm.server.base import Endpoint, read_tokens
from recbole_dtlns.llm.server.client import Client, Refused
from recbole_dtlns.llm.server.labels import Reply, from_texts
from recbole_dtlns.llm.server.texts import plain_shell
from recbole_dtlns.llm.server.tokens import ServerTokenizer

_LISTED = (200, 20, 5)
"""Alternatives to ask for: llama.cpp and SGLang list as many as wanted, most servers up to 20, some 5."""


class _Listing(Endpoint):
    """An endpoint that lists the likeliest first tokens of the answer as texts."""

    workers = None
    _prompt: Prompt
    _listed: int

    def ask(self, questions: Sequence[str], worker: int) -> Iterator[Reply]:
        """Replies, a request each."""
        del worker
        for question in questions:
            answer = self._post(question, self._listed)
            listed = _top(answer["choices"][0])
            yield from_texts(listed, self._prompt.positive, self._prompt.negative, read_tokens(answer))

    def _post(self, question: str, listed: int) -> Any:
        raise NotImplementedError


class Completions(_Listing):
    """`/v1/completions`, a text (or tokens) that the model continues.

    On vLLM the prompt is put into the model's chat template by `/tokenize`. Elsewhere it is sent as plain text (task,
    question, beginning of the answer) without a template, which suits base models.

    Args:
        client: the server.
        model: its name for the model.
        prompt: what is asked.

    Raises:
        Refused: there is no such endpoint, or it gives no log-probabilities.
    """

    name = "completions"

    def __init__(self, client: Client, model: str, prompt: Prompt) -> None:
        self._client, self._model, self._prompt, self._shell = client, model, prompt, plain_shell(prompt)
        self._tokenizer = _template_tokenizer(client, model, prompt)
        self.form = "plain" if self._tokenizer is None else "template"
        self._listed = _first_accepted(lambda listed: self._post("1", listed))

    def _post(self, question: str, listed: int) -> Any:
        text = self._shell.around(question) if self._tokenizer is None else self._tokenizer.encode(question)
        body = {"model": self._model, "prompt": text, "max_tokens": 1, "temperature": 0, "logprobs": listed}
        return self._client.post("/v1/completions", body)


class Chat(_Listing):
    """`/v1/chat/completions`: messages. The beginning of the answer cannot be given, so one word is asked for.

    Args:
        client: the server.
        model: its name for the model.
        prompt: what is asked.
        extended: the server takes `chat_template_kwargs` (vLLM, SGLang, llama.cpp); hosted ones refuse unknown keys.

    Raises:
        Refused: there is no such endpoint, or it gives no log-probabilities.
    """

    name = "chat"
    form = "chat"

    def __init__(self, client: Client, model: str, prompt: Prompt, extended: bool) -> None:
        self._client, self._prompt = client, prompt
        self._fixed: dict[str, Any] = {"model": model, "max_tokens": 1, "temperature": 0, "logprobs": True}
        if extended:
            self._fixed["chat_template_kwargs"] = TEMPLATE_OPTIONS
        labels = f"{prompt.positive.strip()} or {prompt.negative.strip()}"
        self._close = f"\n\nAnswer with one word: {labels}."
        self._style = 0
        self._listed = self._find_style()

    def _find_style(self) -> int:
        try:
            return _first_accepted(lambda listed: self._post("1", listed))
        except Refused as error:
            if error.status == 404:
                raise
            self._style = 1  # a template without system messages
            return _first_accepted(lambda listed: self._post("1", listed))

    def _post(self, question: str, listed: int) -> Any:
        messages = list(conversations(self._prompt, question + self._close))[self._style]
        return self._client.post("/v1/chat/completions", {**self._fixed, "messages": messages, "top_logprobs": listed})


def _template_tokenizer(client: Client, model: str, prompt: Prompt) -> ServerTokenizer | None:
    try:
        tokenizer = ServerTokenizer(client, model, prompt)
    except (Refused, UserError, KeyError, TypeError, AttributeError):  # none, or one of another kind
        return None
    return tokenizer if tokenizer.form == "template" else None


def _first_accepted(post: Any) -> int:
    """The longest list of alternatives that the server gives."""
    for listed in _LISTED:
        try:
            answer = post(listed)
        except Refused as error:
            if error.status == 404 or listed == _LISTED[-1]:
                raise
            continue
        if not _top(answer["choices"][0]):
            raise Refused(400, "the answer holds no log-probabilities")
        return listed
    raise AssertionError


def _top(choice: dict[str, Any]) -> list[tuple[str, float]]:
    """(token, log-probability) of the alternatives to the first token, in either of OpenAI's two forms."""
    logprobs = choice.get("logprobs") or {}
    if logprobs.get("content"):
        return [(str(entry["token"]), float(entry["logprob"])) for entry in logprobs["content"][0]["top_logprobs"]]
    if logprobs.get("top_logprobs"):
        return [(str(token), float(value)) for token, value in logprobs["top_logprobs"][0].items()]
    return []
