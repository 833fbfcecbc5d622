"""What samplers with trainable gates share: linear maps over the columns of a layer, and blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.base import SamplerContext
from recbole_dtlns.samplers.parts.layers import BatchLayers

_NUMBERS = 1 << 18  # most numbers of a tensor [rows, N, W] made at once: two of them fit into a processor's cache


def layer_width(context: SamplerContext, name: str) -> int:
    """Columns C of each layer; raises UserError, naming the sampler, where layers differ in width."""
    sizes = context.sizes
    if not sizes or len(set(sizes)) > 1:
        raise UserError(
            f"neg_sampler={name} has gates that all layers share, and the layers are {sizes} columns wide: expected "
            "one width for all. Make them alike (for NGCF, hidden_size_list of embedding_size), or choose another "
            "sampler."
        )
    return sizes[0]


def linear(width: int, out: int, generator: torch.Generator) -> nn.Linear:
    """A linear map with bias, float [..., width] -> [..., out], on the generator's device.

    Weights and bias are uniform below 1 / sqrt(width), torch's own start, but drawn from the generator alone.
    """
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, width, out, device=generator.device)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)
    return layer


def split_layers(layers: BatchLayers, rows: Tensor) -> Tensor:
    """Layers that lie side by side, in a dimension of their own: float [..., W] -> [..., H, C]; all of one width."""
    return rows.unflatten(-1, (len(layers.sizes), layers.sizes[0]))


def row_blocks(candidates: Tensor, columns: int) -> Iterator[slice]:
    """Slices over the rows of candidates int64 [R, N], such that float [rows, N, columns] stays small."""
    rows = max(1, _NUMBERS // (candidates.shape[1] * columns))
    return (slice(start, start + rows) for start in range(0, len(candidates), rows))
