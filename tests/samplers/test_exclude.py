"""tree_exclude: candidates that are too similar to the user's history are drawn again."""

import numpy as np
import pytest
import torch
from scipy import sparse

from recbole_dtlns.false_negatives.judges import JudgeContext
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.samplers.parts import exclude
from recbole_dtlns.samplers.parts.exclude import FarFromHistory, HistorySimilarity
from recbole_dtlns.samplers.parts.proposal import FreeItems, popularity_weights
from recbole_dtlns.trees.lcp import lcp_similarity

N_USERS, N_ITEMS = 25, 40


def random_codes(rng: np.random.Generator, depth: int) -> np.ndarray:
    """Codes of every length, some missing; row 0 is padding."""
    codes = rng.integers(0, 2, (N_ITEMS, depth)).astype(np.int16)
    codes[np.arange(depth) >= rng.integers(0, depth + 1, N_ITEMS)[:, None]] = -1
    codes[0] = -1
    return codes


def random_history(rng: np.random.Generator) -> sparse.csr_matrix:
    """Users with few and with many items; user 3 has none."""
    dense = rng.random((N_USERS, N_ITEMS)) < rng.random((N_USERS, 1)) * 0.4
    dense[0] = dense[:, 0] = dense[3] = False
    return sparse.csr_matrix(dense.astype(np.int8))


