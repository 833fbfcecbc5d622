"""Real runs from the command line on `--device`: train, cut off and resume, refresh, and recommend afterwards.

On a CPU one of each kind is enough: test_cli.py, training/test_resume.py and training/test_refresh.py have the others.
"""

from pathlib import Path

import pytest
import torch
from cut_off import cut_off_in_epoch
from toy import write_timed

from recbole_dtlns.cli import main
from recbole_dtlns.evaluation.loading import on_device
from recbole_dtlns.files.run_folder import read_result

pytestmark = pytest.mark.device
on_a_gpu = pytest.mark.skipif("config.getoption('--device') == 'cpu'", reason="proven on a CPU by other tests")

SMALL = ["--data_path=data", "--tree_leaf_size=4", "--train_batch_size=128", "--epochs=3"]


@pytest.fixture
def train(toy: Path, device: str):
    """`train(name, *flags, dataset="toy")`: exit status of a run on the device in the folder of that name."""
    place = "--gpu_id=" if device == "cpu" else "--gpu_id=0"  # an empty one is RecBole's way to ask for a CPU

    def run(name: str, *flags: str, dataset: str = "toy") -> int:
        return main([f"--dataset={dataset}", *SMALL, place, f"--run_dir={name}", *flags])

    return run


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["--model=BPR", "--neg_sampler=recbole:dynamic"], marks=on_a_gpu),
        pytest.param(["--model=BPR", "--neg_sampler=srns", "--judge=rule", "--judge_refresh=1"], marks=on_a_gpu),
        pytest.param(["--model=LightGCN", "--neg_sampler=dtl_ns"], marks=on_a_gpu),
        ["--model=LightGCN", "--neg_sampler=divns", "--num_negatives=2", "--tree_exclude=0.9"],
        pytest.param(["--model=NGCF", "--neg_sampler=ans", "--hidden_size_list=[8,8]"], marks=on_a_gpu),
        ["--model=NGCF", "--neg_sampler=dns", "--judge=rule", "--augment_graph=true"],
        ["--model=DGCF", "--neg_sampler=dtl_ns", "--judge=rule", "--n_factors=2", "--n_iterations=1"],
        pytest.param(["--model=GCMC", "--neg_sampler=dns", "--judge=rule"], marks=on_a_gpu),
        pytest.param(
            ["--model=BPR", "--neg_sampler=mixgcf", "--candidate_source=BPR", "--candidate_config={epochs: 2}"],
            marks=on_a_gpu,
        ),
    ],
    ids=" ".join,
)
def test_a_run_trains_tests_and_recommends(flags: list[str], train, device: str) -> None:
    assert train("run", "--embedding_size=8", *flags) == 0
    result = read_result(Path("run"))
    assert result["test_result"]["recall@20"] > 0
    assert (result["machine"]["gpu"] is not None) == (device == "cuda")
    assert main(["recommend", "run", "--topk=3", "--output=lists.tsv"]) == 0
    assert len(Path("lists.tsv").read_text().splitlines()) == 1 + 60 * 3


def test_a_sequential_run(toy: Path, train) -> None:
    write_timed(toy / "data")
    flags = ["--model=SASRec", "--loss_type=BPR", "--hidden_size=8", "--n_heads=1", "--neg_sampler=srns"]
    flags.append("--load_col={'inter': ['user_id', 'item_id', 'timestamp']}")
    assert train("run", *flags, dataset="timed") == 0


@on_a_gpu
@pytest.mark.parametrize("sampler", ["dtl_ns", "ans", "divns"])
def test_a_run_that_is_cut_off_ends_where_an_undisturbed_one_ends(sampler: str, train, device: str) -> None:
    flags = [
        "--model=LightGCN",
        "--embedding_size=8",
        f"--neg_sampler={sampler}",
        "--checkpoint_seconds=0",
        "--judge=rule",
    ]
    assert train("whole", *flags) == 0
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 2)
        assert train("broken", *flags) == 130
    assert train("broken", *flags) == 0
    whole, broken = (read_result(Path(name))["best_valid_result"] for name in ("whole", "broken"))
    assert broken == pytest.approx(whole, abs=0 if device == "cpu" else 0.02)  # sums on a GPU have no fixed order


def test_tables_of_a_checkpoint_go_to_the_device_and_the_rest_stays() -> None:
    kept = {"restore_user_e": torch.ones(2), "restore_item_e": None, "dtlns_split_hash": "ab"}
    moved = on_device(kept, torch.device("meta"))
    assert moved["restore_user_e"].device.type == "meta"
    assert {name: moved[name] for name in ("restore_item_e", "dtlns_split_hash")} == {
        "restore_item_e": None,
        "dtlns_split_hash": "ab",
    }
