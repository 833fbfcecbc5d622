"""Which well-known models fit into how much memory, by the same formulas as the check before loading."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from recbole_dtlns.llm.memory import DEFAULT_TOKENS, GB, ModelShape, TokenBudget, estimate

CARDS_GB = (6, 8, 12, 16, 24)
RESERVED_GB = 0.75
"""What the driver, the CUDA context and a screen take of a graphics card before any model does."""


def llama_shape(
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    kv_heads: int,
    head_size: int,
    vocabulary: int,
    *,
    tied: bool = False,
    biases: bool = False,
    head_norms: bool = False,
) -> ModelShape:
    """The sizes of a model built like Llama.

    Args:
        hidden: width of the residual stream.
        intermediate: width inside the gated feed-forward part.
        layers: number of blocks.
        heads: query heads.
        kv_heads: key and value heads.
        head_size: width of a head.
        vocabulary: rows of the embedding.
        tied: the output head is the embedding.
        biases: query, key and value layers have biases (Qwen2).
        head_norms: queries and keys are normalised a head (Qwen3).
    """
    query, key = heads * head_size, kv_heads * head_size
    linears: Counter[tuple[int, int]] = Counter()
    for size in [(query, hidden), (hidden, query), *2 * [(key, hidden)], *2 * [(intermediate, hidden)]]:
        linears[size] += layers
    linears[hidden, intermediate] += layers
    small = 2 * hidden + (query + 2 * key) * biases + 2 * head_size * head_norms
    others = vocabulary * hidden * (1 if tied else 2) + layers * small + hidden
    return ModelShape(linears, others, layers, key, hidden, intermediate)


MODELS: dict[str, ModelShape] = {
    "Qwen/Qwen2.5-0.5B-Instruct": llama_shape(896, 4864, 24, 14, 2, 64, 151936, tied=True, biases=True),
    "meta-llama/Llama-3.2-1B-Instruct": llama_shape(2048, 8192, 16, 32, 8, 64, 128256, tied=True),
    "Qwen/Qwen2.5-1.5B-Instruct": llama_shape(1536, 8960, 28, 12, 2, 128, 151936, tied=True, biases=True),
    "Qwen/Qwen2.5-3B-Instruct": llama_shape(2048, 11008, 36, 16, 2, 128, 151936, tied=True, biases=True),
    "meta-llama/Llama-3.2-3B-Instruct": llama_shape(3072, 8192, 28, 24, 8, 128, 128256, tied=True),
    "Qwen/Qwen2.5-7B-Instruct": llama_shape(3584, 18944, 28, 28, 4, 128, 152064, biases=True),
    "meta-llama/Llama-3.1-8B-Instruct": llama_shape(4096, 14336, 32, 32, 8, 128, 128256),
    "mistralai/Mistral-Nemo-Instruct-2407": llama_shape(5120, 14336, 40, 32, 8, 128, 131072),
    "microsoft/phi-4": llama_shape(5120, 17920, 40, 40, 10, 128, 100352),
    "Qwen/Qwen3-14B": llama_shape(5120, 17408, 40, 40, 8, 128, 151936, head_norms=True),
    "Qwen/Qwen2.5-14B-Instruct": llama_shape(5120, 13824, 48, 40, 8, 128, 152064, biases=True),
    "Qwen/Qwen2.5-32B-Instruct": llama_shape(5120, 27648, 64, 40, 8, 128, 152064, biases=True),
}
"""Public instruct models, smallest first; sizes from their published configurations."""


@dataclass(frozen=True)
class Fit:
    """A model that fits: its hub name, size, the quantisation (`nf4`, `int8` or `none`) and what it needs."""

    name: str
    parameters: int
    quantization: str
    memory_gb: float


def fitting_models(memory_gb: float, tokens: TokenBudget = DEFAULT_TOKENS) -> list[Fit]:
    """The well-known models that fit into this much free memory, largest model first, then most precise first."""
    fits = [
        Fit(name, shape.parameters, quantization, estimate(shape, quantization, tokens=tokens).total / GB)
        for name, shape in reversed(MODELS.items())
        for quantization in ("none", "int8", "nf4")
    ]
    return [fit for fit in fits if fit.memory_gb <= memory_gb]


def examples_by_memory() -> str:
    """One line a size of graphics card: the largest models that fit in nf4 (the start value), and one in 16 bits."""
    lines = []
    for card in CARDS_GB:
        fits = fitting_models(card - RESERVED_GB)
        chosen = [fit for fit in fits if fit.quantization == "nf4"][:2]
        chosen += [fit for fit in fits if fit.quantization == "none"][:1]
        names = ", ".join(f"{fit.name} ({_label(fit)}, {fit.memory_gb:.1f} GB)" for fit in chosen)
        lines.append(f"{card:>3} GB: {names}")
    return "\n".join(lines)


def _label(fit: Fit) -> str:
    return "16 bits" if fit.quantization == "none" else fit.quantization
