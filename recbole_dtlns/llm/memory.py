"""What a language model will need in memory, estimated before anything is loaded.

    weights      linear layers in the chosen quantisation; embeddings, output head and norms in the compute type
    key-values   2 x layers x key-value width x bytes of the compute type, for each token that stays cached
    activations  (4 x hidden + 3 x intermediate) x bytes, for each token of one forward: the residual stream, its norm,
                 the attention's input and output; gate, up and their product
    workspace    the largest linear layer once in the compute type: quantised layers are unpacked to be multiplied
    load peak    on a CPU, quantising holds the whole 16-bit checkpoint and the result side by side

Bytes of a linear layer with n weights (bitsandbytes' layout): nf4 n/2 and 4 for each block of 64 weights (4.5 bits a
weight); with double quantisation n/2, 1 for each block and 4 for each 256 blocks (4.127 bits); int8 n and 4 a row.
The label scores need no logits over the vocabulary, and no attention matrix is counted: fused kernels hold none.
1 GB is 2**30 bytes, as on the label of a graphics card.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GB = 2**30
_BLOCK, _NESTED_BLOCK = 64, 256
_NF4_TABLE, _NESTED_TABLE = 16 * 4, 256 * 4


@dataclass(frozen=True)
class TokenBudget:
    """How many tokens a model handles at a time.

    Attributes:
        cached: tokens whose keys and values are held, over all sequences.
        forward: tokens that go through the model in one forward.
    """

    cached: int = 8192
    forward: int = 4096


DEFAULT_TOKENS = TokenBudget()


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a model that decide its memory.

    Attributes:
        linears: (out_features, in_features) -> how many linear layers of that size can be quantised.
        others: parameters that stay in the compute type (embeddings, head, norms, biases); tied ones count once.
        layers: blocks with a key-value cache.
        kv_width: key-value heads x size of a head.
        hidden: width of the residual stream.
        intermediate: width inside the feed-forward part.
    """

    linears: Mapping[tuple[int, int], int]
    others: int
    layers: int
    kv_width: int
    hidden: int
    intermediate: int

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.others + sum(rows * columns * count for (rows, columns), count in self.linears.items())


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes, part by part; the module's docstring has the formulas."""

    weights: int
    key_values: int
    activations: int
    workspace: int
    load_peak: int

    @property
    def total(self) -> int:
        """The most bytes held at any time, at load or in use."""
        return max(self.weights + self.key_values + self.activations + self.workspace, self.load_peak)

    def __str__(self) -> str:
        parts = {
            "weights": self.weights,
            "key-value cache": self.key_values,
            "activations": self.activations + self.workspace,
            "at the peak of loading": self.load_peak,
        }
        return f"{self.total / GB:.1f} GB ({', '.join(f'{name} {size / GB:.1f}' for name, size in parts.items())})"


def _linear_bytes(rows: int, columns: int, quantization: str, double: bool, width: int) -> int:
    size = rows * columns
    if quantization == "int8":
        return size + 4 * rows
    if quantization != "nf4":
        return size * width
    blocks = math.ceil(size / _BLOCK)
    scales = blocks + 4 * math.ceil(blocks / _NESTED_BLOCK) + _NESTED_TABLE if double else 4 * blocks
    return math.ceil(size / 2) + scales + _NF4_TABLE


def weight_bytes(shape: ModelShape, quantization: str, double: bool = True, width: int = 2) -> int:
    """Bytes of the weights.

    Args:
        shape: the model.
        quantization: `nf4`, `int8` or `none`.
        double: double quantisation of nf4's block scales.
        width: bytes of a number of the compute type.
    """
    linear = sum(_linear_bytes(*size, quantization, double, width) * count for size, count in shape.linears.items())
    return linear + shape.others * width


def estimate(
    shape: ModelShape,
    quantization: str,
    *,
    double: bool = True,
    width: int = 2,
    tokens: TokenBudget = DEFAULT_TOKENS,
    on_cpu: bool = False,
) -> MemoryEstimate:
    """Estimate the memory of a model in use; arguments as for `weight_bytes`, `tokens` as it will be used."""
    quantized = quantization in ("nf4", "int8")
    weights = weight_bytes(shape, quantization, double, width)
    cached, working = token_bytes(shape.layers, shape.kv_width, shape.hidden, shape.intermediate, width)
    workspace = max((rows * columns for rows, columns in shape.linears), default=0) * width if quantized else 0
    return MemoryEstimate(
        weights=weights,
        key_values=cached * tokens.cached,
        activations=working * tokens.forward,
        workspace=workspace,
        load_peak=weights + (shape.parameters * width if quantized and on_cpu else 0),
    )


def shape_of(config: Any) -> ModelShape:
    """The sizes of a model from its configuration alone: its layers are made without memory for their weights.

    Args:
        config: a transformers configuration of a causal language model.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    head = model.get_output_embeddings()
    linears: Counter[tuple[int, int]] = Counter()
    for module in model.modules():
        if module is not head and (type(module) is torch.nn.Linear or isinstance(module, Conv1D)):
            rows, columns = module.weight.shape
            linears[rows, columns] += 1
    total = sum(parameter.numel() for parameter in model.parameters())
    layers, kv_width, hidden, intermediate = block_sizes(config)
    return ModelShape(
        linears=linears,
        others=total - sum(rows * columns * count for (rows, columns), count in linears.items()),
        layers=layers,
        kv_width=kv_width,
        hidden=hidden,
        intermediate=intermediate,
    )


def block_sizes(config: Any) -> tuple[int, int, int, int]:
    """Layers, key-value width, hidden and intermediate size of a transformers configuration; see `ModelShape`."""
    text = config.get_text_config(decoder=True)
    heads = getattr(text, "num_attention_heads", 0) or 0
    head_size = getattr(text, "head_dim", None) or text.hidden_size // max(heads, 1)
    kv_width = (getattr(text, "num_key_value_heads", None) or heads) * head_size
    intermediate = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    return text.num_hidden_layers, kv_width, text.hidden_size, intermediate


def token_bytes(layers: int, kv_width: int, hidden: int, intermediate: int, width: int) -> tuple[int, int]:
    """Bytes of one token while its keys and values are cached, and while it goes through the model."""
    return 2 * layers * kv_width * width, (4 * hidden + 3 * intermediate) * width


def held_bytes(model: Any) -> int:
    """Bytes that the weights of a loaded model really take, scales and tables of quantised layers included."""
    sizes: dict[int, int] = {}
    for module in model.modules():
        tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        nested = getattr(state, "state2", None)
        tensors += [getattr(part, name, None) for part in (state, nested) for name in ("absmax", "code")]
        tensors += [getattr(getattr(module, "weight", None), "SCB", None)]
        sizes |= {tensor.data_ptr(): tensor.nbytes for tensor in tensors if tensor is not None}
    return sum(sizes.values())
