"""RecBole's own reading and writing of objects, so that no file runs code; the part of `compat` about files.

RecBole calls `torch.load` in ten places, `pickle.load` in two, `np.load` with objects in one and `eval` in three.
"""

from __future__ import annotations

import ast
import functools
import logging
import os
import sys
import types
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_dtlns.compat.wrapping import StandIn, wrap_once
from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)


def apply_loading() -> None:
    """Put every fix in force; calling it again changes nothing."""
    import torch

    wrap_once(torch, "load", _plain_load)
    wrap_once(torch, "save", _plain_save)
    _guard_pickled_data()
    _guard_arrays()
    _take_names_only()


def _called_by_recbole() -> bool:
    return str(sys._getframe(2).f_globals.get("__name__", "")).partition(".")[0] == "recbole"


def _plain_load(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Reason: trainers and models of RecBole read checkpoints as Python objects, which run code; torch >= 2.6 refuses.

    Affects: every torch. Goes when RecBole saves plain values. Calls from elsewhere are left alone.
    """

    @functools.wraps(stock)
    def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or not isinstance(f, (str, os.PathLike)) or not _called_by_recbole():
            return stock(f, map_location, *args, **kwargs)
        from recbole_dtlns.files.saved_state import read_state

        return read_state(Path(f), map_location, ours=False, advice="Give a file of tensors and plain values.")

    return load


def _plain_save(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Reason: RecBole puts its Config, an object, into every checkpoint. See `_plain_load`."""

    @functools.wraps(stock)
    def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(f, (str, os.PathLike)) or not _called_by_recbole():
            stock(obj, f, *args, **kwargs)
            return
        from recbole_dtlns.files.saved_state import write_state

        write_state(Path(f), obj, "the checkpoint")

    return save


def _guard_pickled_data() -> None:
    """Reason: a data set or loader that lies in the run folder is unpickled, and so runs code, before it is looked at.

    Affects: every stack. Goes when RecBole saves data as arrays.
    """
    import pickle

    import recbole.data.utils as module

    def load(file: Any) -> Any:
        from recbole_dtlns.files.saved_state import is_trusting

        if is_trusting():
            return pickle.load(file)
        logger.warning(
            "%s holds Python objects, which can run code, and is not read; the data is made from its files. If you "
            "made it yourself, --trust_checkpoint=true reads it.",
            getattr(file, "name", "A file"),
        )
        nothing = types.SimpleNamespace(config=defaultdict(object))  # no key of it is that of any configuration
        return _NoLoaders(nothing)

    if not isinstance(module.pickle, StandIn):
        module.pickle = StandIn(pickle, load=load)


class _NoLoaders:
    """In place of a saved data set or of saved loaders: RecBole finds another configuration, and makes its own."""

    def __init__(self, nothing: Any) -> None:
        self._nothing = nothing
        self.config = nothing.config

    def __iter__(self) -> Any:
        loader = types.SimpleNamespace(config=self.config, sampler=types.SimpleNamespace())
        import torch

        return iter([(loader, torch.Generator().get_state())] * 3)


def _guard_arrays() -> None:
    """Reason: LDiffRec reads item embeddings with `allow_pickle=True`. Goes when RecBole reads plain arrays."""
    import numpy as np
    import recbole.model.general_recommender.ldiffrec as module

    def load(path: Any, allow_pickle: bool = False) -> Any:
        from recbole_dtlns.files.saved_state import is_trusting

        try:
            return np.load(path, allow_pickle=is_trusting())
        except ValueError as error:
            raise UserError(
                f"{path} is no array of numbers ({error}). Save it with np.save from an array of floats; if it holds "
                "objects and you made it yourself, --trust_checkpoint=true reads it."
            ) from error

    if not isinstance(module.np, StandIn):
        module.np = StandIn(np, load=load)


def _take_names_only() -> None:
    """Reason: KD_DAGFM evaluates the key `teacher`, and HyperTuning the options of its file, as Python code.

    Affects: any stack. Goes when RecBole looks the name up and reads literals.
    """
    import recbole.model.context_aware_recommender.kd_dagfm as teachers
    import recbole.trainer.hyper_tuning as tuning

    names = ("DAGFM", "CrossNet", "CIN")

    def teacher(name: str) -> Any:
        if name not in names:
            raise UserError(f"teacher={name!r}: expected one of {', '.join(names)}.")
        return getattr(teachers, name)

    teachers.eval = teacher
    tuning.eval = ast.literal_eval
