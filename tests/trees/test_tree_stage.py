import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.trees import sources, stage
from recbole_dtlns.trees.codes import write_codes
from recbole_dtlns.trees.stage import Trees, TreeSettings, build_trees

SMALL = TreeSettings(leaf_size=5)


def files(cache: StageCache) -> list[str]:
    return sorted(path.name for path in cache.folder.glob("*.npz"))


def assert_same(a: Trees, b: Trees) -> None:
    np.testing.assert_array_equal(a.co.codes, b.co.codes)
    np.testing.assert_array_equal(a.se.codes, b.se.codes)
    assert (a.vector_origin, a.agreement) == (b.vector_origin, b.agreement)


def test_both_trees_cover_every_item_and_find_the_groups(view, cache, caplog):
    with caplog.at_level(logging.INFO):
        trees = build_trees(view, SMALL, cache)
    group = view.items[1:].astype(int) // 20
    for table in (trees.co, trees.se):
        np.testing.assert_array_equal(table.tokens, view.items)
        assert (table.lengths[1:] > 0).all()
        assert (table.codes[0] == -1).all()
        tops = [set(table.codes[1:][group == side, 0]) for side in (0, 1)]
        assert not tops[0] & tops[1]
    assert (trees.vector_origin, trees.cached, trees.external) == ("svd", False, [])
    assert trees.seconds > 0
    assert "Structural tree: 40 items" in caplog.text
    assert "Agreement of their leaves" in caplog.text


def test_order_of_the_pairs_does_not_matter(view, tmp_path):
    rows, columns = view.matrix.nonzero()
    order = np.random.default_rng(5).permutation(len(rows))
    again = TrainSplit.from_pairs(view.users[rows[order]], view.items[columns[order]])
    assert_same(
        build_trees(view, SMALL, StageCache(tmp_path / "a")), build_trees(again, SMALL, StageCache(tmp_path / "b"))
    )


def test_second_call_computes_nothing(view, cache, no_work):
    first = build_trees(view, SMALL, cache)
    no_work()
    second = build_trees(view, SMALL, cache)
    assert second.cached
    assert_same(first, second)


def test_cache_tells_how_it_was_made(view, cache):
    build_trees(view, SMALL, cache)
    about = json.loads(next(cache.folder.glob("tree_semantic-*.json")).read_text())
    assert (about["train_hash"], about["leaf_size"], about["origin"]) == (view.train_hash, 5, "svd")


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_damaged_file_is_computed_again(view, cache, damage):
    first = build_trees(view, SMALL, cache)
    path = next(cache.folder.glob("tree_structural-*.npz"))
    path.write_bytes(path.read_bytes()[:-30] if damage is None else damage)
    second = build_trees(view, SMALL, cache)
    assert not second.cached
    assert_same(first, second)
    assert build_trees(view, SMALL, cache).cached


def test_file_of_another_shape_is_computed_again(view, cache):
    first = build_trees(view, SMALL, cache)
    path = next(cache.folder.glob("tree_semantic-*.npz"))
    for arrays in ({"codes": first.se.codes[:-1]}, {"other": first.se.codes}):
        cache.save(*path.stem.rsplit("-", 1), arrays, {})
        assert_same(first, build_trees(view, SMALL, cache))


def test_whatever_decides_a_tree_gives_it_another_file(view, cache, monkeypatch):
    build_trees(view, SMALL, cache)
    assert len(files(cache)) == 2
    build_trees(view, TreeSettings(leaf_size=6), cache)
    build_trees(view, TreeSettings(leaf_size=5, branching=3), cache)
    assert len(files(cache)) == 6
    other = TrainSplit.from_pairs(view.users[view.matrix.nonzero()[0]][1:], view.items[view.matrix.nonzero()[1]][1:])
    build_trees(other, SMALL, cache)
    assert len(files(cache)) == 8
    monkeypatch.setattr(stage, "VERSION", -1)
    assert not build_trees(view, SMALL, cache).cached
    assert len(files(cache)) == 10


