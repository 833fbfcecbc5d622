"""Any state of a model, an optimiser or a sampler as tensors and plain values, and back.

Pickled objects run code when they are read; what `to_plain` gives is read by `torch.load(weights_only=True)`.
What is neither a tensor nor plain becomes a dict whose `KIND` says what it was.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from recbole.utils import enum_type
from scipy import sparse

from recbole_dtlns.errors import UserError

KIND = "dtlns_kind"
_AS_THEY_ARE = (bool, int, float, str, torch.dtype, torch.device, torch.Size)


class SavedConfig(dict[str, Any]):
    """The keys of a saved configuration; as in RecBole's `Config`, a key that is not there is None."""

    def __missing__(self, key: str) -> None:
        return None

    @property
    def final_config_dict(self) -> dict[str, Any]:
        """RecBole's name for all keys."""
        return self


def to_plain(value: Any, place: str = "the state", lenient: bool = False) -> Any:
    """The same as tensors, numbers, text, None, and lists, tuples and dicts of these.

    Args:
        value: arrays, sparse matrices, enums and RecBole's Config may be in it too; of a module nothing is kept, as its
            weights are in the model's state already.
        place: what the value is, for the message.
        lenient: turn anything else into text.

    Raises:
        UserError: there is an object of another kind in it.
    """
    if value is None or type(value) in _AS_THEY_ARE or isinstance(value, torch.Tensor):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        inner = [to_plain(entry, place, lenient) for entry in value]
        return inner if isinstance(value, list) else tuple(inner)
    if isinstance(value, Mapping):
        return _plain_mapping(value, place, lenient)
    if isinstance(value, (set, frozenset)):
        return {KIND: "set", "values": [to_plain(entry, place, lenient) for entry in value]}
    if isinstance(value, np.ndarray):
        return _plain_array(value, place)
    if sparse.issparse(value):
        return _plain_sparse(value)
    if isinstance(value, torch.nn.Module):
        return {KIND: "module"}
    if isinstance(value, Enum) and getattr(enum_type, type(value).__name__, None) is type(value):
        return {KIND: "enum", "of": type(value).__name__, "name": value.name}
    if isinstance(value, PurePath):
        return str(value)
    keys = getattr(value, "final_config_dict", None)
    if isinstance(keys, dict):
        return {KIND: "config", "values": {str(key): to_plain(entry, key, True) for key, entry in keys.items()}}
    if lenient:
        return str(value)
    raise UserError(
        f"{place} holds a {type(value).__name__}, and what is saved must be tensors and plain values (a file of Python "
        "objects could run code when it is read). Let state_dict(), or the model's other_parameter(), give such values."
    )


def from_plain(value: Any) -> Any:
    """The value that `to_plain` was given; modules are left out of the dict that held them."""
    if isinstance(value, (list, tuple)):
        return type(value)([from_plain(entry) for entry in value]) if type(value) in (list, tuple) else value
    if not isinstance(value, dict):
        return value
    kind = value.get(KIND)
    if kind is None:
        if isinstance(value, OrderedDict):
            return value
        return {key: from_plain(entry) for key, entry in value.items() if not _is_module(entry)}
    return _READERS[kind](value)


def _plain_mapping(value: Mapping[Any, Any], place: str, lenient: bool) -> Any:
    if isinstance(value, OrderedDict) and value and all(type(entry) is torch.Tensor for entry in value.values()):
        return value  # the state of a module; it carries versions of its parts as an attribute
    plain = {
        _plain_key(key, place): to_plain(entry, f"{place}, {key}" if len(place) < 200 else place, lenient)
        for key, entry in value.items()
    }
    if isinstance(value, defaultdict) and value.default_factory is list:
        return {KIND: "lists", "values": plain}
    return plain


def _plain_key(key: Any, place: str) -> Any:
    key = key.item() if isinstance(key, np.generic) else key
    if key is None or type(key) in (bool, int, float, str):
        return key
    raise UserError(f"{place} has the key {key!r}, and what is saved must have keys that are text or numbers.")


def _plain_array(value: np.ndarray, place: str) -> dict[str, Any]:
    if value.dtype.kind in "biufc":
        return {KIND: "array", "values": torch.from_numpy(np.array(value, order="C"))}
    if value.dtype.kind in "UO":
        listed = [to_plain(entry, place) for entry in value.ravel().tolist()]
        return {KIND: "texts", "values": listed, "shape": list(value.shape), "dtype": value.dtype.str}
    raise UserError(f"{place} holds an array of {value.dtype}, which cannot be saved. Use numbers or text.")


def _plain_sparse(value: Any) -> dict[str, Any]:
    form = value.format
    stored = value if form in ("csr", "csc") else value.tocoo()
    names = ("data", "indices", "indptr") if form in ("csr", "csc") else ("data", "row", "col")
    arrays = {name: torch.from_numpy(np.array(getattr(stored, name))) for name in names}
    matrix = isinstance(value, sparse.spmatrix)
    return {KIND: "sparse", "form": form, "matrix": matrix, "shape": list(value.shape), **arrays}


def _is_module(value: Any) -> bool:
    return isinstance(value, dict) and value.get(KIND) == "module"


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.cpu().numpy())


def _texts(value: dict[str, Any]) -> np.ndarray:
    return np.array([from_plain(entry) for entry in value["values"]], dtype=value["dtype"]).reshape(value["shape"])


def _sparse(value: dict[str, Any]) -> Any:
    form, shape = str(value["form"]), tuple(value["shape"])
    if form in ("csr", "csc"):
        kind = getattr(sparse, f"{form}_{'matrix' if value['matrix'] else 'array'}")
        return kind(tuple(_array(value[name]) for name in ("data", "indices", "indptr")), shape=shape)
    made = sparse.coo_matrix if value["matrix"] else sparse.coo_array
    return made((_array(value["data"]), (_array(value["row"]), _array(value["col"]))), shape=shape).asformat(form)


_READERS: dict[str, Any] = {
    "array": lambda value: _array(value["values"]),
    "texts": _texts,
    "sparse": _sparse,
    "set": lambda value: {from_plain(entry) for entry in value["values"]},
    "lists": lambda value: defaultdict(list, from_plain(value["values"])),
    "enum": lambda value: getattr(enum_type, value["of"])[value["name"]],
    "config": lambda value: SavedConfig(from_plain(value["values"])),
    "module": lambda value: None,
}
