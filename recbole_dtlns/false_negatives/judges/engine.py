"""A loaded language model that answers questions about pairs; loaded once, shared by all who ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.asking import questions_by_user
from recbole_dtlns.false_negatives.judges.base import JudgeContext, Usage
from recbole_dtlns.llm.encoding import PromptEncoder
from recbole_dtlns.llm.generation import Generator
from recbole_dtlns.llm.loading import LoadedModel, LoadSettings, load_model
from recbole_dtlns.llm.memory import DEFAULT_TOKENS, TokenBudget
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.scoring import LabelScorer


class Engine:
    """Model, tokenizer and prompt, with one way of asking.

    Args:
        loaded: the model.
        prompt: what is asked.
        method: `generate`, or how prompts are scored (`scoring.METHODS`).
        batch_tokens: tokens held at once; None = by the device.

    Attributes:
        generates: answers are words (1, 0 or unreadable) instead of log-odds.
        usage: what was asked so far.
    """

    def __init__(self, loaded: LoadedModel, prompt: Prompt, method: str, batch_tokens: int | None = None) -> None:
        self.loaded, self.prompt = loaded, prompt
        self.generates = method == "generate"
        self.usage = Usage()
        self._encoder = PromptEncoder(loaded.tokenizer, prompt)
        self._longest = int(getattr(loaded.model.config.get_text_config(), "max_position_embeddings", 0) or 0)
        self._asked: Generator | LabelScorer
        if self.generates:
            self._asked = Generator(loaded.model, loaded.tokenizer, prompt, batch_tokens or 4096)
        else:
            self._asked = LabelScorer(loaded.model, self._encoder.labels, method, batch_tokens)

    def settings(self) -> dict[str, Any]:
        """What decides the answers, besides the model's revision."""
        about = {name: value for name, value in self.loaded.about.items() if name != "revision"}
        return {**about, "prompt": self.prompt.about(), "answers": "generated" if self.generates else "label scores"}

    def answer(self, context: JudgeContext, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, Any]:
        """Raw scores float64 [n] and label mass float64 [n] (None for words) of pairs int64 [n], users side by side."""
        prompts: list[list[int]] = []
        for _, history, candidates in questions_by_user(context, users, items):
            encode = self._encoder.questions if self.generates else self._encoder.encode
            prompts += encode(history, candidates)
        self._check_length(prompts)
        if isinstance(self._asked, Generator):
            raw, mass = self._asked.score(prompts), None
        else:
            raw, mass = self._asked.score(prompts, users)
        self.usage.calls += len(prompts)
        self.usage.prompt_tokens = self._asked.tokens
        return raw, mass

    def _check_length(self, prompts: list[list[int]]) -> None:
        longest = max(map(len, prompts), default=0)
        if self._longest and longest > self._longest:
            raise UserError(
                f"A prompt has {longest} tokens, and {self.loaded.about['model']} reads {self._longest}. Lower "
                "llm_max_history."
            )


def load_engine(options: Mapping[str, Any]) -> Engine:
    """Load what the keys `llm_*` name.

    Args:
        options: our keys; `cache_dir` is where a GGUF file's conversion is kept.

    Raises:
        UserError: no model named, it cannot be had, or it would not fit.
    """
    prompt = Prompt.read(options["llm_prompt"])  # before the model, which takes long
    settings = LoadSettings(
        options["llm_model"],
        options["llm_revision"],
        options["llm_quantization"],
        options["llm_double_quantization"],
        options["llm_compute_dtype"],
        options["llm_device_map"],
        options["llm_offline"],
        options["llm_memory_gb"],
    )
    most = options["llm_batch_tokens"]
    tokens = DEFAULT_TOKENS if most is None else TokenBudget(cached=most, forward=most)
    loaded = load_model(settings, Path(options["cache_dir"]), tokens)
    return Engine(loaded, prompt, options["llm_method"], most)
