"""Endpoints made for this task: the probabilities of given tokens after one query and many items."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from recbole_dtlns.llm.encoding import common_prefix_length
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.server.base import Endpoint, read_tokens
from recbole_dtlns.llm.server.client import Client
from recbole_dtlns.llm.server.labels import Reply
from recbole_dtlns.llm.server.tokens import ServerTokenizer

_LEAST = 1e-300


class _Scoring(Endpoint):
    """All pairs of a user in one request, as token ids: what the prompts begin with is the query.

    Args:
        client: the server.
        model: its name for the model.
        prompt: what is asked.

    Raises:
        Refused: the server has no `/tokenize`.
        UserError: its tokenizer cannot tell the labels apart.
    """

    workers = None
    path: str

    def __init__(self, client: Client, model: str, prompt: Prompt) -> None:
        self._client, self._model = client, model
        self._tokenizer = ServerTokenizer(client, model, prompt)
        self.form = self._tokenizer.form

    def ask(self, questions: Sequence[str], worker: int) -> Iterator[Reply]:
        """Replies, one request for all."""
        del worker
        prompts = [self._tokenizer.encode(question) for question in questions]
        fitting = [prompt for prompt in prompts if self._fits(prompt)]
        replies = iter(self._score(fitting) if fitting else [])
        for prompt in prompts:
            yield next(replies) if self._fits(prompt) else Reply(too_long=True)

    def _fits(self, prompt: Sequence[int]) -> bool:
        # vLLM cuts the end off a prompt that is too long, and that is the candidate.
        return self._tokenizer.longest is None or len(prompt) < self._tokenizer.longest

    def _score(self, prompts: list[list[int]]) -> list[Reply]:
        cut = min(common_prefix_length(prompts), min(map(len, prompts)) - 1)
        body = {
            "model": self._model,
            "query": prompts[0][:cut],
            "items": [prompt[cut:] for prompt in prompts],
            "label_token_ids": list(self._tokenizer.labels),
            "apply_softmax": self.softmax,
        }
        answer = self._client.post(self.path, body)
        replies = self._read(answer)
        if len(replies) != len(prompts):
            raise ValueError(f"{len(replies)} scores for {len(prompts)} items")
        each, rest = divmod(read_tokens(answer), len(prompts))
        return [Reply(reply.margin, reply.mass, tokens=each + (place < rest)) for place, reply in enumerate(replies)]

    softmax: bool

    @abstractmethod
    def _read(self, answer: dict[str, Any]) -> list[Reply]:
        """Replies in the order of the items."""


class GenerativeScoring(_Scoring):
    """`/generative_scoring` of vLLM: P(positive) / (P(positive) + P(negative)); it tells no label mass."""

    name = "generative_scoring"
    path = "/generative_scoring"
    softmax = True

    def _read(self, answer: dict[str, Any]) -> list[Reply]:
        ordered = sorted(answer["data"], key=lambda entry: int(entry["index"]))
        return [Reply(_log_odds(float(entry["score"]))) for entry in ordered]


class Score(_Scoring):
    """`/v1/score` of SGLang: the probabilities of both labels among all tokens."""

    name = "score"
    path = "/v1/score"
    softmax = False

    def _read(self, answer: dict[str, Any]) -> list[Reply]:
        return [_from_probabilities(float(first), float(second)) for first, second in answer["scores"]]


def _log_odds(score: float) -> float:
    if not 0 <= score <= 1:
        raise ValueError(f"a probability of {score}")
    return math.log(max(score, _LEAST)) - math.log(max(1 - score, 2**-54))


def _from_probabilities(positive: float, negative: float) -> Reply:
    if not (0 <= positive <= 1 and 0 <= negative <= 1):
        raise ValueError(f"probabilities of {positive} and {negative}")
    if positive == negative == 0:
        return Reply()
    return Reply(math.log(max(positive, _LEAST)) - math.log(max(negative, _LEAST)), min(1.0, positive + negative))
