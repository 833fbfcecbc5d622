"""Tests over users and over seeds on arrays alone."""

import numpy as np
import pytest

from recbole_dtlns.comparison.statistics import users as users_file
from recbole_dtlns.comparison.statistics.multiple import benjamini_hochberg, holm
from recbole_dtlns.comparison.statistics.seeds import compare_seeds
from recbole_dtlns.comparison.statistics.users import DRAWS, compare_columns


def rng(seed=0):
    return np.random.default_rng(seed)


def compare_users(a, b, generator, draws=DRAWS):
    return compare_columns(np.stack([a, b], axis=1), [(0, 1)], generator, draws)[0]


def test_holm_by_hand():
    # Sorted: .01 x 4 = .04, .02 x 3 = .06, .03 x 2 = .06, .04 x 1 = .04, which may not fall below .06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1, 1])
    assert holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])


def test_benjamini_hochberg_by_hand():
    # Sorted: .01 x 4/1 = .04, .011 x 4/2 = .022, .03 x 4/3 = .04, .5 x 4/4 = .5; none above the one behind it.
    assert benjamini_hochberg([0.5, 0.011, 0.03, 0.01]) == pytest.approx([0.5, 0.022, 0.04, 0.022])
    assert benjamini_hochberg([0.9, 0.95]) == pytest.approx([0.95, 0.95])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_both_corrections_keep(adjust):
    p = rng().random(50) ** 3
    adjusted = adjust(p)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    order = rng(1).permutation(50)
    assert adjust(p[order]) == pytest.approx(adjusted[order])
    assert adjust([0.03]) == pytest.approx([0.03])
    assert len(adjust([])) == 0


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_no_test_does_not_count(adjust):
    adjusted = adjust([0.04, np.nan, 0.01, np.nan])
    assert np.isnan(adjusted).tolist() == [False, True, False, True]
    assert adjusted[[0, 2]] == pytest.approx(adjust([0.04, 0.01]))
    assert np.isnan(adjust([np.nan])).all()


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_what_is_no_p_value_is_refused(adjust, wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([0.2, wrong])


def test_users_by_hand():
    # Differences 1, 2, 3, 6: mean 3, variance 14/3, t = 3 / sqrt(14/12) = 2.7775, p = .0691 with 3 degrees of freedom.
    # Of the 16 choices of signs only the observed one and its opposite reach a sum of 12: p = 1/8.
    test = compare_users([2, 4, 6, 9], [1, 2, 3, 3], rng(), draws=20_000)
    assert (test.n, test.difference, test.draws) == (4, 3.0, 20_000)
    assert test.t_p == pytest.approx(0.0691, abs=1e-4)
    assert test.permutation_p == pytest.approx(1 / 8, abs=0.01)
    assert test.effect == pytest.approx(3 / (14 / 3) ** 0.5)


def test_ties_of_the_permutation_test_count():
    # Two users up by .1, one by .3: a flip reaches .5 only with all signs alike, 2 of 8. Sums that are .5 but for
    # rounding must be counted.
    test = compare_users([0.2, 0.3, 0.7], [0.1, 0.2, 0.4], rng(), draws=20_000)
    assert test.permutation_p == pytest.approx(1 / 4, abs=0.015)
    # Only one user differs: every flip is as far from 0.
    assert compare_users([0.1, 0.7, 0.3], [0.1, 0.4, 0.3], rng()).permutation_p == 1


def test_p_is_never_zero():
    test = compare_users(np.ones(60) + rng().random(60), np.zeros(60), rng(), draws=500)
    assert test.permutation_p == pytest.approx(1 / 501)


def test_both_tests_agree_on_normal_data():
    for shift in (0.0, 0.1, 0.2):
        a = rng(2).normal(size=(200, 2))
        test = compare_users(a[:, 0] + shift, a[:, 1], rng())
        assert test.permutation_p == pytest.approx(test.t_p, abs=0.015)


def test_the_t_interval_and_the_bootstrap_agree_on_normal_data():
    a = rng(3).normal(size=(2, 2000))
    test = compare_users(a[0], a[1], rng())
    half = 1.96 * (a[0] - a[1]).std() / 2000**0.5
    assert test.interval == pytest.approx((test.difference - half, test.difference + half), abs=0.004)


def test_exchanging_the_two_turns_the_sign_and_nothing_else():
    a, b = rng(4).random((2, 150)) < 0.3
    forward, backward = compare_users(a, b, rng()), compare_users(b, a, rng())
    assert forward.difference == -backward.difference != 0
    assert forward.effect == pytest.approx(-backward.effect)
    assert forward.interval == pytest.approx((-backward.interval[1], -backward.interval[0]))
    assert (forward.t_p, forward.permutation_p) == pytest.approx((backward.t_p, backward.permutation_p))


def test_the_order_of_users_does_not_matter():
    a, b = rng(5).random((2, 300)) < [[0.35], [0.3]]
    order = rng(6).permutation(300)
    plain, reordered = compare_users(a, b, rng()), compare_users(a[order], b[order], rng())
    assert (plain.difference, plain.t_p, plain.effect) == pytest.approx(
        (reordered.difference, reordered.t_p, reordered.effect)
    )
    assert plain.permutation_p == pytest.approx(reordered.permutation_p, abs=0.02)
    assert plain.interval == pytest.approx(reordered.interval, abs=0.005)


def test_pairing_matters():
    base = rng(7).random(100)
    shifted = base + 0.01 + 0.001 * rng(8).normal(size=100)
    assert compare_users(shifted, base, rng()).t_p < 1e-6
    assert compare_users(shifted, rng(9).permutation(base), rng()).t_p > 0.2


def test_the_same_generator_gives_the_same_answer():
    a, b = rng(10).random((2, 90))
    assert compare_users(a, b, rng(1)) == compare_users(a, b, rng(1))
    assert compare_users(a, b, rng(1)).interval != compare_users(a, b, rng(2)).interval


def test_no_difference_at_all():
    same = rng().random(40)
    test = compare_users(same, same, rng())
    assert (test.difference, test.interval, test.t_p, test.permutation_p, test.effect) == (0, (0, 0), 1, 1, 0)


def test_a_constant_difference_has_no_t_test():
    same = rng().random(40)
    test = compare_users(same + 0.1, same, rng())
    assert (test.t_p, test.effect) == (None, None)
    assert test.interval == pytest.approx((0.1, 0.1))
    assert test.permutation_p < 0.001


def test_one_user_is_no_test():
    test = compare_users([0.5], [0.25], rng())
    assert (test.n, test.difference) == (1, 0.25)
    assert (test.interval, test.t_p, test.permutation_p, test.effect) == (None,) * 4


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])])
def test_arrays_that_do_not_belong_together_are_refused(a, b):
    with pytest.raises(ValueError, match="found"):
        compare_seeds(a, b)


