import numpy as np
import pytest
from scipy.special import expit, logit

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.report.calibration import fit_calibration


def simulated(slope, intercept, count=40_000, centre=0.0, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    raw = centre + spread * rng.normal(size=count)
    return raw, rng.random(count) < expit(slope * raw + intercept)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (2.5, -1.0), (0.3, 0.7)])
def test_a_known_curve_is_found_again(slope, intercept):
    line = fit_calibration(*simulated(slope, intercept))
    assert line.slope == pytest.approx(slope, abs=0.06)
    assert line.intercept == pytest.approx(intercept, abs=0.06)


def test_margins_far_from_zero_and_close_together():
    """Judges differ by a constant and by some hundredths between the candidates of a user."""
    raw, positive = simulated(50.0, 50.0 * 8, centre=-8.0, spread=0.02)
    line = fit_calibration(raw, positive)
    assert line.slope == pytest.approx(50, rel=0.1)
    assert line.probability(np.array([-8.0]))[0] == pytest.approx(0.5, abs=0.02)


def test_it_does_not_depend_on_the_scale_of_the_scores():
    raw, positive = simulated(1.5, 0.2, count=500)
    first, other = fit_calibration(raw, positive), fit_calibration(1000 * raw - 3, positive)
    np.testing.assert_allclose(other.probability(1000 * raw - 3), first.probability(raw), atol=1e-5)


def test_a_faultless_judge_gets_the_smoothed_targets():
    raw, positive = np.repeat([0.0, 1.0], [8, 3]), np.repeat([False, True], [8, 3])
    np.testing.assert_allclose(fit_calibration(raw, positive).probability(np.array([0.0, 1.0])), [0.1, 0.8], atol=1e-5)


def test_one_score_for_all_gives_the_share_of_positives():
    line = fit_calibration(np.ones(20), np.arange(20) % 2 == 0)
    assert line.slope == 0
    assert expit(line.intercept) == pytest.approx(0.5)
    line = fit_calibration(np.full(9, 3.7), np.arange(9) < 6)
    assert line.intercept == pytest.approx(logit((6 * 7 / 8 + 3 * 1 / 5) / 9))


def test_unanswered_pairs_are_left_out():
    raw, positive = simulated(1.0, 0.5, count=300)
    holes = np.where(np.arange(300) % 5 == 0, np.nan, raw)
    kept = ~np.isnan(holes)
    assert fit_calibration(holes, positive) == fit_calibration(raw[kept], positive[kept])


def test_a_judge_that_is_wrong_is_turned_round_aloud(caplog):
    raw, positive = simulated(-1.0, 0.0)
    line = fit_calibration(raw, positive)
    assert line.slope == pytest.approx(-1, abs=0.06)
    assert "wrong more often than right on 40000 held-in pairs" in caplog.text
    caplog.clear()
    fit_calibration(-raw, positive)
    assert not caplog.text


@pytest.mark.parametrize("positive", [[True, True], [False, False], []])
def test_both_kinds_are_needed(positive):
    with pytest.raises(UserError, match=r"found [02] positive and [02] negative ones\. Let the judge"):
        fit_calibration(np.arange(float(len(positive))), np.array(positive, dtype=bool))
    with pytest.raises(UserError, match="found 1 positive and 0 negative"):
        fit_calibration(np.array([1.0, np.nan]), np.array([True, False]))
