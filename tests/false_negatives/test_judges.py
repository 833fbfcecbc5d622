import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges import JUDGES, JudgeContext, judge_class, rule
from recbole_dtlns.false_negatives.judges.keep_all import KeepAllJudge
from recbole_dtlns.false_negatives.judges.rule import RuleJudge


def random_codes(rng, count, depth):
    codes = rng.integers(0, 2, (count, depth)).astype(np.int16)
    lengths = rng.integers(0, depth + 1, count)
    codes[np.arange(depth) >= lengths[:, None]] = -1
    codes[0] = -1
    return codes


def random_context(seed):
    rng = np.random.default_rng(seed)
    dense = rng.random((30, 40)) < rng.random((30, 1)) * 0.5
    dense[0] = dense[:, 0] = dense[3] = False
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    return JudgeContext(matrix, random_codes(rng, 40, 5), random_codes(rng, 40, 3))


def relative_lcp(a, b):
    a, b = ([digit for digit in code if digit >= 0] for code in (a.tolist(), b.tolist()))
    if not a or not b:
        return 0.0
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    return shared / min(len(a), len(b))


@pytest.mark.parametrize("chunk", [1, 50, 1 << 19])
def test_rule_is_the_largest_relative_prefix_in_either_view(chunk, monkeypatch):
    monkeypatch.setattr(rule, "_CHUNK", chunk)
    context = random_context(0)
    users, items = np.repeat(np.arange(1, 30), 39), np.tile(np.arange(1, 40), 29)
    raw, mass = RuleJudge(context).score(users, items)
    expected = [
        max(
            (
                relative_lcp(codes[item], codes[other])
                for other in context.matrix[user].indices
                for codes in (context.co, context.se)
            ),
            default=0.0,
        )
        for user, item in zip(users.tolist(), items.tolist(), strict=True)
    ]
    assert mass is None
    assert raw.dtype == np.float64
    np.testing.assert_allclose(raw, expected, atol=1e-6)
    assert len(set(expected)) > 5
    assert (raw[users == 3] == 0).all()  # no history


def test_rule_reaches_thresholds_that_decimals_can_write():
    code = np.arange(10)
    other = np.where(code < 7, code, 99)
    codes = np.array([np.full(10, -1), code, other], dtype=np.int16)
    context = JudgeContext(sparse.csr_matrix(([1.0], ([1], [1])), shape=(2, 3)), codes, codes)
    raw, _ = RuleJudge(context).score(np.array([1]), np.array([2]))
    assert raw[0] == 0.7


def test_rule_on_no_pairs():
    none = np.zeros(0, dtype=np.int64)
    assert RuleJudge(random_context(1)).score(none, none)[0].shape == (0,)


def test_keep_all():
    raw, mass = KeepAllJudge(random_context(1)).score(np.array([1, 1, 2]), np.array([1, 2, 3]))
    assert raw.tolist() == [1.0, 1.0, 1.0]
    assert mass is None


def test_names():
    assert {name: judge.name for name, judge in JUDGES.items()}.items() >= {
        "rule": "rule",
        "keep_all": "keep_all",
    }.items()
    assert judge_class("rule") is RuleJudge
    with pytest.raises(UserError, match=r"no judge 'llama' that answers questions. Give one of keep_all, llm, rule"):
        judge_class("llama")


def test_a_judge_of_ones_own(monkeypatch):
    monkeypatch.setitem(JUDGES, "mine", KeepAllJudge)
    assert judge_class("mine") is KeepAllJudge


def test_codes_of_other_items_are_refused():
    context = random_context(0)
    with pytest.raises(ValueError, match="39 and 40 rows; expected 40"):
        JudgeContext(context.matrix, context.co[1:], context.se)
