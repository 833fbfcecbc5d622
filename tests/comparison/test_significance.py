"""From the folders of runs to comparisons and sentences."""

import dataclasses

import numpy as np
import pytest
from fake_result import fake_result

from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.run.records import Comparison, RunRecord
from recbole_dtlns.comparison.statistics import all_pairs, family_of, over_seeds, over_users, turned
from recbole_dtlns.comparison.statistics.multiple import benjamini_hochberg, holm
from recbole_dtlns.comparison.statistics.users import UserComparison, compare_columns
from recbole_dtlns.comparison.statistics.words import metric_name
from recbole_dtlns.errors import UserError

GROUP = ("toy", "BPR", "ndcg@20")
USERS = np.array([f"u{number}" for number in range(80)])
GAIN = {"uniform": 0.0, "dns": 0.01, "dtl_ns@keep_all": 0.1, "dtl_ns@rule": 0.1}


def values_of(label, seed, noise=0.0):
    user = np.random.default_rng(0).random(len(USERS))  # hard and easy users, the same ones for every row
    own = np.random.default_rng([seed, sum(map(ord, label))]).normal(0, 0.05, len(USERS))
    return (user + GAIN.get(label, 0.05) * (1 - noise) + own).astype(np.float32)


def record(folder, label, seed, noise=0.0, model="BPR", users=USERS, values=None, per_user=True, marks=(), test=True):
    home = folder / model / label / f"noise-{noise}" / f"seed-{seed}"
    home.mkdir(parents=True)
    values = values_of(label, seed, noise) if values is None else values
    if per_user:
        np.savez(home / "per_user.npz", users=users, **{"ndcg@20": values})
    tested = {"ndcg@20": round(float(values.mean()), 4), "giniindex@20": 0.5 + seed % 7 / 100}
    sampler, _, judge = label.partition("@")
    return RunRecord(
        f"toy/{model}/{label}/seed-{seed}",
        home,
        "toy",
        model,
        label,
        sampler,
        judge or "none",
        noise,
        seed,
        None,
        fake_result(test_result=tested if test else None, marks=list(marks)),
    )


def compared(folder, *runs):
    return Comparison(folder, "made", None, list(runs))


@pytest.fixture
def made(tmp_path):
    return compared(tmp_path, *(record(tmp_path, label, seed) for label in GAIN for seed in (1, 2, 3)))


def against(comparison, ours, *noise, **options):
    """Ours against each other row, as the report asks."""
    return family_of(all_pairs(comparison, *GROUP, *noise, **options), ours)


def shuffled(run, seed=0):
    """The same run with its users in another order."""
    with np.load(run.folder / "per_user.npz") as arrays:
        columns = dict(arrays)
    order = np.random.default_rng(seed).permutation(len(columns["users"]))
    np.savez(run.folder / "per_user.npz", **{name: column[order] for name, column in columns.items()})


def test_ours_against_each(made):
    compared_rows = against(made, "dtl_ns@rule")
    assert [(c.first, c.second) for c in compared_rows] == [
        ("dtl_ns@rule", "uniform"),
        ("dtl_ns@rule", "dns"),
        ("dtl_ns@rule", "dtl_ns@keep_all"),
    ]
    means = {label: np.mean([values_of(label, seed).astype(float) for seed in (1, 2, 3)], axis=0) for label in GAIN}
    for c in compared_rows:
        both = np.stack([means["dtl_ns@rule"], means[c.second]], axis=1)
        (expected,) = compare_columns(both, [(0, 1)], np.random.default_rng(0))
        assert c.users.difference == pytest.approx(expected.difference)
        assert c.users.t_p == pytest.approx(expected.t_p)
        assert c.users.n == len(USERS)
        assert c.seeds.n == 3
        assert c.seeds.difference == pytest.approx(expected.difference)
        assert (c.first_seeds, c.second_seeds) == ((1, 2, 3), (1, 2, 3))
        assert c.correction == "Holm"
    assert [c.users_t_p for c in compared_rows] == pytest.approx(holm([c.users.t_p for c in compared_rows]))
    assert [c.users_permutation_p for c in compared_rows] == pytest.approx(
        holm([c.users.permutation_p for c in compared_rows])
    )
    assert [c.seeds_p for c in compared_rows] == pytest.approx(holm([c.seeds.p for c in compared_rows]))


def test_ours_better_is_a_positive_difference_and_a_small_p_in_both_directions(made):
    better = {c.second: c for c in against(made, "dtl_ns@rule")}["uniform"]
    worse = {c.second: c for c in against(made, "uniform")}["dtl_ns@rule"]
    assert better.users.difference > 0 > worse.users.difference
    assert better.users.interval[0] > 0
    assert better.users_p < 0.001
    assert worse.users_p < 0.001
    assert better.seeds_p < 0.05


