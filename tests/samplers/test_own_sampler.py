"""docs/add_a_sampler.md does what it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.model.general_recommender import LightGCN

from recbole_dtlns.cli import main
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_folder import RESULT
from recbole_dtlns.quick_start import run_recbole_dtlns
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch
from recbole_dtlns.samplers.first_batch import check_first_batch
from recbole_dtlns.training.layers import LAYER_SOURCES

DOC = Path(__file__).parents[2] / "docs" / "add_a_sampler.md"
SAMPLER, ADAPTER = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)


class MyModel(LightGCN):
    """A model of a user's own."""

    def all_layers(self) -> list[torch.Tensor]:
        layers = [self.get_ego_embeddings()]
        for _ in range(self.n_layers):
            layers.append(torch.sparse.mm(self.norm_adj_matrix, layers[-1]))
        return layers


@pytest.fixture(autouse=True)
def _restore() -> Any:
    samplers, sources = dict(SAMPLERS), dict(LAYER_SOURCES)
    yield
    for registry, before in ((SAMPLERS, samplers), (LAYER_SOURCES, sources)):
        registry.clear()
        registry.update(before)


def shared(data: Path, run_dir: Path) -> dict[str, Any]:
    return {
        **{"dataset": "toy", "data_path": str(data), "epochs": 1, "embedding_size": 8, "run_dir": str(run_dir)},
        **{"cache_dir": str(run_dir.parent / "cache"), "judge": "none", "show_progress": False},
    }


def test_a_sampler_of_ones_own_in_under_30_lines(toy_data: Path, tmp_path: Path) -> None:
    assert len(SAMPLER.strip().splitlines()) < 30
    (tmp_path / "mine.py").write_text(SAMPLER)
    keys = {**shared(toy_data, tmp_path / "run"), "plugins": tmp_path / "mine.py", "neg_sampler": "easier"}
    keys |= {"easier_share": 0.3, "tree_view": "true", "num_negatives": 2}
    assert main(["--model=BPR", *(f"--{key}={value}" for key, value in keys.items())]) == 0
    result = json.loads((tmp_path / "run" / RESULT).read_text())
    assert result["neg_sampler_effective"] == "easier+tree"
    assert result["config"]["easier_share"] == 0.3
    bad = [f"--{key}={value}" for key, value in {**keys, "easier_share": 2}.items()]
    assert main(["--model=BPR", *bad]) == 2


def test_layers_of_ones_own_model(toy_data: Path, tmp_path: Path) -> None:
    exec(ADAPTER, {})
    keys = {**shared(toy_data, tmp_path / "run"), "neg_sampler": "mixgcf"}
    run_recbole_dtlns(MyModel, "toy", config_dict=keys)
    result = json.loads((tmp_path / "run" / RESULT).read_text())
    assert result["model"] == "MyModel"
    assert result["neg_sampler_effective"] == "mixgcf"


@pytest.mark.parametrize("view", ["false", "true"])
@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("score(self, batch): return batch.scores * float('nan')", r"`score` gave NaN for \d+ of \d+ scores"),
        ("score(self, batch): return batch.scores.sum(1)", r"`score` gave a tensor float32 \[\d+\]; expected a tensor"),
        ("score(self, batch): return None", r"`score` gave None \(NoneType\); expected a tensor \[\d+, 10\]"),
        ("pick(self, scores): return scores.argmax(1, keepdim=True) + 10**6", r"`pick` gave positions from 10+\d+ to"),
        ("pick(self, scores): return scores[:, :1]", r"`pick` gave a tensor float32 .* expected a tensor int64"),
        ("propose(self, users, n): return users", r"`propose` gave a tensor int64 .* of 2 dimensions"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_at_the_first_batch(
    toy_data: Path, tmp_path: Path, method: str, message: str, view: str
) -> None:
    class Wrong(BaseSampler):
        """Gets the method that is told."""

    made: dict[str, Any] = {}
    exec(f"def {method}", made)
    name = method.partition("(")[0]
    setattr(Wrong, name, made[name])
    SAMPLERS["wrong"] = Wrong
    keys = {**shared(toy_data, tmp_path / "run"), "neg_sampler": "wrong", "tree_view": view, "tree_leaf_size": 4}
    with pytest.raises(UserError, match=f"neg_sampler=wrong: {message}"):
        run_recbole_dtlns("BPR", "toy", config_dict=keys)


def test_a_sampler_is_looked_at_once() -> None:
    sampler, rows = BaseSampler(), torch.zeros(2, 3, dtype=torch.int64)
    check_first_batch(sampler, "plain")
    batch = Batch(rows[:, 0], rows[:, 0], rows, 0, torch.Generator())
    assert {"score", "pick", "propose"} <= vars(sampler).keys()
    sampler.pick(sampler.score(batch))
    assert vars(sampler).keys() == {"propose"}
