"""`trees update`: two trees grow with the data set, and runs read them."""

import json
from pathlib import Path

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.trees.codes import read_all_codes
from recbole_dtlns.trees.export import export_codes
from recbole_dtlns.trees.growth import read_old_trees
from recbole_dtlns.trees.stage import TreeSettings, build_trees
from recbole_dtlns.trees.update import update_trees

SMALL = TreeSettings(leaf_size=5, item_vectors="svd")
FILES = ("co_paths.txt", "emb_paths.txt")
FLAGS = ["--dataset=toy", "--data_path=data", "--tree_leaf_size=4"]
NEW = {"i3", "i12", "i25", "i31"}


def split(pairs: list[tuple[str, str]]) -> TrainSplit:
    return TrainSplit.from_pairs(np.array([user for user, _ in pairs]), np.array([item for _, item in pairs]))


def pairs_of(view: TrainSplit) -> list[tuple[str, str]]:
    users, items = view.matrix.nonzero()
    return list(zip(view.users[users].tolist(), view.items[items].tolist(), strict=True))


def exported(view: TrainSplit, cache, folder: Path) -> Path:
    export_codes(str(folder), build_trees(view, SMALL, cache), view.train_hash, {})
    return folder


def codes_of(path: Path) -> dict[str, tuple[int, ...]]:
    table = read_all_codes(path)
    return dict(zip(table.tokens[1:].tolist(), map(tuple, table.codes[1:].tolist()), strict=True))


def test_clones_land_beside_their_originals_and_no_old_code_moves(view, cache, tmp_path: Path) -> None:
    folder = exported(view, cache, tmp_path / "old")
    copied = [*pairs_of(view), *((user, f"{item}-copy") for user, item in pairs_of(view))]
    shuffled = [copied[row] for row in np.random.default_rng(0).permutation(len(copied))]
    for name, pairs in (("new", copied), ("again", shuffled)):
        report = update_trees(read_old_trees(folder), str(tmp_path / name), split(pairs), SMALL, cache)
        assert report["structural"]["placed"] == report["semantic"]["placed"] == 40
    for name in FILES:
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
        old, new = codes_of(folder / name), codes_of(tmp_path / "new" / name)
        assert {item: new[item] for item in old} == old
        assert all(new[f"{item}-copy"][0] == code[0] for item, code in old.items()), "another half of the items"
        # A balanced tree has moved some originals away from the nearest cluster, so not every copy can be with them.
        assert np.mean([new[f"{item}-copy"] == code for item, code in old.items()]) > 0.4


def test_nothing_added_is_no_drift_and_shuffled_codes_are(view, cache, tmp_path: Path) -> None:
    folder = exported(view, cache, tmp_path / "old")
    report = update_trees(read_old_trees(folder), str(tmp_path / "same"), view, SMALL, cache)
    for name in ("structural", "semantic"):
        assert not any(report[name]["drift"])
        assert (report[name]["drift_of_new"], report[name]["rebuild"], report[name]["placed"]) == (None, False, 0)
    for name in FILES:
        assert (tmp_path / "same" / name).read_bytes() == (folder / name).read_bytes()
    trees = build_trees(view, TreeSettings(leaf_size=5, item_vectors="svd", shuffle=True), cache)
    export_codes(str(tmp_path / "shuffled"), trees, view.train_hash, {})
    report = update_trees(read_old_trees(tmp_path / "shuffled"), str(tmp_path / "new"), view, SMALL, cache)
    assert all(report[name]["rebuild"] and report[name]["drift"][0] > 0.4 for name in ("structural", "semantic"))
    assert json.loads((tmp_path / "new" / "drift.json").read_text()) == report