def test_all_pairs(made):
    compared_rows = all_pairs(made, *GROUP)
    labels = list(GAIN)
    assert [(c.first, c.second) for c in compared_rows] == [
        (a, b) for k, a in enumerate(labels) for b in labels[k + 1 :]
    ]
    assert {c.correction for c in compared_rows} == {"Benjamini-Hochberg"}
    assert [c.users_t_p for c in compared_rows] == pytest.approx(
        benjamini_hochberg([c.users.t_p for c in compared_rows])
    )
    assert [c.seeds_p for c in compared_rows] == pytest.approx(benjamini_hochberg([c.seeds.p for c in compared_rows]))
    # The same two rows, uncorrected, whichever table they stand in.
    against_uniform = next(c for c in against(made, "uniform") if c.second == "dns")
    assert against_uniform.users.permutation_p == compared_rows[0].users.permutation_p
    assert against_uniform.users.interval == pytest.approx(compared_rows[0].users.interval)


def test_ours_is_the_first_dtl_ns_row(made):
    assert Source(made).ours == "dtl_ns@keep_all"
    others = [run for run in made.runs if run.sampler != "dtl_ns"]
    without = compared(made.folder, *others)
    assert Source(without).ours is None
    assert Source(without).against_ours(Source(without).groups[0]) == []
    pinned = [dataclasses.replace(run, sampler="dtl_ns+list") for run in made.runs if run.label == "dtl_ns@rule"]
    assert Source(compared(made.folder, *others, *pinned)).ours == "dtl_ns@rule"


def test_an_unknown_row_is_named_with_those_there_are(made):
    with pytest.raises(UserError, match=r"ours=dtl_ns@llm: the rows are uniform, dns, dtl_ns@keep_all, dtl_ns@rule"):
        Source(made, ours="dtl_ns@llm")


def test_users_are_matched_by_token(made):
    expected = all_pairs(made, *GROUP)
    for number, run in enumerate(made.runs):
        shuffled(run, number)
    assert all_pairs(made, *GROUP) == expected


def test_other_users_are_refused(made, tmp_path):
    others = np.array([f"v{number}" for number in range(80)])
    extra = [record(tmp_path, "mixgcf", 1, users=others)]
    with pytest.raises(UserError, match=r"'uniform' and 'mixgcf'.*split_seed"):
        all_pairs(compared(tmp_path, *made.runs, *extra), *GROUP)
    two = [record(tmp_path, "dens", 1), record(tmp_path, "dens", 2, users=others)]
    with pytest.raises(UserError, match="Two seeds of 'dens'"):
        all_pairs(compared(tmp_path, *two), *GROUP)


@pytest.mark.parametrize("wrong", [np.full(80, np.nan), np.zeros(79)])
def test_damaged_values_are_named(tmp_path, wrong):
    with pytest.raises(UserError, match=r"ndcg@20 in .*uniform.* are damaged"):
        all_pairs(compared(tmp_path, record(tmp_path, "uniform", 1, values=wrong)), *GROUP)


def test_a_user_with_several_rows_counts_once(tmp_path):
    twice = np.append(USERS, USERS[0])
    a, b = np.append(np.full(80, 0.5), 0.1), np.append(np.linspace(0, 1, 80), 0.2)
    runs = [record(tmp_path, label, 1, users=twice, values=v) for label, v in (("dns", a), ("uniform", b))]
    tested = all_pairs(compared(tmp_path, *runs), *GROUP)[0].users
    merged_a, merged_b = a[:80].copy(), b[:80].copy()
    merged_a[0], merged_b[0] = 0.3, 0.1
    assert tested.n == 80
    assert tested.difference == pytest.approx((merged_a - merged_b).mean())


def test_the_value_of_a_seed_is_the_mean_over_rows_as_the_test_result_is(tmp_path):
    twice = np.append(USERS, USERS[0])  # one user has two rows
    values = {
        label: [np.append(np.full(80, low), seed / 10) for seed in (1, 2)]
        for label, low in (("dns", 0.5), ("uniform", 0.2))
    }
    runs = [
        record(tmp_path, label, seed, users=twice, values=by_seed[seed - 1])
        for label, by_seed in values.items()
        for seed in (1, 2)
    ]
    pair = all_pairs(compared(tmp_path, *runs), *GROUP)[0]
    assert pair.seeds.difference == pytest.approx(80 * 0.3 / 81)
    assert pair.users.difference == pytest.approx(79.5 * 0.3 / 80)


def test_one_seed_has_no_test_over_seeds(tmp_path):
    pair = all_pairs(compared(tmp_path, record(tmp_path, "dns", 1), record(tmp_path, "uniform", 1)), *GROUP)[0]
    assert (pair.seeds, pair.seeds_p) == (None, None)
    assert pair.users is not None
    assert (
        over_seeds(pair) == "No test over seeds between dns and uniform: they have 1 seed in common, and it takes two."
    )


