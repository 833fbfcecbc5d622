"""Gradients, parameters and losses over the processes of a run.

RecBole wraps the model in `DistributedDataParallel`, which averages the gradients of the model's own parameters when
its `forward` has been called through the wrapper. Our step scores candidates, mixes layers and adds losses without that
call, and samplers have parameters of their own. So gradients are averaged after the backward pass, whatever led to
them, and before RecBole clips, scales and steps: `averaging` gives the term of the loss that RecBole's loops add for
this purpose (`sync_grad_loss`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from recbole_dtlns.processes.group import this_rank

_TOLERANCE = 1e-4


class _CallAfterBackward(torch.autograd.Function):
    """Zero, whose backward pass asks autograd to call a function when all gradients are there."""

    @staticmethod
    def forward(context: Any, zero: Tensor, call: Callable[[], None]) -> Tensor:
        context.call = call
        return zero.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        torch.autograd.Variable._execution_engine.queue_callback(context.call)
        return gradient, None


def averaging(parameters: Sequence[torch.nn.Parameter], device: torch.device) -> Tensor:
    """A term of a loss, 0, with which the backward pass ends in `average_gradients`: float scalar."""
    zero = torch.zeros((), device=device, requires_grad=True)
    term: Tensor = _CallAfterBackward.apply(zero, lambda: average_gradients(parameters))
    return term


@torch.no_grad()
def average_gradients(parameters: Sequence[torch.nn.Parameter]) -> None:
    """Replace each gradient by its mean over the ranks, in place; the ranks give the same parameters in one order.

    A parameter without a gradient counts as one of zeros; without any on all ranks it keeps none, so that the optimiser
    leaves it out as in a run of one process.
    """
    size = this_rank().size
    has_gradient = [parameter.grad is not None for parameter in parameters]
    counts = torch.tensor(has_gradient, dtype=torch.int32, device=parameters[0].device)
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    summed = (counts, *(parameter.grad for parameter in parameters))
    pending = [dist.all_reduce(tensor, async_op=True) for tensor in summed]
    for work in pending:
        work.wait()
    for parameter, count in zip(parameters, counts.tolist(), strict=True):
        parameter.grad = None if count == 0 else parameter.grad.div_(size)  # type: ignore[union-attr]


@torch.no_grad()
def share_values(tensors: Sequence[Tensor]) -> None:
    """Give every rank the values of rank 0, in place."""
    for tensor in tensors:
        dist.broadcast(tensor, src=0)


def mean_over_ranks(loss: Any, device: torch.device) -> Any:
    """The mean over the ranks of a loss: a number, or a tuple of them; None stays None."""
    if loss is None:
        return None
    parts = torch.tensor(loss if isinstance(loss, tuple) else (loss,), dtype=torch.float64, device=device)
    dist.all_reduce(parts)
    means = (parts / this_rank().size).tolist()
    return tuple(means) if isinstance(loss, tuple) else means[0]


@torch.no_grad()
def require_equal(parameters: Sequence[torch.nn.Parameter]) -> None:
    """Raise unless the parameters of all ranks are equal, up to what other hardware may round elsewhere.

    Raises:
        RuntimeError: they have drifted apart.
    """
    sums = [value.sum(dtype=torch.float64) for parameter in parameters for value in (parameter, parameter.abs())]
    own = torch.stack(sums)
    least, most = own.clone(), own.clone()
    dist.all_reduce(least, op=dist.ReduceOp.MIN)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    bound = _TOLERANCE * own[1::2].repeat_interleave(2) + 1e-12
    if bool((most - least > bound).any()):
        raise RuntimeError(
            "The parameters of the processes have drifted apart: this model or sampler cannot be trained by several "
            "processes. Use nproc=1, and please report it."
        )