@pytest.mark.parametrize(
    ("share", "chance", "rebuild"),
    [([0.0, 0.08, 1], 0, False), ([0.0, 0.12, 0], 0, True), ([0.18, 0.18, 1], 0.1, False), ([0.22, 0], 0.1, True)],
)
def test_the_rule_reads_two_depths_and_allows_a_margin_above_chance(
    view, cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: list[float], chance: float, rebuild: bool
) -> None:
    old = read_old_trees(exported(view, cache, tmp_path / "old"))
    figures = [np.tile(share, (41, 1)) + 4e-5, np.full((41, len(share)), chance) + 4e-5] * 2
    monkeypatch.setattr("recbole_dtlns.trees.update.elsewhere", lambda *_: figures.pop(0))
    report = update_trees(old, str(tmp_path / "new"), split([*pairs_of(view), ("0", "new")]), SMALL, cache)
    for name in ("structural", "semantic"):
        assert report[name]["placed"] == 1
        assert report[name]["drift"] == report[name]["drift_of_new"] == share, "to four decimals"
        assert report[name]["chance"] == [chance] * len(share)
        assert report[name]["rebuild"] == rebuild


def test_what_has_no_evidence_has_no_code_and_what_left_keeps_its_own(view, cache, tmp_path: Path) -> None:
    folder = exported(view, cache, tmp_path / "old")
    pairs = [pair for pair in pairs_of(view) if pair[1] != "7"] + [("stranger", "alone"), ("0", "linked")]
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).normal(size=(len(view.items), 3)))
    (tmp_path / "vectors.tokens.txt").write_text("\n".join([*view.items[1:][view.items[1:] != "7"], "alone", "nobody"]))
    settings = TreeSettings(leaf_size=5, item_vectors=str(tmp_path / "vectors.npy"), allow_foreign=True)
    report = update_trees(read_old_trees(folder), str(tmp_path / "new"), split(pairs), settings, cache, drift=False)
    counts = {"items": 41, "placed": 1, "left_out": 1, "absent": 1}
    assert report["structural"].items() >= counts.items() <= report["semantic"].items()
    co, se = (codes_of(tmp_path / "new" / name) for name in FILES)
    assert "linked" in co.keys() - se.keys()
    assert "alone" in se.keys() - co.keys()
    assert co["7"] == codes_of(folder / FILES[0])["7"]