def test_seeds_are_paired_by_seed_where_a_run_is_missing(tmp_path):
    runs = [record(tmp_path, "dns", seed) for seed in (1, 2, 3)] + [record(tmp_path, "uniform", s) for s in (4, 3, 1)]
    pair = all_pairs(compared(tmp_path, *runs), *GROUP)[0]
    assert pair.seeds.n == 2
    expected = [float(values_of("dns", s).astype(float).mean() - values_of("uniform", s).mean()) for s in (1, 3)]
    assert pair.seeds.difference == pytest.approx(np.mean(expected), abs=1e-6)
    assert "different seeds: 1, 2, 3 and 1, 3, 4" in over_users(pair)


def test_metrics_that_are_no_mean_over_users_are_compared_over_seeds_alone(tmp_path):
    runs = [record(tmp_path, "dns", seed) for seed in (1, 2, 3)] + [record(tmp_path, "uniform", s) for s in (1, 2, 3)]
    pair = all_pairs(compared(tmp_path, *runs), "toy", "BPR", "giniindex@20")[0]
    assert (pair.users, pair.users_t_p, pair.users_p) == (None, None, None)
    assert pair.seeds.p == 1
    assert over_users(pair) == "No test over users between dns and uniform: GiniIndex@20 was not kept by user for both."


def test_without_values_by_user_the_test_result_still_gives_seeds(tmp_path):
    kept = [record(tmp_path, "dns", seed) for seed in (1, 2)]
    bare = [record(tmp_path, "uniform", seed, per_user=seed == 1) for seed in (1, 2)]
    never = [record(tmp_path, "mixgcf", 1, per_user=False, test=False)]
    pairs = all_pairs(compared(tmp_path, *kept, *bare, *never), *GROUP)
    assert [(c.first, c.second) for c in pairs] == [("dns", "uniform")]
    assert pairs[0].users is None
    assert pairs[0].seeds.n == 2


def test_each_noise_rate_is_compared_within_itself(made, tmp_path):
    noisy = [record(tmp_path, label, seed, noise=1.0) for label in ("uniform", "dtl_ns@rule") for seed in (1, 2)]
    both = compared(tmp_path, *made.runs, *noisy)
    assert against(both, "dtl_ns@keep_all") == against(made, "dtl_ns@keep_all")
    pairs = against(both, "dtl_ns@rule", 1.0)
    assert [c.second for c in pairs] == ["uniform"]
    assert pairs[0].noise == 1.0
    assert abs(pairs[0].users.difference) < 0.03


def test_reference_rows_of_another_model_can_be_added(made, tmp_path):
    ease = [record(tmp_path, "EASE", seed, model="EASE") for seed in (1, 2, 3)]
    both = compared(tmp_path, *made.runs, *ease)
    assert "EASE" not in {c.second for c in against(both, "dtl_ns@rule")}
    pairs = against(both, "dtl_ns@rule", extra={"EASE": ease})
    assert pairs[-1].second == "EASE"
    assert pairs[-1].users.n == len(USERS)
    assert len(all_pairs(both, *GROUP, extra={"EASE": ease})) == 10


def test_marks_go_with_the_rows(tmp_path):
    mark = "uses held-out counts"
    runs = [record(tmp_path, "dtl_ns@rule", 1), record(tmp_path, "recbole-popularity", 1, marks=[mark])]
    pair = against(compared(tmp_path, *runs), "dtl_ns@rule")[0]
    assert (pair.first_marks, pair.second_marks) == ((), (mark,))
    assert "recbole-popularity [uses held-out counts]" in over_users(pair)
    assert "recbole-popularity [uses held-out counts]" in over_seeds(pair)


def test_a_mark_of_one_run_marks_its_row(tmp_path):
    marks = {1: ["made elsewhere: verdicts"], 2: [], 3: ["uses held-out counts"]}
    runs = [record(tmp_path, "dtl_ns@rule", seed, marks=marks[seed]) for seed in marks]
    pair = all_pairs(compared(tmp_path, *runs, *(record(tmp_path, "dns", seed) for seed in marks)), *GROUP)[0]
    assert pair.first_marks == ("made elsewhere: verdicts", "uses held-out counts")


@pytest.fixture
def base(made):
    return against(made, "dtl_ns@rule")[1]


def sentence(base, difference, interval, p, effect, **other):
    users = UserComparison(943, difference, interval, p, p, effect, 10_000)
    adjusted = {"users_t_p": p, "users_permutation_p": p} | other
    return over_users(dataclasses.replace(base, users=users, **adjusted))


