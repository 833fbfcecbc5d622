import numpy as np
import pytest

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.trees import sources, stage


@pytest.fixture
def view() -> TrainSplit:
    """Two groups of 20 items, each with its own users."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 8)
    items = np.concatenate([rng.choice(20, 8, replace=False) + 20 * (user % 2) for user in range(60)])
    return TrainSplit.from_pairs(users.astype(str), items.astype(str))


@pytest.fixture
def cache(tmp_path) -> StageCache:
    return StageCache(tmp_path / "cache")


@pytest.fixture
def no_work(monkeypatch):
    def forbid():
        for name in ("jaccard_graph", "spectral_embedding", "svd_vectors"):
            monkeypatch.setattr(sources, name, lambda *_: pytest.fail("computed again"))
        monkeypatch.setattr(stage, "build_codes", lambda *_: pytest.fail("computed again"))

    return forbid
