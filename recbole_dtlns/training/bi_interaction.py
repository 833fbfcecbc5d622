"""NGCF's layers with a backward pass written by hand, for a step that reads a few rows of each layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from recbole_dtlns.training.propagation import RowGradients, SymmetricPropagation, taken_rows

_SLOPE = 0.2  # of the leaky rectifier below zero, as in RecBole's NGCF
_LEAST_NORM = 1e-12  # as in torch's `normalize`
_FEW = 0.3  # share of cells up to which places are drawn; above it a number for each cell is cheaper


class Weights(NamedTuple):
    """The two linear maps of a layer: of the sum of a row and its neighbours, and of their product."""

    of_sum: Tensor  # float32 [C', C]
    sum_bias: Tensor  # float32 [C']
    of_product: Tensor  # float32 [C', C]
    product_bias: Tensor  # float32 [C']


class BiInteractionLayers:
    """Layers of NGCF: E' = normalise(dropout(leaky((E + A E) W1 + (E * A E) W2 + b))) for a symmetric A.

    O(E C + n C^2) for each layer, forward and backward. A batch reads a few rows of each layer: their gradients
    are kept, and the backward pass adds them to its sum when their layer's turn comes (`RowGradients`). So neither
    gradients of whole layers are made for them, nor layers side by side. Values are in float32 under mixed precision.

    Args:
        propagation: multiplies by A, [U + I, U + I].
        layer_0: float32 [U + I, C].
        weights: of each further layer.
        n_users: U.
        dropout: share of cells that are dropped in each further layer.

    Attributes:
        layers: tables of users and, below them, items, [U + I, C_h], without gradient.
    """

    def __init__(
        self, propagation: SymmetricPropagation, layer_0: Tensor, weights: list[Weights], n_users: int, dropout: float
    ) -> None:
        made: list[_Layer] = []
        with torch.no_grad(), torch.autocast(layer_0.device.type, enabled=False):
            below = layer_0.detach()
            for maps in weights:
                made.append(_propagated(propagation, below, maps, dropout))
                below = made[-1].output
        self.layers, self.n_users = (layer_0.detach(), *(layer.output for layer in made)), n_users
        self._gradients = RowGradients(len(layer_0))
        flat = [tensor for maps in weights for tensor in maps]
        self._anchor: Tensor = _Anchored.apply(layer_0, propagation, made, self._gradients, *flat)

    def user_rows(self, number: int | None, users: Tensor) -> Tensor:
        """Rows of a layer, or with None of all of them side by side, with gradient: int64 [n] -> float32 [n, C_h]."""
        return self._take(slice(self.n_users), 0, number, users)

    def item_rows(self, number: int | None, items: Tensor) -> Tensor:
        """Rows of a layer, or with None of all of them side by side, with gradient: int64 [n] -> float32 [n, C_h]."""
        return self._take(slice(self.n_users, None), self.n_users, number, items)

    def _take(self, part: slice, first: int, number: int | None, ids: Tensor) -> Tensor:
        if number is None:
            return torch.cat([self._take(part, first, each, ids) for each in range(len(self.layers))], dim=1)
        return taken_rows(self._anchor, self.layers[number][part], ids, self._gradients, number, first)


class RowsByIndex:
    """Stands for a table in a loss that reads rows of it alone, as `table[ids]`.

    Args:
        rows: gives them, int64 [n] -> float [n, W].
    """

    def __init__(self, rows: Callable[[Tensor], Tensor]) -> None:
        self._rows = rows

    def __getitem__(self, ids: Tensor) -> Tensor:
        """Rows int64 [n]."""
        return self._rows(ids)


class _Layer(NamedTuple):
    """What the backward pass reads of a layer. n rows."""

    below: Tensor  # E, float32 [n, C]
    around: Tensor  # A E, float32 [n, C]
    output: Tensor  # E', float32 [n, C']
    norms: Tensor  # by which rows were divided, float32 [n, 1]
    dropped: Tensor | None  # cells of the output, as `dropped_cells` gives them

    def at(self, rows: Tensor) -> _Layer:
        """The same of some rows alone, int64 [m]."""
        dropped = self.dropped
        if dropped is not None:
            every = torch.zeros(self.output.shape, dtype=torch.bool, device=rows.device)
            _fill(every, dropped, True)
            dropped = every.index_select(0, rows).view(-1)
        below, around, output, norms = (table.index_select(0, rows) for table in self[:4])
        return _Layer(below, around, output, norms, dropped)


def _propagated(propagation: SymmetricPropagation, below: Tensor, maps: Weights, dropout: float) -> _Layer:
    """One layer. Dropout's factor 1 / (1 - p) is left out: normalising undoes it."""
    around = propagation.product(below)
    output = torch.addmm(maps.sum_bias + maps.product_bias, around + below, maps.of_sum.T)
    functional.leaky_relu_(output.addmm_(around * below, maps.of_product.T), _SLOPE)
    dropped = dropped_cells(output.numel(), dropout, output.device) if dropout else None
    if dropped is not None:
        _fill(output, dropped, 0)
    norms = torch.linalg.vector_norm(output, dim=1, keepdim=True).clamp_min_(_LEAST_NORM)
    return _Layer(below, around, output.div_(norms), norms, dropped)


