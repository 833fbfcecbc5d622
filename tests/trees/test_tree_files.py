import hashlib
import json

import numpy as np
import pytest

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.trees.codes import write_codes
from recbole_dtlns.trees.stage import TreeSettings, build_trees

SMALL = TreeSettings(leaf_size=5)


def test_vectors_from_a_file(view, cache, tmp_path):
    path = tmp_path / "vectors.npy"
    values = np.random.default_rng(1).standard_normal((40, 6))
    np.save(path, values)
    (tmp_path / "vectors.tokens.txt").write_text("\n".join(view.items[1:]))
    settings = TreeSettings(leaf_size=5, item_vectors=str(path))
    trees = build_trees(view, settings, cache, ("BPR", np.zeros((41, 3))))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert trees.vector_origin == "file vectors.npy"
    assert trees.external == [
        {
            "kind": "item_vectors",
            "file": "vectors.npy",
            "sha256": digest,
            "train_hash": None,
            "foreign": False,
            "marks": None,
            "dropped": None,
        }
    ]
    assert build_trees(view, settings, cache).cached
    (tmp_path / "vectors.tokens.txt").write_text("\n".join(view.items[:0:-1]))
    assert not build_trees(view, settings, cache).cached, "the tokens decide too"


def test_ready_codes_replace_a_tree(view, cache, tmp_path, no_work):
    built = build_trees(view, SMALL, cache)
    write_codes(tmp_path / "co.txt", built.co)
    write_codes(tmp_path / "se.txt", built.se)
    no_work()
    settings = TreeSettings(codes_co=str(tmp_path / "co.txt"), codes_se=str(tmp_path / "se.txt"))
    trees = build_trees(view, settings, StageCache(tmp_path / "other"))
    np.testing.assert_array_equal(trees.co.codes, built.co.codes)
    np.testing.assert_array_equal(trees.se.codes, built.se.codes)
    assert (trees.vector_origin, trees.cached) == ("codes se.txt", True)
    assert [entry["kind"] for entry in trees.external] == ["codes_co", "codes_se"]
    assert not (tmp_path / "other").exists()


def test_one_ready_tree_is_enough(view, cache, tmp_path):
    write_codes(tmp_path / "co.txt", build_trees(view, SMALL, cache).co)
    trees = build_trees(view, TreeSettings(leaf_size=7, codes_co=str(tmp_path / "co.txt")), cache)
    assert (trees.vector_origin, trees.cached, len(trees.external)) == ("svd", False, 1)


def test_foreign_codes_need_leave(view, cache, tmp_path, caplog):
    path = tmp_path / "co.txt"
    path.write_text("0: 0-0\n1: 0-1\nelsewhere: 1\n")
    with pytest.raises(UserError, match="1 item not in the training split: elsewhere"):
        build_trees(view, TreeSettings(codes_co=str(path)), cache)
    path.with_name("co.txt.json").write_text(json.dumps({"train_hash": "0" * 64}))
    with pytest.raises(UserError, match="made from another training split"):
        build_trees(view, TreeSettings(codes_co=str(path)), cache)
    trees = build_trees(view, TreeSettings(codes_co=str(path), allow_foreign=True), cache)
    assert trees.external[0]["foreign"]
    assert trees.co.n_leaves == 2
    assert "1 codes of items outside the training split are dropped; 38 of its 40 items have no code" in caplog.text
    path.write_text("".join(f"{item}: 0\n" for item in [*view.items[1:], "elsewhere"]))
    build_trees(view, TreeSettings(codes_co=str(path), allow_foreign=True), cache)
    assert "1 codes of items outside the training split are dropped; 0 of its 40 items have no code" in caplog.text


def test_bad_file_is_reported_before_any_work(view, cache, no_work, tmp_path):
    no_work()
    for settings in (
        TreeSettings(codes_se=str(tmp_path / "absent")),
        TreeSettings(item_vectors=str(tmp_path / "absent")),
    ):
        with pytest.raises(UserError, match="there is no file"):
            build_trees(view, settings, cache)
