"""Several candidate sources at once."""

import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import ranked_by_order
from recbole_dtlns.false_negatives.candidates.sources import CandidateSettings, find_candidates, resolve_source
from recbole_dtlns.false_negatives.candidates.union_source import UnionSource
from recbole_dtlns.files.cache import StageCache


class Fixed:
    """Gives each user the same items."""

    def __init__(self, *items):
        self.items = items

    def settings(self):
        return {"items": list(self.items)}

    def fit(self, view):
        return self

    def top(self, view, budget):
        users = np.repeat(np.arange(1, view.n_users + 1), len(self.items))
        return ranked_by_order(users, np.tile(np.array(self.items), view.n_users), "fixed")[0]


@pytest.fixture
def view():
    rows, columns = np.nonzero(np.random.default_rng(0).random((40, 25)) < 0.3)
    return TrainSplit.from_pairs(rows.astype(str), columns.astype(str))


def test_heads_are_taken_by_turns_and_each_item_once(view):
    union = UnionSource({"a": Fixed(5, 7, 9, 2), "b": Fixed(7, 8, 5, 1)}).fit(view)
    top = union.top(view, Budget(5))
    assert top.items[top.users == 3].tolist() == [5, 7, 8, 9, 2]  # a1 b1 (a2 is b1) b2 a3 (b3 is a1) a4 | b4
    assert top.ranks[top.users == 3].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(top.scores[top.users == 3], 1 / np.arange(1, 6), rtol=1e-6)
    assert top.source == "a,b"
    assert union.settings() == {"a": {"items": [5, 7, 9, 2]}, "b": {"items": [7, 8, 5, 1]}}
    assert union.item_embeddings() is None


def test_the_union_of_real_sources_holds_the_heads_of_each(view, tmp_path):
    cache = StageCache(tmp_path)
    options = {"EASE": {"l2": 5}}
    both = find_candidates(view, CandidateSettings("EASE, UserKNN", Budget(6), options=options), cache)
    assert both.source_effective == "EASE,UserKNN"
    pairs = set(zip(both.candidates.users.tolist(), both.candidates.items.tolist(), strict=True))
    assert len(pairs) == len(both.candidates) == 6 * view.n_users
    for name, given in (("EASE", {"l2": 5}), ("UserKNN", {})):
        head = find_candidates(view, CandidateSettings(name, Budget(3), options=given), cache).candidates
        assert set(zip(head.users.tolist(), head.items.tolist(), strict=True)) <= pairs
    assert find_candidates(view, CandidateSettings("EASE,UserKNN", Budget(6), options=options), cache).cached
    assert not find_candidates(view, CandidateSettings("EASE,UserKNN", Budget(6)), cache).cached


def test_one_source_named_twice_is_one(view):
    name, source = resolve_source(CandidateSettings("EASE,EASE", options={"EASE": {"l2": 7}}), view)
    assert (name, source.settings()) == ("EASE", {"l2": 7.0})


@pytest.mark.parametrize("names", ["EASE,ItemKNN", "ItemKNN,EASE"])
def test_item_knn_in_place_of_ease_leaves_the_options_of_item_knn(view, names):
    settings = CandidateSettings(names, memory_gb=0.1, options={"ItemKNN": {"neighbors": 9}})
    name, source = resolve_source(settings, view)
    assert (name, source.settings()["neighbors"]) == ("ItemKNN", 9)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("EASE,UserKNN", {"l2": 500}, "found l2; with several sources expected a mapping for each"),
        ("EASE,UserKNN", {"LowPass": {"rank": 4}}, "found LowPass"),
        ("EASE,UserKNN", {"EASE": {"rank": 4}}, "EASE cannot be made"),
        ("EASE,Bogus", {}, "no source 'Bogus'"),
        ("EASE,file", {}, "no source 'file'"),
    ],
)
def test_options_that_nobody_reads_are_refused(view, source, options, message):
    with pytest.raises(UserError, match=message):
        resolve_source(CandidateSettings(source, options=options), view)