def every_pair() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(1, N_USERS), torch.arange(1, N_ITEMS).repeat(N_USERS - 1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_raw_score_of_the_rule_judge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, trees = random_history(rng), (random_codes(rng, 5), random_codes(rng, 3))
    users, items = every_pair()
    similarity = HistorySimilarity(matrix, trees)(users, items)
    judge = RuleJudge(JudgeContext(matrix, *trees))
    raw, _ = judge.score(users.repeat_interleave(N_ITEMS - 1).numpy(), items.reshape(-1).numpy())
    np.testing.assert_array_equal(similarity.reshape(-1).numpy(), raw)
    assert len(np.unique(raw)) > 4
    assert (similarity[2] == 0).all()  # no history


def test_depth_normalisation_follows_tree_similarity() -> None:
    rng = np.random.default_rng(7)
    matrix, trees = random_history(rng), (random_codes(rng, 5), random_codes(rng, 3))
    users, items = every_pair()
    similarity = HistorySimilarity(matrix, trees, normalize="depth")(users, items)
    for user in users.tolist():
        history = matrix[user].indices
        for item in range(1, N_ITEMS):
            best = max(
                (lcp_similarity(codes[item], codes[other], "depth") for codes in trees for other in history), default=0
            )
            assert similarity[user - 1, item - 1].item() == pytest.approx(float(best), abs=1e-6)


def far(bound: float, n_items: int = 6) -> tuple[FarFromHistory, HistorySimilarity, sparse.csr_matrix]:
    """User 1 has item 1. Similarities to it: item 2 1, item 3 2/3, item 4 1/3, item 5 0."""
    codes = np.array([[-1] * 3, [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=np.int16)
    matrix = sparse.csr_matrix(([1], ([1], [1])), shape=(2, n_items))
    similarity = HistorySimilarity(matrix, (codes, codes))
    return FarFromHistory(FreeItems(matrix), similarity, bound), similarity, matrix


@pytest.mark.parametrize(
    ("bound", "allowed"), [(1.0, {2, 3, 4, 5}), (0.99, {3, 4, 5}), (0.666667, {3, 4, 5}), (0.66, {4, 5}), (0.0, {5})]
)
def test_only_candidates_above_the_bound_are_left_out(bound: float, allowed: set[int]) -> None:
    proposal, _, _ = far(bound)
    drawn = proposal.draw(torch.ones(200, dtype=torch.long), 20, torch.Generator().manual_seed(0))
    assert set(drawn.reshape(-1).tolist()) == allowed
    assert proposal.counts() == (4000, 0)


def test_what_is_drawn_follows_the_distribution_over_the_allowed_items() -> None:
    _, similarity, matrix = far(0.5)
    popular = FreeItems(matrix, popularity_weights(np.array([0, 1, 9, 9, 1, 3]), 1, 2))
    proposal = FarFromHistory(popular, similarity, 0.5)
    drawn = proposal.draw(torch.ones(5000, dtype=torch.long), 10, torch.Generator().manual_seed(1))
    share = (drawn == 5).double().mean().item()
    assert share == pytest.approx(0.75, abs=0.01)  # 3 of 1 + 3
    assert set(drawn.reshape(-1).tolist()) == {4, 5}


def test_where_nothing_is_allowed_candidates_are_kept_and_counted() -> None:
    _, similarity, _ = far(0.5)
    barred = sparse.csr_matrix(([1, 1, 1], ([1, 1, 1], [1, 4, 5])), shape=(2, 6))
    proposal = FarFromHistory(FreeItems(barred), similarity, 0.5)
    drawn = proposal.draw(torch.ones(30, dtype=torch.long), 4, torch.Generator().manual_seed(0))
    assert set(drawn.reshape(-1).tolist()) == {2, 3}
    assert proposal.counts() == (120, 120)
    proposal.begin()
    assert proposal.counts() == (0, 0)


class Scripted:
    """Gives these items, in turn, whoever asks; the last one for ever."""

    def __init__(self, *items: int) -> None:
        self.items = list(items)

    def draw(self, users: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
        drawn = [self.items.pop(0) if len(self.items) > 1 else self.items[0] for _ in range(len(users) * n)]
        return torch.tensor(drawn).reshape(len(users), n)


def test_what_is_left_after_the_rounds_becomes_an_allowed_candidate_of_the_same_row() -> None:
    _, similarity, _ = far(0.5)
    proposal = FarFromHistory(Scripted(2, 4, 3, 2), similarity, 0.5)
    assert proposal.draw(torch.tensor([1]), 3, torch.Generator()).tolist() == [[4, 4, 4]]
    assert proposal.counts() == (3, 0)
    proposal = FarFromHistory(Scripted(4, 4, 2, 2, 2), similarity, 0.5)
    drawn = proposal.draw(torch.tensor([1, 1]), 2, torch.Generator())
    assert drawn.tolist() == [[4, 4], [2, 2]]  # never one of another row
    assert proposal.counts() == (4, 2)


@pytest.mark.parametrize(("failures", "item", "kept"), [(5, 4, 0), (6, 2, 1)])
def test_an_excluded_candidate_is_drawn_again_up_to_five_times(failures: int, item: int, kept: int) -> None:
    _, similarity, _ = far(0.5)
    proposal = FarFromHistory(Scripted(*[2] * failures, 4), similarity, 0.5)
    assert proposal.draw(torch.tensor([1]), 1, torch.Generator()).tolist() == [[item]]
    assert proposal.counts() == (1, kept)


def test_only_what_the_source_bars_is_not_allowed() -> None:
    _, similarity, _ = far(0.5)
    barred = sparse.csr_matrix(([1, 1], ([1, 1], [1, 5])), shape=(2, 6))
    proposal = FarFromHistory(FreeItems(barred), similarity, 0.5)
    allowed = proposal.allows(torch.tensor([1]), torch.tensor([[1, 2, 3, 4, 5]]))
    assert allowed.tolist() == [[False, True, True, True, False]]


def test_only_excluded_candidates_are_drawn_again() -> None:
    proposal, similarity, matrix = far(0.5)
    users = torch.ones(50, dtype=torch.long)
    plain = FreeItems(matrix).draw(users, 8, torch.Generator().manual_seed(4))
    drawn = proposal.draw(users, 8, torch.Generator().manual_seed(4))
    fine = similarity(users, plain) <= 0.5
    assert torch.equal(drawn[fine], plain[fine])
    assert not torch.equal(drawn, plain)


def test_bars_of_the_source_stay_also_when_they_change() -> None:
    _, similarity, matrix = far(0.5)
    free = FreeItems(matrix)
    proposal = FarFromHistory(free, similarity, 0.5)
    free.exclude(sparse.csr_matrix(([1, 1], ([1, 1], [1, 5])), shape=(2, 6)))
    drawn = proposal.draw(torch.ones(300, dtype=torch.long), 6, torch.Generator().manual_seed(2))
    assert set(drawn.reshape(-1).tolist()) == {4}


def test_a_batch_of_one_and_the_same_seed() -> None:
    proposal, _, _ = far(0.5)
    first, second = (proposal.draw(torch.tensor([1]), 1, torch.Generator().manual_seed(9)) for _ in range(2))
    assert first.shape == (1, 1)
    assert torch.equal(first, second)


@pytest.mark.parametrize("bound", [0.0, 0.3, 0.5, 2 / 3, 0.666667, 1.0])
def test_the_table_of_leaves_says_what_the_search_says(bound: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    matrix, trees = random_history(rng), (random_codes(rng, 5), random_codes(rng, 3))
    users, items = every_pair()
    tabled = FarFromHistory(FreeItems(matrix), HistorySimilarity(matrix, trees), bound)
    monkeypatch.setattr(exclude, "_LARGEST_TABLE", 0)
    searched = FarFromHistory(FreeItems(matrix), HistorySimilarity(matrix, trees), bound)
    assert tabled._tables is not None
    assert searched._tables is None
    assert torch.equal(tabled._excluded(users, items), searched._excluded(users, items))
