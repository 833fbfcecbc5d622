"""Names and ways that newer numpy and scipy took away from RecBole; see `compat`."""

from __future__ import annotations

import warnings
from typing import Any

from recbole_dtlns.compat.wrapping import StandIn


def apply_packages() -> None:
    """Put these fixes in force; calling it again changes nothing."""
    _restore_numpy_names()
    _quiet_known_warnings()
    _fix_config()
    _fix_adjacency_builders()
    _fix_exhaustive_search()


def _restore_numpy_names() -> None:
    """Reason: RecBole reads `np.float`, `np.int`, `np.object` and `np.str`, which numpy 1.24 removed.

    Affects: numpy >= 1.24. Goes when RecBole uses the builtin types.
    """
    import numpy as np

    for name, value in {"float": np.float64, "int": np.int64, "object": np.object_, "str": np.str_}.items():
        if name not in vars(np):
            setattr(np, name, value)
    for name, value in {"bool": np.bool_, "long": np.int64}.items():
        if name not in vars(np):  # numpy 2 has these two again
            setattr(np, name, value)


def _quiet_known_warnings() -> None:
    """Reason: RecBole imports `torch.cuda.amp`, deprecated since torch 2.4; users cannot act on the warning."""
    warnings.filterwarnings("ignore", category=FutureWarning, message=r".*torch\.cuda\.amp.*")
    warnings.filterwarnings("ignore", category=FutureWarning, message=r".*GradScaler.*")
    warnings.filterwarnings("ignore", category=UserWarning, message=r".*torch\.sparse\.SparseTensor.*")
    warnings.filterwarnings("ignore", category=UserWarning, message=r".*Sparse CSR tensor support.*")


def _fix_config() -> None:
    """Reason: `Config` reads `np.float_`, `np.complex_` and `np.unicode_`, so every configuration fails.

    Affects: numpy >= 2. Goes when RecBole drops `compatibility_settings`.
    """
    from recbole.config import Config

    Config.compatibility_settings = lambda self: _restore_numpy_names()


def _fix_adjacency_builders() -> None:
    """Reason: LightGCN, NGCF, NCL, GCMC, SpectralCF and KGIN fill a `dok_matrix` through its removed `_update`.

    Affects: scipy >= 1.13. Goes when RecBole builds adjacency from COO.
    """
    from scipy.sparse import dok_matrix

    if not hasattr(dok_matrix, "_update"):
        dok_matrix._update = lambda self, data: self._dict.update(data)


def _fix_exhaustive_search() -> None:
    """Reason: `HyperTuning`'s start value `exhaustive` gives hyperopt a `RandomState`, which has no `integers`.

    Affects: hyperopt >= 0.2.6. Goes when RecBole gives it numpy's new generator.
    """
    import numpy as np
    import recbole.trainer.hyper_tuning as tuning

    class Draws(np.random.RandomState):
        def integers(self, low: int, high: int | None = None, size: Any = None) -> Any:
            return self.randint(low, high, size)

    if not isinstance(tuning.np, StandIn):
        tuning.np = StandIn(np, random=StandIn(np.random, RandomState=Draws))
