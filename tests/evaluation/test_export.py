"""`export`: an exact index over the vectors lists what `recommend` lists."""

import json
from pathlib import Path

import numpy as np
import pytest
from toy import toy_split

from recbole_dtlns.cli import main
from recbole_dtlns.files.run_folder import read_result

SMALL = ["--dataset=toy", "--data_path=data", "--embedding_size=8", "--train_batch_size=128", "--epochs=2"]
PLAIN = ["--neg_sampler=recbole:uniform", "--judge=none"]


def listed(file: str) -> dict[tuple[str, str], float]:
    rows = [line.split("\t") for line in Path(file).read_text().splitlines()[1:]]
    return {(user, item): float(score) for user, item, _, score in rows}


def by_index(users: np.ndarray, items: np.ndarray, names: list[list[str]], topk: int) -> dict[tuple[str, str], float]:
    """Top-k of an exact index of inner products, without what the user has: faiss where it is installed, else numpy."""
    try:
        import faiss

        index = faiss.IndexFlatIP(items.shape[1])
        index.add(items)
        scores, places = index.search(users, len(items))
    except ImportError:
        places = np.argsort(-(users @ items.T), axis=1)
        scores = np.take_along_axis(users @ items.T, places, axis=1)
    parts = toy_split()
    seen = set(parts["train"] + parts["valid"])
    lists = {}
    for user, order, values in zip(names[0], places, scores, strict=True):
        pairs = [((user, names[1][item]), value) for item, value in zip(order, values, strict=True)]
        lists |= dict([(pair, value) for pair, value in pairs if pair not in seen][:topk])
    return lists


@pytest.mark.parametrize("flags", [["--model=BPR"], ["--model=LightGCN"], ["--model=NGCF", "--hidden_size_list=[8,8]"]])
def test_an_exact_index_over_the_vectors_lists_what_recommend_lists(toy: Path, flags: list[str]) -> None:
    assert main([*SMALL, *PLAIN, *flags, "--run_dir=run"]) == 0
    assert main(["recommend", "run", "--topk=5", "--output=lists.tsv"]) == 0
    assert main(["export", "run", "--output=vectors"]) == 0
    users, items = (np.load(f"vectors/{side}s.npy") for side in ("user", "item"))
    names = [Path(f"vectors/{side}s.tokens.txt").read_text().splitlines() for side in ("user", "item")]
    assert (len(users), len(items)) == (len(names[0]), len(names[1])) == (60, 40)
    assert items.shape[1] == (24 if "NGCF" in flags[0] else 8)
    expected, searched = listed("lists.tsv"), by_index(users, items, names, topk=5)
    assert searched.keys() == expected.keys()
    np.testing.assert_allclose([searched[pair] for pair in expected], list(expected.values()), rtol=1e-4, atol=1e-5)
    about = json.loads(Path("vectors/items.npy.json").read_text())
    assert (about["side"], about["train_hash"]) == ("item", read_result(Path("run"))["data"]["train_hash"])
    if flags == ["--model=BPR"]:
        parquet = pytest.importorskip("pyarrow.parquet")
        assert main(["export", "run", "--output=vectors", "--format=parquet"]) == 0
        table = parquet.read_table("vectors/items.parquet")
        assert table["token"].to_pylist() == names[1]
        np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), dtype=np.float32), items)


def test_a_score_that_is_no_dot_product_is_refused(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [flag for flag in SMALL if "embedding_size" not in flag]
    assert main([*small, *PLAIN, "--model=NeuMF", "--run_dir=run"]) == 0
    assert main(["export", "run", "--output=vectors"]) == 2
    assert "that of NeuMF is not" in capsys.readouterr().err
    assert not Path("vectors").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--output=FOLDER"),
        (["--output=a", "--format=csv"], "expected npy or parquet"),
        (["--topk=3"], "found --topk"),
        (["--output=a", "--allow_plugins", "--trust_checkpoint=true"], "run"),
    ],
)
def test_bad_flags(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "run", *flags]) == 2
    assert message in capsys.readouterr().err
