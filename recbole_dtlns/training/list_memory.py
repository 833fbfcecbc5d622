"""Refuse a list loss that would not fit into memory, and say which key to set."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.machine import free_bytes
from recbole_dtlns.training.scores import evaluating, joint_predictions

logger = logging.getLogger(__name__)

_GB = 2**30
_MUCH = 4 * _GB  # worth a warning
_SAMPLE = 16, 48  # pairs of the two passes that are measured
_BACKWARD = 2  # the backward pass makes a gradient for each number that the forward pass has kept


def check_list_memory(model: Any, n_users: int, n_items: int) -> None:
    """Compare what a step of the list loss takes with the memory that is free, by two small passes of the model.

    For models whose lists are scored by `predict` (`joint_predictions`): ConvNCF takes 100 kB a pair.

    Args:
        model: on its device.
        n_users: `list_users` of this process.
        n_items: items of a list and drawn items together.

    Raises:
        UserError: the step needs more than is free; the message has the largest `list_users` that fits.
    """
    few, more = (_BACKWARD * _kept_bytes(model, pairs) for pairs in _SAMPLE)
    of_user = n_items * (more - few) / (_SAMPLE[1] - _SAMPLE[0])
    needed, free = few + n_users * of_user, _free_bytes(model.device)
    step = (
        f"A step of the list loss asks {type(model).__name__} about {n_users} users x {n_items} items, "
        f"which takes about {needed / _GB:.1f} GB"
    )
    if needed > free:
        fitting = int((free - few) / of_user) if of_user > 0 else 0
        cure = f"--list_users={fitting}" if fitting > 0 else "--positives_loss=pairs"
        raise UserError(f"{step}; {free / _GB:.1f} GB are free. Set {cure}, or lower list_negatives and list_size.")
    if needed > _MUCH:
        logger.warning("%s. A smaller list_users or list_negatives makes it faster.", step)


def _kept_bytes(model: Any, n_pairs: int) -> int:
    """Bytes that autograd keeps of a forward pass over so many pairs, the model's parameters left out."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # by address; a storage that lies here keeps its address

    def keep(tensor: Tensor) -> Tensor:
        if tensor.layout is torch.strided:  # a sparse matrix is the graph, which does not grow with the pairs
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage
        return tensor

    ids = [torch.linspace(1, size - 1, n_pairs, device=model.device).long() for size in (model.n_users, model.n_items)]
    with evaluating(model), torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        joint_predictions(model, ids[0], ids[1].unsqueeze(1), ids[1][:0])
    return sum(storage.nbytes() for address, storage in kept.items() if address not in parameters)


def _free_bytes(device: torch.device) -> int:
    """What is free, and on a GPU what torch keeps and will use again."""
    if device.type != "cuda":
        return free_bytes(device)
    return free_bytes(device) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
