import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.model_sources import source_keys
from recbole_dtlns.false_negatives.candidates.ranking import top_unseen
from recbole_dtlns.false_negatives.candidates.sources import SOURCES, CandidateSettings, find_candidates, unknown_source
from recbole_dtlns.files.cache import StageCache

COLUMNS = ("users", "items", "ranks", "scores")


@pytest.fixture
def view():
    rows, columns = np.nonzero(np.random.default_rng(0).random((40, 25)) < 0.3)
    return TrainSplit.from_pairs(rows.astype(str), columns.astype(str))


@pytest.fixture
def cache(tmp_path):
    return StageCache(tmp_path / "cache")


def same(first, second):
    return all(np.array_equal(getattr(first.candidates, name), getattr(second.candidates, name)) for name in COLUMNS)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_second_run_finds_the_first(view, cache, monkeypatch, name):
    settings = CandidateSettings(name, Budget.parse(4))
    first = find_candidates(view, settings, cache)
    monkeypatch.setattr(SOURCES[name], "fit", lambda *_: pytest.fail("fitted again"))
    second = find_candidates(view, settings, cache)
    assert (first.cached, second.cached) == (False, True)
    assert same(first, second)
    assert [getattr(second.candidates, name).dtype for name in COLUMNS] == [np.int64, np.int64, np.int64, np.float32]
    assert first.source_effective == second.source_effective == second.candidates.source == name
    assert (first.external, first.dropped, first.item_embeddings) == ([], 0, None)


@pytest.mark.parametrize("source", [*sorted(SOURCES), "ItemKNN,UserKNN"])
def test_candidates_of_some_users_are_theirs_among_those_of_all(view, cache, source):
    """LowPass with few vectors: with as many as items, all unseen items score 0 but for the last digits."""
    options = {"rank": 5} if source == "LowPass" else {}
    settings = CandidateSettings(source, Budget.parse("2+10%"), options=options)
    chosen = np.arange(len(view.users)) % 3 == 1
    some = find_candidates(view, settings, cache, None, chosen)
    every = find_candidates(view, settings, cache)
    others = find_candidates(view, settings, cache, None, ~chosen)
    assert [result.cached for result in (some, every, others)] == [False] * 3
    assert find_candidates(view, settings, cache, None, chosen).cached
    theirs = every.candidates.take(chosen[every.candidates.users])
    for name in ("users", "items", "ranks"):
        np.testing.assert_array_equal(getattr(some.candidates, name), getattr(theirs, name))
    np.testing.assert_allclose(some.candidates.scores, theirs.scores, rtol=1e-5)  # blocks have other last digits


def test_whatever_decides_the_result_is_part_of_the_key(view, cache):
    other = TrainSplit.from_pairs(view.users[[1, 2, 3]], view.items[[1, 2, 3]])
    settings = CandidateSettings(topk=Budget.parse(4))
    find_candidates(view, settings, cache)
    assert not find_candidates(other, settings, cache).cached
    assert not find_candidates(view, CandidateSettings(topk=Budget.parse(5)), cache).cached
    assert not find_candidates(view, CandidateSettings(topk=Budget.parse(4), options={"l2": 10}), cache).cached
    assert find_candidates(view, CandidateSettings(topk=Budget.parse(4), options={"l2": 100}), cache).cached


def test_ease_gives_way_to_item_knn_where_it_would_not_fit(view, cache, caplog):
    result = find_candidates(view, CandidateSettings(memory_gb=0.1, options={"l2": 5}), cache)
    expected = find_candidates(view, CandidateSettings("ItemKNN"), cache)
    assert result.source_effective == result.candidates.source == "ItemKNN"
    assert same(result, expected)
    assert expected.cached
    assert "candidate_memory_gb=0.1 allows less: ItemKNN makes the candidates" in caplog.text
    enough = CandidateSettings(memory_gb=EASE.memory_gb(view))
    assert find_candidates(view, enough, cache).source_effective == "EASE"


