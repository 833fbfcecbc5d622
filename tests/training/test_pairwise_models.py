"""Every pairwise general model of RecBole with every sampler that returns ids, on a data set of 60 users."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.data.interaction import Interaction
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import positives_matrix
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.training.assemble import Prepared, prepare
from recbole_dtlns.training.layers import LAYER_SOURCES
from recbole_dtlns.training.resume import RunPlace

MODELS: dict[str, dict[str, Any]] = {
    "BPR": {},
    "LightGCN": {"n_layers": 1},
    "NGCF": {"hidden_size_list": [4]},
    "DGCF": {"n_factors": 2, "n_iterations": 1, "n_layers": 1},
    "SpectralCF": {"n_layers": 1},
    "NCL": {"n_layers": 2, "num_clusters": 5, "warm_up_step": 0, "m_step": 1},
    "SGL": {"n_layers": 1},
    "GCMC": {"gcn_output_dim": 8},
    "LINE": {},
    "SimpleX": {"history_len": 5},
    "ConvNCF": {"embedding_size": 64, "cnn_channels": [1, 2, 2, 2, 2]},  # its convolutions want a square of 64
}
RETURN_IDS = [name for name, kind in SAMPLERS.items() if not kind.needs_layers]
MIX_LAYERS = [name for name, kind in SAMPLERS.items() if kind.needs_layers and not kind.tree_view_by_default]


@pytest.fixture(scope="module")
def data(tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_pairs(folder / "toy", toy_split())
    return folder


@pytest.fixture(scope="module")
def split(data: Path) -> BuiltSplit:
    return build_split(configured("BPR", data), data / "cache")


def configured(model: str, data: Path, **keys: Any) -> Config:
    given = {"embedding_size": 8, "epochs": 1, "neg_candidates": 3, "judge": "none", "train_batch_size": 256}
    config = Config(model, "toy", config_dict={**given, "data_path": str(data), **MODELS.get(model, {}), **keys})
    config["checkpoint_dir"] = str(data / "saved")
    return config


def ready(model: str, data: Path, split: BuiltSplit, **keys: Any) -> Prepared:
    config = configured(model, data, **keys)
    prepared = prepare(config, split, None, None, place=RunPlace(data))
    return prepared


Batch = tuple[int, torch.Tensor, torch.Tensor]


@pytest.fixture
def batches_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[Batch]]:
    """`batches_of(model)`: a list that fills with (rows, users, negatives) of each batch that its loss is given."""

    def watch(model: Any) -> list[Batch]:
        seen: list[Batch] = []
        stock = type(model).calculate_loss

        def calculate(self: Any, rows: Interaction) -> Any:
            seen.append((len(rows[self.ITEM_ID]), rows[self.USER_ID], rows[self.NEG_ITEM_ID]))
            return stock(self, rows)

        monkeypatch.setattr(type(model), "calculate_loss", calculate)
        return seen

    return watch


@pytest.mark.parametrize("sampler", RETURN_IDS)
@pytest.mark.parametrize("model", MODELS)
def test_an_epoch_with_every_sampler_that_returns_ids(
    data: Path, split: BuiltSplit, batches_of: Any, model: str, sampler: str
) -> None:
    if model == "NCL":
        pytest.importorskip("faiss")
    prepared = ready(model, data, split, neg_sampler=sampler)
    seen = batches_of(prepared.model)
    before = [parameter.detach().clone() for parameter in prepared.model.parameters()]
    positives = positives_matrix(split.train).toarray()
    prepared.trainer.fit(prepared.train_data, None, saved=False, show_progress=False)
    after = list(prepared.model.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert all(parameter.isfinite().all() for parameter in after)
    assert sum(rows for rows, _, _ in seen) == len(split.train)
    for _, users, items in seen:
        assert items.min() > 0
        assert not positives[users.numpy(), items.numpy()].any()


@pytest.mark.parametrize("model", ["BPR", "SimpleX"])
def test_several_negatives_leave_the_batch_size_in_positives(
    data: Path, split: BuiltSplit, batches_of: Any, model: str
) -> None:
    prepared = ready(model, data, split, neg_sampler="dns", num_negatives=3, train_batch_size=100)
    seen = batches_of(prepared.model)
    sizes = [len(rows) for rows in prepared.train_data]
    assert sizes[0] == 100
    for rows in prepared.train_data:
        prepared.trainer.step(prepared.model.calculate_loss, rows)
    if prepared.trainer.step.source.sizes is not None and prepared.trainer.step.loss is not None:
        assert [rows for rows, _, _ in seen] == sizes  # all negatives of a positive are scored in its row
    else:
        assert [rows for rows, _, _ in seen] == [3 * size for size in sizes]
        assert not torch.equal(seen[0][2][:100], seen[0][2][100:200])  # each of them drawn by itself


@pytest.mark.parametrize("model", [name for name in MODELS if name not in LAYER_SOURCES])
@pytest.mark.parametrize("sampler", MIX_LAYERS)
def test_samplers_that_mix_layers_name_the_models_they_work_with(data: Path, model: str, sampler: str) -> None:
    with pytest.raises(UserError, match=f"It works with {', '.join(LAYER_SOURCES)}"):
        configured(model, data, neg_sampler=sampler)


def test_a_sampler_that_mixes_layers_exits_with_2_on_another_model(data: Path, capsys: Any) -> None:
    assert main(["--model=GCMC", "--dataset=toy", f"--data_path={data}", "--neg_sampler=mixgcf"]) == 2
    assert "It works with BPR, LightGCN" in capsys.readouterr().err
