"""What a language model will take on this machine, before a night is given to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recbole_dtlns.llm.devices import free_bytes
from recbole_dtlns.llm.loading import QUANTIZATIONS, OpenedModel
from recbole_dtlns.llm.memory import GB, estimate, shape_of

if TYPE_CHECKING:
    from recbole_dtlns.false_negatives.judges.base import JudgeContext
    from recbole_dtlns.false_negatives.judges.engine import Engine

PROBE_SECONDS = 10.0
_AT_ONCE = 32  # users asked about together once a question takes no time


@dataclass(frozen=True)
class Probe:
    """What a few seconds of asking showed.

    Attributes:
        pairs: that were asked about.
        tokens: that the model read for them.
        seconds: that it took, loading left out.
    """

    pairs: int
    tokens: int
    seconds: float


def size_lines(model: OpenedModel) -> Iterator[tuple[str, str]]:
    """Name and value of a line each: size of the model, what it needs in each quantisation, and whether that fits."""
    shape, free = shape_of(model.config), free_bytes(model.target)
    place = "all GPUs" if model.target.spread else str(model.target.device)
    yield "language model", f"{model.checkpoint.name}, {shape.parameters / 1e6:,.0f} million weights"
    yield "free memory", f"{free / GB:.1f} GB on {place}"
    stored = model.quantization.startswith("stored:")
    for name in (model.quantization,) if stored else QUANTIZATIONS:
        on_cpu = model.target.device.type == "cpu" and not stored
        need = estimate(shape, "nf4" if stored else name, width=model.target.dtype.itemsize, on_cpu=on_cpu)
        chosen = " (this one would be used)" if name == model.quantization else ""
        yield f"in {name}", f"{need}: {'fits' if need.total <= free else 'does not fit'}{chosen}"


def probe(
    engine: Engine, context: JudgeContext, users: np.ndarray, items: np.ndarray, seconds: float | None = None
) -> Probe:
    """Ask about users one after the other until time is over; the first one, which loads the weights, does not count.

    Args:
        engine: the model with its prompt.
        context: histories and codes.
        users: int64 [u], in any order.
        items: candidates of each of them, int64 [u, k], k above 0.
        seconds: how long to ask; None = `PROBE_SECONDS`.
    """
    seconds = PROBE_SECONDS if seconds is None else seconds
    engine.answer(context, np.repeat(users[:1], items.shape[1]), items[0])
    before, pairs, place, together = engine.usage.prompt_tokens, 0, 1 % len(users), 1
    begin = time.perf_counter()
    while True:
        block = (place + np.arange(together)) % len(users)
        started = time.perf_counter()
        engine.answer(context, np.repeat(users[block], items.shape[1]), items[block].reshape(-1))
        now = time.perf_counter()
        pairs, place = pairs + together * items.shape[1], (place + together) % len(users)
        if now - begin >= seconds:
            return Probe(pairs, engine.usage.prompt_tokens - before, now - begin)
        if now - started < 0.5:
            together = min(2 * together, _AT_ONCE)