def test_a_difference_in_words(base):
    assert sentence(base, 0.00421, (0.0031, 0.0053), 0.00041, 0.12) == (
        "dtl_ns@rule is above dns by .0042 NDCG@20 [.0031, .0053], p = .0004 (Holm), d = .12, over 943 users."
    )
    assert sentence(base, -0.00421, (-0.0053, -0.0031), 1e-9, -1.2) == (
        "dtl_ns@rule is below dns by .0042 NDCG@20 [.0031, .0053], p < .0001 (Holm), d = 1.20, over 943 users."
    )


def test_no_difference_in_so_many_words(base):
    assert sentence(base, -0.0003, (-0.0016, 0.001), 0.41, -0.01) == (
        "No significant difference between dtl_ns@rule and dns: −.0003 NDCG@20 [−.0016, .0010], p = .41 (Holm), "
        "d = −.01, over 943 users."
    )


def test_a_comparison_told_of_the_second_row(base):
    back = turned(base)
    assert (back.first, back.second) == (base.second, base.first)
    assert (back.first_seeds, back.second_seeds) == (base.second_seeds, base.first_seeds)
    for ours, theirs in ((back.users, base.users), (back.seeds, base.seeds)):
        assert (ours.difference, ours.effect or 0) == (-theirs.difference, -(theirs.effect or 0))
        assert ours.interval == (-theirs.interval[1], -theirs.interval[0])
    assert over_users(back).startswith("dns is below dtl_ns@rule by")
    assert (back.users_p, back.seeds_p) == (base.users_p, base.seeds_p)
    assert turned(back) == base
    alone = dataclasses.replace(base, users=None, seeds=None, first_marks=("m",))
    assert (turned(alone).users, turned(alone).seeds, turned(alone).second_marks) == (None, None, ("m",))


def test_the_corrected_p_decides(base):
    assert sentence(base, 0.004, (0.001, 0.007), 0.01, 0.1).startswith("dtl_ns@rule is above dns")
    assert sentence(base, 0.004, (0.001, 0.007), 0.01, 0.1, users_t_p=0.0501, users_permutation_p=0.06).startswith(
        "No significant difference"
    )
    assert sentence(base, 0.004, (0.0, 0.008), 0.05, 0.1).startswith("No significant difference")


def test_tests_that_disagree_say_so(base):
    text = sentence(base, 0.004, (0.001, 0.007), 0.049, 0.1, users_permutation_p=0.0512)
    assert text.endswith("over 943 users; the permutation test says otherwise (p = .0512).")


def test_without_a_t_test_the_permutation_test_speaks(base):
    text = sentence(base, 0.1, (0.1, 0.1), None, None, users_permutation_p=0.0001)
    assert text == "dtl_ns@rule is above dns by .1000 NDCG@20 [.1000, .1000], p = .0001 (Holm), over 943 users."
    single = dataclasses.replace(base, users=UserComparison(1, 0.1, None, None, None, None, 0))
    alone = over_users(dataclasses.replace(single, users_t_p=None, users_permutation_p=None))
    assert alone.startswith("No test over users between dtl_ns@rule and dns: there is one user alone")


def test_a_small_difference_is_not_said_to_be_nothing(base):
    assert " by .000020 NDCG@20 [.000010, .000030]," in sentence(base, 0.00002, (0.00001, 0.00003), 0.001, 0.1)


def test_seeds_in_words(base, made):
    seeds = dataclasses.replace(base.seeds, n=5, difference=0.0041, interval=(0.002, 0.0062), effect=2.4)
    assert over_seeds(dataclasses.replace(base, seeds=seeds, seeds_p=0.0123)) == (
        "dtl_ns@rule is above dns by .0041 NDCG@20 [.0020, .0062], p = .0123 (Holm), d = 2.40, over 5 seeds."
    )
    assert over_seeds(dataclasses.replace(base, seeds=seeds, seeds_p=0.2)).startswith("No significant difference")
    fixed = dataclasses.replace(base, seeds=dataclasses.replace(seeds, p=None), seeds_p=None)
    assert over_seeds(fixed) == (
        "No test over seeds: dtl_ns@rule is above dns by the same .0041 NDCG@20 at each of 5 seeds."
    )
    worse = dataclasses.replace(fixed, seeds=dataclasses.replace(fixed.seeds, difference=-0.0041))
    assert "dtl_ns@rule is below dns by the same .0041 NDCG@20" in over_seeds(worse)
    assert all("(BH)" in over_users(c) and "(BH)" in over_seeds(c) for c in all_pairs(made, *GROUP))


def test_metrics_are_spelled_as_settings_spell_them():
    names = ("ndcg@20", "recall@10", "mrr@5", "itemcoverage@20", "averagepopularity@10", "hit@10")
    spelled = ["NDCG@20", "Recall@10", "MRR@5", "ItemCoverage@20", "AveragePopularity@10", "Hit@10"]
    assert [metric_name(name) for name in names] == spelled
