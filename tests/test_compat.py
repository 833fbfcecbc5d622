"""The fixes to RecBole are in force, also where nobody called for them."""

import multiprocessing
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.model import general_recommender
from recbole.trainer import hyper_tuning
from recbole.utils import FeatureType
from scipy.sparse import coo_matrix, dok_matrix
from toy import write_pairs

from recbole_dtlns import compat
from recbole_dtlns.compat import data
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split

ROOT = Path(__file__).resolve().parent.parent


def test_applying_twice_changes_nothing() -> None:
    before = (Dataset._download, Interaction.sort)
    compat.apply()
    assert (Dataset._download, Interaction.sort) == before


def test_without_recbole_the_import_says_the_exact_command() -> None:
    code = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'recbole' else real(name, *a)\n"
        "import recbole_dtlns"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode != 0
    assert "pip install --no-deps recbole==1.2.1" in done.stderr


def _works_in_a_child(queue: Any) -> None:
    from recbole.config import Config

    dok_matrix((2, 2), dtype=np.float32)._update({(0, 1): 1.0})
    queue.put(Config.compatibility_settings.__module__)


def test_in_force_in_spawned_processes() -> None:
    import recbole_dtlns  # noqa: F401  a spawned child imports this module, and with it the package

    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=_works_in_a_child, args=(queue,))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    assert queue.get() == "recbole_dtlns.compat.packages"


def test_fill_nan_fills() -> None:
    frame = pd.DataFrame({"a": [1.0, None], "b": [None, 4.0], "c": [np.array([1]), float("nan")]})
    types = {"a": FeatureType.TOKEN, "b": FeatureType.FLOAT, "c": FeatureType.TOKEN_SEQ}
    Dataset._fill_nan(SimpleNamespace(feat_name_list=["feat"], feat=frame, field2type=types))
    assert frame["a"].tolist() == [1.0, 0.0]
    assert frame["b"].tolist() == [4.0, 4.0]
    assert frame["c"][1].tolist() == []


def test_sort_is_stable_and_like_recboles() -> None:
    rows = Interaction({"u": torch.tensor([2, 1, 2, 1]), "i": torch.tensor([1, 2, 3, 4])})
    rows.sort(by="u", ascending=True)
    assert rows["i"].tolist() == [2, 4, 1, 3]


@pytest.mark.parametrize("name", ["LightGCN", "NGCF", "GCMC"])
def test_adjacency_is_recboles_entry_by_entry(name: str) -> None:
    """In RecBole's order too, so that stock runs sum the same numbers in the same order."""
    build = getattr(general_recommender, name).get_norm_adj_mat
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(1, 30, 200), rng.integers(1, 20, 200)  # some pairs twice; users without any
    pairs = coo_matrix((np.ones(200, dtype=np.float32), (rows, columns)), shape=(33, 21))
    model = SimpleNamespace(n_users=33, n_items=21, interaction_matrix=pairs)
    ours, stock = build(model), build.__wrapped__(model)
    assert torch.equal(ours._indices(), stock._indices())
    assert torch.equal(ours._values(), stock._values())
    assert ours.shape == stock.shape
    assert ours.dtype == stock.dtype
    assert ours._nnz() == 2 * len(set(zip(rows.tolist(), columns.tolist(), strict=True)))


def test_pop_counts_every_positive_row_and_no_negative() -> None:
    pop = SimpleNamespace(ITEM_ID="item_id", LABEL="label", n_items=5, device="cpu")
    pop.item_cnt = torch.zeros(5, 1, dtype=torch.long)
    items = torch.tensor([2, 2, 3, 2, 4])
    general_recommender.Pop.calculate_loss(pop, Interaction({"item_id": items}))
    assert pop.item_cnt.flatten().tolist() == [0, 0, 3, 1, 1]
    labels = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])  # as RecBole's loader marks the negatives that it adds
    general_recommender.Pop.calculate_loss(pop, Interaction({"item_id": items, "label": labels}))
    assert pop.item_cnt.flatten().tolist() == [0, 0, 5, 2, 1]
    assert pop.max_cnt.tolist() == [5]


def test_a_trained_pop_holds_the_counts_of_train(toy: Path) -> None:
    from recbole_dtlns.cli import main
    from recbole_dtlns.evaluation.loading import load_run

    assert main(["--model=Pop", "--dataset=toy", "--data_path=data", "--run_dir=run", "--train_batch_size=256"]) == 0
    run = load_run("run")
    counts = np.bincount(run.split.real_train.inter_feat["item_id"].numpy(), minlength=41)
    assert run.prepared.model.item_cnt.flatten().tolist() == counts.tolist()


def test_ncl_takes_no_more_prototypes_than_there_are_nodes() -> None:
    pytest.importorskip("faiss")
    ncl = SimpleNamespace(k=1000, latent_dim=4, device="cpu")
    points = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    centroids, nearest = general_recommender.NCL.run_kmeans(ncl, points)
    assert centroids.shape == (12, 4)
    assert sorted(nearest.tolist()) == list(range(12))  # each node is a prototype of its own
    assert ncl.k == 1000
    ncl.k = 3
    assert general_recommender.NCL.run_kmeans(ncl, points)[0].shape == (3, 4)


@pytest.mark.parametrize(("batch_size", "sample"), [(2048, 12), (90, 12), (30, 10)])
def test_dgcf_samples_no_more_nodes_than_there_are(batch_size: int, sample: int, tmp_path: Path) -> None:
    """12 users and 41 items, padding counted, and 110 pairs: a batch's share of the items is 41, 20 and 10."""
    pairs = [(f"u{user}", f"i{(7 * user + item) % 40}") for user in range(11) for item in range(10)]
    write_pairs(tmp_path / "toy", {"train": pairs, "valid": [("u0", "i39")], "test": [("u0", "i38")]})
    config = Config("DGCF", "toy", config_dict={"data_path": str(tmp_path), "train_batch_size": batch_size})
    split = build_split(config, tmp_path / "cache")
    model = general_recommender.DGCF(config, split.train)
    assert (model.n_users, model.n_items) == (12, 41)
    assert model.cor_batch_size == sample


def test_dynamic_sampling_reads_scores_on_the_cpu_where_the_model_is_elsewhere() -> None:
    """A GPU refuses ids on the CPU that are indexed by positions on the GPU; here scores say where they are."""

    def stock(loader: Any, rows: str) -> str:
        return str(loader.model.predict(rows))

    class Scores(str):
        def cpu(self) -> str:
            return f"{self} on the CPU"

    class Model:
        device = torch.device("cuda")

        def predict(self, rows: str) -> Scores:
            return Scores(f"scores of {rows}")

    fixed = data._with_scores_on_the_cpu(stock)
    model = Model()
    dynamic = SimpleNamespace(neg_sample_args={"dynamic": True}, model=model)
    assert fixed(dynamic, "rows") == "scores of rows on the CPU"
    assert model.predict("rows") == "scores of rows"  # afterwards it is the model's own again
    model.device = torch.device("cpu")
    assert fixed(dynamic, "rows") == "scores of rows"


def test_exhaustive_search_can_draw_with_the_current_hyperopt() -> None:
    """`hyperopt.pyll.stochastic.randint` calls `rng.integers(low, high, size)`."""
    draws = hyper_tuning.np.random.RandomState(3)
    assert int(draws.integers(2)) in {0, 1}
    assert set(draws.integers(1, 3, size=50).tolist()) == {1, 2}
    assert hyper_tuning.np.prod([2, 3]) == 6