def dropped_cells(n_cells: int, share: float, device: torch.device) -> Tensor:
    """Cells that dropout drops, each with probability `share` and independent of all others.

    The gaps between dropped cells are independent and geometrically distributed. So where few are dropped, one number
    is drawn for each of them, not one for each cell: the same distribution as that of torch's dropout.

    Returns:
        Their places in ascending order, int64 [d], or whether each is one of them, bool [n_cells].
    """
    if share > _FEW or device.type != "cpu":
        return torch.empty(n_cells, dtype=torch.bool, device=device).bernoulli_(share)
    at_once = int(n_cells * share + 6 * math.sqrt(n_cells * share) + 6)  # one round is enough but once in a billion
    rounds, last = [], -1
    while last < n_cells:
        gaps = torch.empty(at_once, dtype=torch.int64).geometric_(share)
        rounds.append(gaps.cumsum(0).add_(last))
        last = int(rounds[-1][-1])
    places = torch.cat(rounds) if len(rounds) > 1 else rounds[0]
    return places[: int(torch.searchsorted(places, n_cells))]


def _fill(table: Tensor, cells: Tensor, value: float) -> None:
    """Set some cells of a contiguous table, as `dropped_cells` gives them."""
    if cells.dtype == torch.bool:
        table.view(-1).masked_fill_(cells, value)
    else:
        table.view(-1).index_fill_(0, cells, value)


class _Anchored(torch.autograd.Function):
    """A scalar that ties rows of the layers to this step of autograd; its backward pass is that of all layers."""

    @staticmethod
    def forward(
        ctx: Any,
        layer_0: Tensor,
        propagation: SymmetricPropagation,
        made: list[_Layer],
        row_gradients: RowGradients,
        *weights: Tensor,
    ) -> Tensor:
        ctx.propagation, ctx.made, ctx.row_gradients, ctx.like = propagation, made, row_gradients, layer_0.detach()
        ctx.save_for_backward(*weights)
        return layer_0.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast(ctx.like.device.type, enabled=False):  # for a loop that calls `backward` under it
            total, of_weights = _backward(ctx.propagation, ctx.made, ctx.row_gradients, ctx.like, ctx.saved_tensors)
        ctx.row_gradients.clear()
        return total, None, None, None, *of_weights


def _backward(
    propagation: SymmetricPropagation, made: list[_Layer], of_rows: RowGradients, like: Tensor, flat: tuple[Tensor, ...]
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of layer 0, in the shape of `like`, and of the tensors of all `Weights`."""
    total = torch.zeros_like(made[-1].output if made else like)
    of_rows.add_to(total, len(made))
    rows = of_rows.rows(len(made), like.device)  # only a batch's own rows of the last layer have a gradient
    of_weights: list[Tensor] = []
    for number in range(len(made) - 1, -1, -1):
        layer, maps = made[number], Weights(*flat[4 * number : 4 * number + 4])
        if rows is not None:
            layer, total = layer.at(rows), total.index_select(0, rows)
        gradient = _before_activation(total, layer)
        bias = gradient.sum(0)
        of_weights = [
            *(gradient.T @ (layer.around + layer.below), bias),
            *(gradient.T @ (layer.around * layer.below), bias),
            *of_weights,
        ]
        of_sum, of_product = gradient @ maps.of_sum, gradient @ maps.of_product
        passed = torch.addcmul(of_sum, of_product, layer.below)
        own = of_sum.addcmul_(of_product, layer.around)
        if rows is None:
            total = propagation.product(passed).add_(own)
        else:
            every = passed.new_zeros(len(like), passed.shape[1]).index_copy_(0, rows, passed)
            total, rows = propagation.product(every).index_add_(0, rows, own), None
        of_rows.add_to(total, number)
    return total, of_weights


def _before_activation(gradient: Tensor, layer: _Layer) -> Tensor:
    """From the gradient of a layer's output to that of what went into the leaky rectifier, float32 [n, C']."""
    along = (gradient * layer.output).sum(1, keepdim=True)
    gradient = torch.addcmul(gradient, layer.output, along, value=-1).div_(layer.norms)
    gradient = torch.ops.aten.leaky_relu_backward(gradient, layer.output, _SLOPE, True)
    if layer.dropped is not None:
        _fill(gradient, layer.dropped, 0)
    return gradient
