"""Refusing a model that would not fit, with what would."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.checkpoint import Checkpoint
from recbole_dtlns.llm.devices import Target, free_bytes
from recbole_dtlns.llm.memory import GB, ModelShape, TokenBudget, estimate, shape_of
from recbole_dtlns.llm.model_sizes import fitting_models

logger = logging.getLogger(__name__)


def check_memory(
    checkpoint: Checkpoint,
    quantization: str,
    double: bool,
    target: Target,
    tokens: TokenBudget,
    memory_gb: float | None,
) -> None:
    """Compare the estimate with what is free on the device, or with `memory_gb` if that is given.

    Args:
        checkpoint: the model.
        quantization: `nf4`, `int8`, `none`, or `stored:METHOD`.
        double: double quantisation of nf4.
        target: where it will run and in which type.
        tokens: how many tokens will be handled at a time.
        memory_gb: memory allowed, GB of 2**30 bytes.

    Raises:
        UserError: it does not fit; the message has the estimate and what would fit.
    """
    limit = free_bytes(target) if memory_gb is None else int(memory_gb * GB)
    shape = shape_of(checkpoint.config)
    stored = checkpoint.stored_quantization
    scheme = quantization if stored is None else _closest_scheme(stored)
    # A stored model is read as it is: no copy in 16 bits beside it.
    quantizes_on_cpu = target.device.type == "cpu" and stored is None
    needed = partial(estimate, shape, double=double, width=target.dtype.itemsize, on_cpu=quantizes_on_cpu)
    need = needed(scheme, tokens=tokens)
    logger.info("%s: estimated memory %s.", checkpoint.name, need)
    if need.total <= limit:
        return
    others = [name for name in ("int8", "nf4", "none") if name != scheme and stored is None]
    ways = [
        *_other_schemes({name: needed(name, tokens=tokens).total for name in others}, limit),
        *_smaller_batches(lambda budget: needed(scheme, tokens=budget).total, tokens, limit),
        *_smaller_models(shape, limit, tokens),
    ]
    place = "all GPUs" if target.spread else "the CPU" if target.device.type == "cpu" else str(target.device)
    where = f"free on {place}" if memory_gb is None else "allowed by llm_memory_gb"
    raise UserError(
        f"llm_model={checkpoint.name} ({quantization}) needs an estimated {need}, and {limit / GB:.1f} GB are {where}. "
        f"{'' if target.device.type == 'cpu' else 'Leaving a part outside the GPU would be far too slow. '}"
        f"What would fit: {'; '.join(ways) or 'none of the models known here, so a larger device is needed'}. "
        "If you know better, set llm_memory_gb."
    )


def _other_schemes(totals: Mapping[str, int], limit: int) -> list[str]:
    return [f"llm_quantization={name} ({total / GB:.1f} GB)" for name, total in totals.items() if total <= limit]


def _smaller_batches(total: Callable[[TokenBudget], int], tokens: TokenBudget, limit: int) -> list[str]:
    """The largest of a half, a quarter, ... of the tokens at a time that fits; empty where none does."""
    parts = (TokenBudget(tokens.cached // part, tokens.forward // part) for part in (2, 4, 8, 16))
    fitting = next((budget for budget in parts if total(budget) <= limit), None)
    if fitting is None:
        return []
    return [f"smaller batches (at most {fitting.cached} tokens cached and {fitting.forward} in one forward)"]


def _smaller_models(shape: ModelShape, limit: int, tokens: TokenBudget) -> list[str]:
    smaller = [fit for fit in fitting_models(limit / GB, tokens) if fit.parameters < shape.parameters]
    return [f"{fit.name} ({fit.quantization}, {fit.memory_gb:.1f} GB)" for fit in smaller[:3]]


def _closest_scheme(stored: dict[str, object]) -> str:
    """The scheme of ours that takes about as much memory as a stored one: 4 bits or 8."""
    four = 4 in (stored.get("bits"), stored.get("w_bit")) or stored.get("load_in_4bit") or stored.get("_load_in_4bit")
    return "nf4" if four else "int8"