def test_embeddings_of_a_candidate_model(view, cache):
    vectors = np.random.default_rng(1).standard_normal((41, 6)).astype(np.float32)
    trees = build_trees(view, SMALL, cache, ("BPR", vectors))
    assert (trees.vector_origin, trees.external) == ("BPR", [])
    svd = build_trees(view, SMALL, cache)
    assert (svd.se.codes.shape != trees.se.codes.shape) or (svd.se.codes != trees.se.codes).any()
    np.testing.assert_array_equal(svd.co.codes, trees.co.codes)
    assert len(files(cache)) == 3
    assert build_trees(view, SMALL, cache, ("BPR", vectors.copy())).cached
    vectors[0] = 9  # padding
    assert build_trees(view, SMALL, cache, ("BPR", vectors)).cached
    vectors[3, 3] += 1
    assert not build_trees(view, SMALL, cache, ("BPR", vectors)).cached
    forced = build_trees(view, TreeSettings(leaf_size=5, item_vectors="svd"), cache, ("BPR", vectors))
    assert forced.vector_origin == "svd"
    assert_same(forced, svd)


def test_embeddings_in_another_numbering_are_refused(view, cache):
    with pytest.raises(ValueError, match="item_embeddings has 40 rows, expected 41"):
        build_trees(view, SMALL, cache, ("BPR", np.zeros((40, 3))))


def test_embeddings_of_a_diverged_model_are_refused(view, cache):
    with pytest.raises(UserError, match="40 of 40 item vectors hold NaN"):
        build_trees(view, SMALL, cache, ("BPR", np.full((41, 3), np.nan)))


def test_two_trees_that_agree_are_reported(view, cache, tmp_path, caplog):
    built = build_trees(view, SMALL, cache)
    assert built.agreement < 0.9
    assert "the two views are one" not in caplog.text
    write_codes(tmp_path / "co.txt", built.co)
    trees = build_trees(view, TreeSettings(leaf_size=5, codes_se=str(tmp_path / "co.txt")), cache)
    assert trees.agreement == 1.0
    assert "the two views are one" in caplog.text


def test_shuffled_codes_keep_the_trees_and_mean_nothing(view, cache, no_work, tmp_path):
    real = build_trees(view, SMALL, cache)
    kept = {path.name: path.read_bytes() for path in cache.folder.iterdir()}
    shuffled = build_trees(view, replace(SMALL, shuffle=True), StageCache(tmp_path / "fresh"))
    no_work()
    again = build_trees(view, replace(SMALL, shuffle=True), cache)  # the cached trees are the real ones
    assert again.cached
    assert_same(again, shuffled)
    assert {path.name: path.read_bytes() for path in cache.folder.iterdir()} == kept
    assert_same(build_trees(view, SMALL, cache), real)
    moved = []
    for old, new in ((real.co, shuffled.co), (real.se, shuffled.se)):
        assert (new.codes[0] == -1).all()
        np.testing.assert_array_equal(np.sort(new.leaves()), np.sort(old.leaves()))
        assert sorted(map(tuple, new.codes.tolist())) == sorted(map(tuple, old.codes.tolist()))
        moved.append((new.leaves() != old.leaves())[1:])
        assert moved[-1].mean() > 0.5
    assert shuffled.agreement < real.agreement / 2


def test_the_two_trees_are_shuffled_differently(view, cache, tmp_path):
    built = build_trees(view, SMALL, cache)
    write_codes(tmp_path / "co.txt", built.co)
    twice = TreeSettings(leaf_size=5, codes_se=str(tmp_path / "co.txt"))  # one tree as both, and from a file
    assert build_trees(view, twice, cache).agreement == 1
    assert build_trees(view, replace(twice, shuffle=True), cache).agreement < 0.3


def test_catalogue_of_one_item(cache):
    trees = build_trees(TrainSplit.from_pairs(np.array(["u", "v"]), np.array(["i", "i"])), SMALL, cache)
    assert trees.co.codes.tolist() == trees.se.codes.tolist() == [[-1], [0]]


def test_no_items(cache):
    with pytest.raises(UserError, match="no items"):
        build_trees(TrainSplit.from_pairs(np.array([], dtype=str), np.array([], dtype=str)), SMALL, cache)


def test_graph_is_capped_where_it_would_not_fit(view, cache, monkeypatch):
    caps = []
    graph = sources.jaccard_graph
    monkeypatch.setattr(sources, "jaccard_graph", lambda train, cap: caps.append(cap) or graph(train, cap))
    build_trees(view, SMALL, cache)
    monkeypatch.setattr(sources, "GRAPH_ENTRIES", 100)
    build_trees(view, TreeSettings(leaf_size=6), cache)
    monkeypatch.setattr(sources, "MIN_NEIGHBORS", 1)
    build_trees(view, TreeSettings(leaf_size=7), cache)
    assert caps == [None, 10, 2]  # at least MIN_NEIGHBORS, else an equal share of 100 for each of 40 items
