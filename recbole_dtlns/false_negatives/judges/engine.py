"""A language model that answers questions about pairs; loaded at the first of them, shared by all who ask."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.false_negatives.judges.asking import questions_by_user
from recbole_dtlns.false_negatives.judges.base import JudgeContext, Usage
from recbole_dtlns.llm.encoding import PromptEncoder
from recbole_dtlns.llm.generation import Generator
from recbole_dtlns.llm.loading import LoadedModel, LoadSettings, OpenedModel, open_model
from recbole_dtlns.llm.memory import DEFAULT_TOKENS, TokenBudget
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.scoring import LabelScorer

logger = logging.getLogger(__name__)


class Engine:
    """Model, tokenizer and prompt, with one way of asking. Weights are loaded at the first question.

    Args:
        model: the model, loaded or only opened.
        prompt: what is asked.
        method: `generate`, or how prompts are scored (`config.choices.SCORING_METHODS`).
        batch_tokens: tokens held at once; None = by the device.

    Attributes:
        generates: answers are words (1, 0 or unreadable) instead of log-odds.
        usage: what was asked so far.
    """

    def __init__(
        self, model: LoadedModel | OpenedModel, prompt: Prompt, method: str, batch_tokens: int | None = None
    ) -> None:
        self._model, self._method, self._batch_tokens = model, method, batch_tokens
        self.prompt, self.generates, self.usage = prompt, method == "generate", Usage()
        self._encoder = PromptEncoder(model.tokenizer, prompt)
        self._longest = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 0)

    @property
    def revision(self) -> str:
        """Which weights these are."""
        return str(self._model.about["revision"])

    def settings(self) -> dict[str, Any]:
        """What decides the answers, besides the model's revision."""
        about = {name: value for name, value in self._model.about.items() if name != "revision"}
        return {**about, "prompt": self.prompt.about(), "answers": "generated" if self.generates else "label scores"}

    def answer(
        self, context: JudgeContext, users: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Raw scores and label mass (None for words), float64 [n], of pairs int64 [n], those of a user side by side.

        NaN where a prompt is longer than the model reads, or its answer cannot be read.
        """
        prompts: list[list[int]] = []
        encode = self._encoder.questions if self.generates else self._encoder.encode
        titles = self.prompt.shows_titles
        for _, history, candidates in questions_by_user(context, users, items, titles):
            prompts += encode(history, candidates)
        raw, mass = np.full(len(prompts), np.nan), np.full(len(prompts), np.nan)
        short = self._short(prompts)
        asked = [prompts[place] for place in short]
        if isinstance(self._asker, Generator):
            raw[short] = self._asker.score(asked)
        else:
            raw[short], mass[short] = self._asker.score(asked, users[short])
        self.usage.calls += len(asked)
        self.usage.prompt_tokens = self._asker.tokens
        return raw, None if self.generates else mass

    def _short(self, prompts: list[list[int]]) -> np.ndarray:
        """Places of the prompts that the model can read whole."""
        lengths = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        short = np.flatnonzero(lengths <= (self._longest or np.inf))
        if len(short) < len(prompts):
            logger.warning(
                "%d prompts have up to %d tokens, and the model reads %d: these pairs have no verdict. A smaller "
                "llm_max_history helps.",
                *(len(prompts) - len(short), lengths.max(), self._longest),
            )
        return short

    @cached_property
    def _asker(self) -> Generator | LabelScorer:
        most, room = self._batch_tokens, None
        tokens = DEFAULT_TOKENS if most is None else TokenBudget(cached=most, forward=most)
        loaded = self._model.load(tokens) if isinstance(self._model, OpenedModel) else self._model
        if isinstance(self._model, OpenedModel) and self._model.settings.memory_gb is not None:
            room = self._model.settings.memory_gb - loaded.memory_mb / 1024
        if self.generates:
            return Generator(loaded.model, loaded.tokenizer, self.prompt, most or 4096)
        return LabelScorer(loaded.model, self._encoder.labels, self._method, most, room)


def load_settings(options: Mapping[str, Any]) -> LoadSettings:
    """What the keys `llm_*` say about loading."""
    names = (entry.name for entry in fields(LoadSettings))
    return LoadSettings(**{name: options[f"llm_{name}"] for name in names})


def open_engine(options: Mapping[str, Any]) -> Engine:
    """Open what the keys `llm_*` name.

    Args:
        options: our keys; `cache_dir` is where a GGUF file's conversion is kept.

    Raises:
        UserError: no such model, or it cannot judge.
    """
    prompt = Prompt.read(options["llm_prompt"])  # before the model, which takes longer
    model = open_model(load_settings(options), Path(options["cache_dir"]))
    return Engine(model, prompt, options["llm_method"], options["llm_batch_tokens"])
