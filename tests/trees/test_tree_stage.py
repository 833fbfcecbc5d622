import hashlib
import json
import logging

import numpy as np
import pytest

from recbole_dtlns.cache import StageCache
from recbole_dtlns.data.train_view import TrainView
from recbole_dtlns.errors import UserError
from recbole_dtlns.trees import sources, stage
from recbole_dtlns.trees.codes import write_codes
from recbole_dtlns.trees.stage import Trees, TreeSettings, build_trees

SMALL = TreeSettings(leaf_size=5)


@pytest.fixture
def view() -> TrainView:
    """Two groups of 20 items, each with its own users."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 8)
    items = np.concatenate([rng.choice(20, 8, replace=False) + 20 * (user % 2) for user in range(60)])
    return TrainView.from_pairs(users.astype(str), items.astype(str))


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
    again = TrainView.from_pairs(view.users[rows[order]], view.items[columns[order]])
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
        np.savez(path, **arrays)
        assert_same(first, build_trees(view, SMALL, cache))


def test_whatever_decides_a_tree_gives_it_another_file(view, cache, monkeypatch):
    build_trees(view, SMALL, cache)
    assert len(files(cache)) == 2
    build_trees(view, TreeSettings(leaf_size=6), cache)
    build_trees(view, TreeSettings(leaf_size=5, branching=3), cache)
    assert len(files(cache)) == 6
    other = TrainView.from_pairs(view.users[view.matrix.nonzero()[0]][1:], view.items[view.matrix.nonzero()[1]][1:])
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
        {"kind": "item_vectors", "file": "vectors.npy", "sha256": digest, "train_hash": None, "foreign": False}
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
    with pytest.raises(UserError, match="1 items that are not in the training split: elsewhere"):
        build_trees(view, TreeSettings(codes_co=str(path)), cache)
    path.with_name("co.txt.json").write_text(json.dumps({"train_hash": "0" * 64}))
    with pytest.raises(UserError, match="made from another training split"):
        build_trees(view, TreeSettings(codes_co=str(path)), cache)
    trees = build_trees(view, TreeSettings(codes_co=str(path), allow_foreign=True), cache)
    assert trees.external[0]["foreign"]
    assert trees.co.n_leaves == 2
    assert "1 codes of items outside the training split are dropped; 38 of its 40 items have no code" in caplog.text


def test_bad_file_is_reported_before_any_work(view, cache, no_work, tmp_path):
    no_work()
    for settings in (
        TreeSettings(codes_se=str(tmp_path / "absent")),
        TreeSettings(item_vectors=str(tmp_path / "absent")),
    ):
        with pytest.raises(UserError, match="there is no file"):
            build_trees(view, settings, cache)


def test_two_trees_that_agree_are_reported(view, cache, tmp_path, caplog):
    built = build_trees(view, SMALL, cache)
    assert built.agreement < 0.9
    assert "the two views are one" not in caplog.text
    write_codes(tmp_path / "co.txt", built.co)
    trees = build_trees(view, TreeSettings(leaf_size=5, codes_se=str(tmp_path / "co.txt")), cache)
    assert trees.agreement == 1.0
    assert "the two views are one" in caplog.text


def test_catalogue_of_one_item(cache):
    trees = build_trees(TrainView.from_pairs(np.array(["u", "v"]), np.array(["i", "i"])), SMALL, cache)
    assert trees.co.codes.tolist() == trees.se.codes.tolist() == [[-1], [0]]


def test_no_items(cache):
    with pytest.raises(UserError, match="no items"):
        build_trees(TrainView.from_pairs(np.array([], dtype=str), np.array([], dtype=str)), SMALL, cache)


def test_graph_is_capped_where_it_would_not_fit(view, cache, monkeypatch):
    caps = []
    graph = sources.jaccard_graph
    monkeypatch.setattr(sources, "jaccard_graph", lambda train, cap: caps.append(cap) or graph(train, cap))
    build_trees(view, SMALL, cache)
    monkeypatch.setattr(sources, "GRAPH_ENTRIES", 100)
    build_trees(view, TreeSettings(leaf_size=6), cache)
    assert caps == [None, sources.MAX_NEIGHBORS]