def test_bad_folders_are_refused(view, cache, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no co_paths.txt and no emb_paths.txt"):
        read_old_trees(tmp_path)
    old = read_old_trees(exported(view, cache, tmp_path / "old"))
    with pytest.raises(UserError, match="is there already"):
        update_trees(old, str(tmp_path / "old"), view, SMALL, cache)
    with pytest.raises(UserError, match="holds no code of any of the 1 items"):
        update_trees(old, str(tmp_path / "new"), split([("0", "other")]), SMALL, cache)
    assert not (tmp_path / "new").exists()


def test_the_largest_leaf_is_told_and_a_damaged_description_is_refused(view, cache, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    codes = [f"{item}: {int(number >= 30)}\n" for number, item in enumerate(view.items[1:])]
    for name in FILES:
        (folder / name).write_text("".join(codes))
    report = update_trees(read_old_trees(folder), str(tmp_path / "new"), view, SMALL, cache, drift=False)
    assert (report["structural"]["largest_leaf"], report["semantic"]["largest_leaf"]) == (30, 30)
    (folder / f"{FILES[1]}.json").write_text("{")
    with pytest.raises(UserError, match=r"trees update.*emb_paths\.txt\.json"):
        read_old_trees(folder)


def test_what_ends_half_way_leaves_nothing(view, cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = read_old_trees(exported(view, cache, tmp_path / "old"))
    for error, raised in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left"), UserError)):

        def fail(path: Path, *_, error: BaseException = error) -> None:
            if path.name.startswith(FILES[1]):
                raise error

        monkeypatch.setattr("recbole_dtlns.trees.export.write_codes", fail)
        with pytest.raises(raised):
            update_trees(old, str(tmp_path / "new"), view, SMALL, cache, drift=False)
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("new")] == []


def test_files_that_say_little_of_themselves(view, cache, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = exported(view, cache, tmp_path / "old")
    about = folder / f"{FILES[0]}.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "leaf_size": 5, "grown_from": 7}))
    (folder / f"{FILES[1]}.json").unlink()
    np.save(tmp_path / "vectors.npy", np.eye(2))
    (tmp_path / "vectors.tokens.txt").write_text("new\nnewer")
    pairs = [*pairs_of(view), ("0", "new"), ("1", "newer")]
    settings = TreeSettings(leaf_size=5, item_vectors=str(tmp_path / "vectors.npy"), allow_foreign=True)
    report = update_trees(read_old_trees(folder), str(tmp_path / "new"), split(pairs), settings, cache, drift=False)
    assert [FILES[1] in text for text in caplog.messages if "Nothing beside" in text] == [True]
    assert len(json.loads((tmp_path / "new" / about.name).read_text())["grown_from"]) == 2
    assert (report["semantic"]["placed"], report["semantic"]["left_out"]) == (0, 2), "no old item has a vector"


def test_the_command_line_updates_trees_and_trains_on_them(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = toy_split()
    write_pairs(toy / "data" / "toy", {part: [p for p in pairs if p[1] not in NEW] for part, pairs in whole.items()})
    assert main(["identify", *FLAGS, "--judge=rule", "--run_dir=first", "--export_codes=codes"]) == 0
    write_pairs(toy / "data" / "toy", whole)
    capsys.readouterr()
    assert main(["trees", "update", "codes", "--dataset=toy", "--data_path=data", "--output=codes-2"]) == 0
    out = capsys.readouterr().out
    assert "Structural tree: 4 new items placed, 0 without a code" in out
    assert ("Keep the trees (the rule: " in out) or ("Rebuild the " in out)
    about = json.loads(Path("codes-2/co_paths.txt.json").read_text())
    assert (about["leaf_size"], about["items"], about["counts"]["items"]) == (4, 40, 40), "as the old tree was built"
    assert about["grown_from"][0]["train_hash"] == json.loads(Path("codes/co_paths.txt.json").read_text())["train_hash"]
    train = ["--model=BPR", *FLAGS, "--epochs=1", "--judge=rule", "--embedding_size=8"]
    grown = ["--codes_co=codes-2/co_paths.txt", "--codes_se=codes-2/emb_paths.txt"]
    assert main(["identify", *FLAGS, "--judge=rule", *grown, "--run_dir=grown"]) == 0
    assert "made from another training split: codes_co, codes_se" in read_result(Path("grown"))["marks"]
    old = ["--codes_co=codes/co_paths.txt", "--codes_se=codes/emb_paths.txt"]
    assert main([*train, *old, "--run_dir=old"]) == 2, "trees of another split"
    assert main([*train, *old, "--run_dir=old", "--allow_foreign=true"]) == 0, "items without a code"
    assert read_result(Path("old"))["data"]["items"] == 40
    assert main(["trees", "update", "codes", *FLAGS, "--output=codes-2"]) == 2
    assert main(["trees", "grow"]) == 2
    assert main(["trees", "update", "--dataset=toy", "--output=x"]) == 2
    assert main(["trees", "update", "codes", *FLAGS, "--output="]) == 2
    assert main(["trees", "update", "codes", *FLAGS]) == 2
    write_pairs(toy / "data" / "toy", {**whole, "train": [pair for pair in whole["train"] if pair[1] != "i30"]})
    assert main(["trees", "update", "codes-2", *FLAGS, "--output=codes-3", "--drift=false"]) == 0
    assert "1 of the old ones not in train" in capsys.readouterr().out
    again = ["--codes_co=codes-3/co_paths.txt", "--codes_se=codes-3/emb_paths.txt"]
    assert main(["identify", *FLAGS, "--judge=rule", "--run_dir=later", *again]) == 0, "a code of an absent item"
