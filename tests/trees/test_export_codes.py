"""`export_codes` writes what `codes_co` and `codes_se` read."""

import json
from pathlib import Path

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.trees.codes import read_codes
from recbole_dtlns.trees.export import export_codes
from recbole_dtlns.trees.stage import TreeSettings, build_trees

FLAGS = ["identify", "--dataset=toy", "--data_path=data", "--judge=rule", "--tree_leaf_size=4"]


def test_both_trees_make_the_round_trip_on_the_command_line(toy: Path) -> None:
    assert main([*FLAGS, "--run_dir=first", "--export_codes=codes"]) == 0
    read = ["--codes_co=codes/co_paths.txt", "--codes_se=codes/emb_paths.txt"]
    assert main([*FLAGS, "--run_dir=second", "--cache_dir=other", *read, "--export_codes=again"]) == 0
    for name in ("co_paths.txt", "emb_paths.txt"):
        assert Path("codes", name).read_bytes() == Path("again", name).read_bytes()
        assert Path("codes", name).read_text().splitlines()[0].count(": ") == 1
    first, second = (Path(name, "inferred_positives.tsv").read_bytes() for name in ("first", "second"))
    assert first == second
    assert "made elsewhere: codes_co, codes_se" in read_result(Path("second"))["marks"]
    told = json.loads(Path("codes", "emb_paths.txt.json").read_text())
    assert (told["source"], told["items"], told["leaf_size"]) == ("svd", 40, 4)
    write_pairs(toy / "data" / "toy", toy_split(seed=1))
    assert main([*FLAGS, "--run_dir=third", *read]) == 2  # another training split


def test_codes_and_lengths_are_those_of_the_trees(view, cache, tmp_path: Path) -> None:
    trees = build_trees(view, TreeSettings(leaf_size=5), cache)
    export_codes(str(tmp_path / "codes"), trees, view.train_hash, {"leaf_size": 5})
    known = {"leaf_size": 5, "train_hash": view.train_hash, "items": 40}
    for name, table, source in (("co_paths.txt", trees.co, "item graph"), ("emb_paths.txt", trees.se, "svd")):
        assert json.loads((tmp_path / "codes" / f"{name}.json").read_text()) == {**known, "source": source}
        np.testing.assert_array_equal(read_codes(tmp_path / "codes" / name, view.items).table.codes, table.codes)


def test_what_cannot_be_written_is_refused(toy: Path, cache, capsys: pytest.CaptureFixture[str]) -> None:
    Path("codes").write_text("")
    assert main([*FLAGS, "--run_dir=run", "--export_codes=codes"]) == 2
    assert "export_codes=codes is a file; expected a folder" in capsys.readouterr().err
    plain = ["--model=BPR", "--dataset=toy", "--data_path=data", "--neg_sampler=dns", "--export_codes=new"]
    assert main([*plain, "--run_dir=run2"]) == 2
    assert "nothing reads codes here" in capsys.readouterr().err
    split = TrainSplit.from_pairs(np.array(["u", "v"]), np.array(["a\nb", "c"]))
    trees = build_trees(split, TreeSettings(item_vectors="svd"), cache)
    with pytest.raises(UserError, match="holds a line end"):
        export_codes("new", trees, split.train_hash, {})


def test_the_mark_says_how_many_items_lack_a_vector(toy: Path) -> None:
    np.save("vectors.npy", np.random.default_rng(0).normal(size=(37, 3)))
    Path("vectors.tokens.txt").write_text("\n".join(f"i{item}" for item in range(37)))
    assert main([*FLAGS, "--run_dir=run", "--item_vectors=vectors.npy"]) == 0
    assert "3 of 40 items have no vector in item_vectors; they got the mean" in read_result(Path("run"))["marks"]