def test_no_user_is_refused():
    with pytest.raises(ValueError, match="found 0 and"):
        compare_users([], [], rng())


def test_a_pair_is_compared_alike_alone_and_among_others():
    values = rng(11).random((120, 5))
    pairs = [(0, 1), (3, 2), (4, 0)]
    together = compare_columns(values, pairs, rng(), draws=2000)
    for (i, j), test in zip(pairs, together, strict=True):
        alone = compare_users(values[:, i], values[:, j], rng(), draws=2000)
        assert test.interval == pytest.approx(alone.interval)
        assert (test.t_p, test.permutation_p) == pytest.approx((alone.t_p, alone.permutation_p))
        assert test.difference == pytest.approx(alone.difference)
    assert compare_columns(values, [], rng()) == []


def test_blocks_cover_every_draw(monkeypatch):
    a, b = rng(12).random((2, 64)) < [[0.4], [0.3]]
    whole = compare_users(a, b, rng(), draws=1001)
    monkeypatch.setattr(users_file, "_CELLS", 64 * 10)  # 10 draws a block, 1 in the last
    parts = compare_users(a, b, rng(), draws=1001)
    assert parts.permutation_p == whole.permutation_p  # 64 users: blocks read the same bytes
    assert parts.interval == pytest.approx(whole.interval)


@pytest.mark.parametrize(("n", "asked", "made"), [(10, 500, 500), (1000, 10_000, 2000), (4000, 10_000, 1000)])
def test_many_users_get_fewer_draws(monkeypatch, n, asked, made):
    monkeypatch.setattr(users_file, "_WORK", 2_000_000)
    test = compare_users(rng().random(n), rng(1).random(n), rng(), draws=asked)
    assert test.draws == made
    assert test.permutation_p >= 1 / (made + 1)