def test_unknown_names_and_options(view, cache):
    with pytest.raises(
        UserError, match=r"no source 'Ease'\. Give one of EASE, ItemKNN, LowPass, RP3beta, UserKNN, file"
    ):
        find_candidates(view, CandidateSettings("Ease"), cache)
    assert str(unknown_source("X", ["BPR", "LightGCN"])).endswith(
        "Give one of EASE, ItemKNN, LowPass, RP3beta, UserKNN, file, BPR, LightGCN."
    )
    with pytest.raises(UserError, match=r"candidate_config: EASE cannot be made with .*'lambda'"):
        find_candidates(view, CandidateSettings(options={"lambda": 1}), cache)
    with pytest.raises(UserError, match=r"candidate_config: EASE cannot be made with .*needs l2 > 0, found 0"):
        find_candidates(view, CandidateSettings(options={"l2": 0}), cache)


def test_a_file_is_read_each_time(view, cache, tmp_path):
    with pytest.raises(UserError, match="needs a file"):
        find_candidates(view, CandidateSettings("file"), cache)
    user = view.users[1]
    unseen = view.items[1:][view.matrix[1].toarray()[0, 1:] == 0]
    seen = view.items[view.matrix[1].indices[0]]
    path = tmp_path / "candidates.txt"
    path.write_text(" ".join([user, seen, *unseen[:3]]))
    settings = CandidateSettings("file", Budget.parse(2), str(path))
    result = find_candidates(view, settings, cache)
    assert view.items[result.candidates.items].tolist() == unseen[:2].tolist()
    assert (result.source_effective, result.cached, result.dropped) == ("file", False, 1)
    assert [entry["kind"] for entry in result.external] == ["candidate_file"]
    path.write_text(" ".join([user, *unseen[5:7]]))
    assert view.items[find_candidates(view, settings, cache).candidates.items].tolist() == unseen[5:7].tolist()


class Own:
    """A source of one's own, with item vectors."""

    def __init__(self, sign):
        self.sign = sign

    def settings(self):
        return {"sign": self.sign}

    def fit(self, view):
        self.view = view
        return self

    def top(self, view, budget):
        scores = self.sign * np.arange(view.n_items + 1.0)
        return top_unseen(view, budget, lambda users: np.tile(scores, (len(users), 1)), "Own")

    def item_embeddings(self):
        return np.full((self.view.n_items + 1, 2), self.sign)


def test_a_source_of_ones_own_and_its_vectors(view, cache):
    settings = CandidateSettings("Own", Budget.parse(1))
    first, other, again = (find_candidates(view, settings, cache, Own(sign)) for sign in (1, -1, 1))
    assert (first.cached, other.cached, again.cached) == (False, False, True)
    assert same(first, again)
    assert not same(first, other)
    name, vectors = again.item_embeddings
    assert name == first.source_effective == "Own"
    np.testing.assert_array_equal(vectors, np.ones((view.n_items + 1, 2)))


def test_a_source_may_be_registered(view, cache, monkeypatch):
    monkeypatch.setitem(SOURCES, "Mine", ItemKNN)
    find_candidates(view, CandidateSettings("ItemKNN"), cache)
    result = find_candidates(view, CandidateSettings("Mine"), cache)  # settings are equal, the name is not
    assert (result.source_effective, result.cached) == ("Mine", False)


def test_keys_of_a_source_come_from_a_mapping_or_from_a_yaml_file(tmp_path):
    (tmp_path / "keys.yaml").write_text("epochs: 50\nlearning_rate: 1e-3\n")
    (tmp_path / "empty.yaml").write_text("")
    given = {"epochs": 50, "learning_rate": 1e-3}
    assert source_keys(given) == source_keys(str(tmp_path / "keys.yaml")) == given
    assert source_keys(str(tmp_path / "empty.yaml")) == source_keys(None) == {}
    (tmp_path / "list.yaml").write_text("- epochs\n")
    for name, fault in (("list.yaml", "should hold `key: value` lines"), ("absent.yaml", "there is no file")):
        with pytest.raises(UserError, match=f"candidate_config: .*{fault}"):
            source_keys(str(tmp_path / name))
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(UserError, match=r"candidate_config: .*broken\.yaml"):
        source_keys(str(tmp_path / "broken.yaml"))
