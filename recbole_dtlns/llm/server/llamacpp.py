"""llama.cpp's own endpoint: exact label tokens, and a prompt cache for each slot."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from recbole_dtlns.llm.encoding import label_tokens
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.server.base import Endpoint
from recbole_dtlns.llm.server.client import Client
from recbole_dtlns.llm.server.labels import Reply, is_possible, reply
from recbole_dtlns.llm.server.texts import LABEL_ADVICE, llamacpp_shell

logger = logging.getLogger(__name__)

_FIRST_LISTED = 100
_MOST_LISTED = 10_000


class LlamaCpp(Endpoint):
    """`/completion` of llama.cpp's server: one token, the log-probabilities of the labels by their ids.

    A user's questions go to one slot, one after the other, so that what they have in common is read once. The list of
    alternatives grows as long as a label is missing from it.

    Args:
        client: the server.
        prompt: what is asked.
        slots: slots of the server (`/props`).

    Raises:
        Refused: this is no llama.cpp server.
        UserError: its tokenizer cannot tell the labels apart.
    """

    name = "llamacpp"

    def __init__(self, client: Client, prompt: Prompt, slots: int) -> None:
        self._client, self.workers = client, slots
        self._shell = llamacpp_shell(client, prompt)
        self.form = self._shell.form
        self._labels, self._extra = label_tokens(prompt, self._shell.around("1"), self._tokens, LABEL_ADVICE)
        self._listed = _FIRST_LISTED

    def ask(self, questions: Sequence[str], worker: int) -> Iterator[Reply]:
        """Replies, a request each."""
        for question in questions:
            text = self._shell.around(question)
            tokens = 0
            while True:
                listed = self._listed
                answer = self._post([text, *self._extra] if self._extra else text, listed, worker)
                tokens += int((answer.get("timings") or {}).get("prompt_n") or 0)
                logprobs = {entry["id"]: float(entry["logprob"]) for entry in _alternatives(answer)}
                if all(label in logprobs for label in self._labels) or len(logprobs) < listed or listed >= _MOST_LISTED:
                    break
                self._listed = max(self._listed, 10 * listed)
                logger.info("A label is not among the %d most likely tokens: asking for %d.", listed, self._listed)
            possible = {token: value for token, value in logprobs.items() if is_possible(value)}
            positive, negative = (possible.get(label) for label in self._labels)
            yield reply(positive, negative, possible.values(), tokens)

    def _post(self, prompt: Any, listed: int, worker: int) -> dict[str, Any]:
        return self._client.post(
            "/completion",
            {
                "prompt": prompt,
                "n_predict": 1,
                "n_probs": listed,
                "temperature": 0,
                "cache_prompt": True,
                "post_sampling_probs": False,
                "id_slot": worker,
            },
        )

    def _tokens(self, text: str) -> list[int]:
        body = {"content": text, "add_special": True, "parse_special": True}
        return list(map(int, self._client.post("/tokenize", body)["tokens"]))


def _alternatives(answer: dict[str, Any]) -> list[dict[str, Any]]:
    first = answer["completion_probabilities"][0]
    return list(first["top_logprobs"])