def test_the_bootstrap_covers_and_the_permutation_test_keeps_its_level():
    # 600 experiments of 80 users whose values are skewed and mostly 0, as metrics are; the true difference is 0.
    n, experiments = 80, 600
    values = np.maximum(rng(13).normal(-0.3, 1, size=(n, 2 * experiments)), 0)
    pairs = [(2 * k, 2 * k + 1) for k in range(experiments)]
    tests = compare_columns(values, pairs, rng(14), draws=1000)
    covered = np.mean([f.interval[0] <= 0 <= f.interval[1] for f in tests])
    assert 0.91 < covered < 0.975
    for level in (0.05, 0.2):
        assert np.mean([f.permutation_p <= level for f in tests]) == pytest.approx(level, abs=0.035)
        assert np.mean([f.t_p <= level for f in tests]) == pytest.approx(level, abs=0.035)


def test_seeds_by_hand():
    # Differences .01, .02, .03: mean .02, deviation .01, t = .02 / (.01 / sqrt 3) = 3.4641, p = .0742 with 2 degrees of
    # freedom; the interval's half width is 4.3027 x .01 / sqrt 3 = .02484.
    test = compare_seeds([0.31, 0.33, 0.32], [0.30, 0.31, 0.29])
    assert test.n == 3
    assert test.difference == pytest.approx(0.02)
    assert test.p == pytest.approx(0.0742, abs=1e-4)
    assert test.interval == pytest.approx((0.02 - 0.02484, 0.02 + 0.02484), abs=1e-5)
    assert test.effect is None  # told from five seeds on
    back = compare_seeds([0.30, 0.31, 0.29], [0.31, 0.33, 0.32])
    assert back.difference == pytest.approx(-0.02)
    assert back.p == pytest.approx(test.p)


def test_an_effect_is_told_from_five_seeds_on():
    differences = [0.01, 0.02, 0.03, 0.01, 0.03]
    five = compare_seeds([0.3 + each for each in differences], [0.3] * 5)
    assert five.effect == pytest.approx(2)
    assert compare_seeds([0.3 + each for each in differences[:4]], [0.3] * 4).effect is None


def test_one_seed_is_no_test():
    test = compare_seeds([0.31], [0.30])
    assert test.difference == pytest.approx(0.01)
    assert (test.n, test.interval, test.p, test.effect) == (1, None, None, None)


def test_rows_without_chance_have_no_test_over_seeds():
    test = compare_seeds([0.3] * 5, [0.1] * 5)
    assert (test.p, test.effect) == (None, None)
    assert test.difference == pytest.approx(0.2)
    assert compare_seeds([0.3] * 5, [0.3] * 5).p == 1


def test_two_seeds_are_enough_for_a_test():
    # Differences 1 and 2: mean 1.5, t = 1.5 / .5 = 3, p = 1 - 2 atan(3) / pi with 1 degree of freedom.
    test = compare_seeds([1.0, 2.0], [0.0, 0.0])
    assert test.p == pytest.approx(1 - 2 * np.arctan(3) / np.pi)
    assert test.interval == pytest.approx((1.5 - 6.3531, 1.5 + 6.3531), abs=1e-4)


def test_what_only_rounding_varies_does_not_vary():
    a, b = 1e6 + np.array([0.1, 0.2, 0.3]), 1e6 + np.array([0.0, 0.1, 0.2])
    assert (a - b).std() > 0
    test = compare_seeds(a, b)
    assert (test.p, test.effect) == (None, None)
    assert test.interval == pytest.approx((0.1, 0.1))
    assert compare_seeds([0.0] * 3, [0.0] * 3).p == 1


def test_two_users_are_compared_and_one_is_not():
    two = compare_users([0.3, 0.5], [0.1, 0.2], rng())
    assert two.interval == pytest.approx((0.2, 0.3))
    assert (two.n, two.draws) == (2, DRAWS)
    one = compare_users([0.3], [0.1], rng())
    assert (one.n, one.interval, one.t_p, one.permutation_p, one.draws) == (1, None, None, None, 0)
