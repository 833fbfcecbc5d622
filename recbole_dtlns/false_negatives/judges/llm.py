"""The judge of the paper: a language model that reads paths, or titles where asked, 4-bit where there is a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recbole_dtlns.config.choices import SCORING_METHODS
from recbole_dtlns.config.parsers import Key, flag, number, one_of, or_none, text, unless_empty, whole
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext

if TYPE_CHECKING:
    from recbole_dtlns.false_negatives.judges.engine import Engine

PROMPT_KEYS = {
    "llm_prompt": Key("compact", text, "compact, reference, titles, titles_paths, or a .yaml file"),
}
"""Keys of every judge that asks by a prompt."""


class LlmJudge(Judge):
    """Raw = log P(positive) - log P(negative) after a prompt of paths (Wang et al., https://arxiv.org/abs/2602.18249).

    The paper generates JSON; here the two labels are scored, which costs one token a pair and keeps how sure the model
    was. `llm_method=generate` is the paper's way: raw = 1 or 0, NaN where the answer cannot be read.

    Args:
        context: histories, codes and the keys `llm_*`.
        engine: an opened model; None = open the one that the keys name. Its weights are loaded at the first question.
    """

    name = "llm"
    keys: ClassVar[Mapping[str, Key]] = {
        "llm_model": Key(None, or_none(text), "hub name, local folder or GGUF file of a causal language model"),
        "llm_revision": Key(None, or_none(text), "revision (branch, tag or commit) on the hub"),
        "llm_quantization": Key(
            None, unless_empty(one_of("nf4", "int8", "none")), "nf4, int8 or none; unset: nf4 on CUDA, none on a CPU"
        ),
        "llm_double_quantization": Key(True, flag, "nf4: quantise the scales too, .4 bit a weight less"),
        "llm_compute_dtype": Key(
            None, or_none(one_of("bfloat16", "float16", "float32")), "type of the arithmetic; unset: bfloat16"
        ),
        "llm_device_map": Key(None, or_none(text), "cpu, cuda, cuda:1 or auto; unset: the first GPU, else cpu"),
        "llm_memory_gb": Key(None, or_none(number(0)), "memory that the model may take; unset: what is free"),
        "llm_offline": Key(False, flag, "read the model from local files alone"),
        "llm_method": Key(
            "auto", one_of(*SCORING_METHODS, "generate"), "how a prompt is read; generate: the paper's way"
        ),
        "llm_batch_tokens": Key(None, or_none(whole(64)), "tokens held at once; unset: by the device"),
        **PROMPT_KEYS,
    }
    block_users = 32
    reads_history = True

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse an unset or missing `llm_model`, missing packages, an absent device and a missing prompt."""
        from recbole_dtlns.false_negatives.judges.engine import load_settings
        from recbole_dtlns.llm.loading import check_model
        from recbole_dtlns.llm.model_sizes import examples_by_memory
        from recbole_dtlns.llm.packages import need_packages
        from recbole_dtlns.llm.prompts import Prompt, check_titles

        if options["llm_model"] is None:
            raise UserError(
                "judge=llm needs a language model: set --llm_model to a hub name, a local folder or a GGUF file. "
                f"In 4 bits (nf4) there is room for:\n{examples_by_memory()}"
            )
        need_packages("transformers", "accelerate")
        check_model(load_settings(options))
        check_titles(Prompt.read(options["llm_prompt"]), options)

    def __init__(self, context: JudgeContext, engine: Engine | None = None) -> None:
        from recbole_dtlns.false_negatives.judges.engine import open_engine

        self._context = context
        self._engine = engine or open_engine(context.options)
        self.revision = self._engine.revision
        self.gives_log_odds = not self._engine.generates
        if self._engine.generates:
            self.block_users = 1  # seconds a pair: nobody should lose half an hour to Ctrl-C
        self.usage = self._engine.usage
        self.reads_titles = self._engine.prompt.shows_titles

    def settings(self) -> dict[str, Any]:
        """Model, quantisation and prompt; not the method of scoring, as all give the same."""
        return self._engine.settings()

    def score(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Log-odds and label mass of pairs int64 [n], float64 [n] each; pairs of a user side by side."""
        return self._engine.answer(self._context, users, items)

    def on(self, context: JudgeContext) -> LlmJudge:
        """The same model over other histories and codes."""
        return LlmJudge(context, self._engine)
