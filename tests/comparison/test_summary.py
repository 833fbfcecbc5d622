"""summary.csv and the checks over all runs."""

import csv

import pytest
from fake_runs import made_result, small_plan, write_made

from recbole_dtlns.comparison.run.checks import OTHER_MASKS, comparison_checks
from recbole_dtlns.comparison.run.records import gather
from recbole_dtlns.comparison.run.runs import runs_of
from recbole_dtlns.comparison.run.summary import SUMMARY, write_summary

PLAN = small_plan("dns", "mixgcf+pos", trials=2, judges=("rule",))


def all_runs(plan=PLAN):
    return [run for cell in plan.cells() for run in runs_of(plan, cell)]


@pytest.fixture
def folder(tmp_path):
    for run in all_runs():
        write_made(tmp_path, run)
    return tmp_path


def outcome(folder, name, plan=PLAN):
    (check,) = [check for check in comparison_checks(gather(folder, plan, {})) if check["name"] == name]
    return check


def test_columns_are_those_of_the_contract(folder):
    write_summary(gather(folder, PLAN, {}))
    header = (folder / SUMMARY).read_text().splitlines()[0]
    assert header == (
        "run_id,model,dataset,sampler,judge,protocol,seed,status,valid_recall@20,valid_ndcg@20,test_recall@20,"
        "test_ndcg@20,seconds_trees,seconds_candidates,seconds_judging,seconds_training,seconds_sampling,"
        "seconds_evaluation,noise,marks"
    )


def test_a_row_a_run_whatever_its_status(folder):
    (folder / "runs" / "toy/BPR/dns/seed-3/result.json").unlink()
    write_made(folder, all_runs()[1], protocol="reference")
    comparison = gather(folder, PLAN, {"toy/BPR/dns/seed-4": "killed"})
    rows = list(csv.DictReader(write_summary(comparison).open()))
    assert [row["run_id"] for row in rows] == [run.run_id for run in all_runs()]
    by_id = {row["run_id"]: row for row in rows}
    assert [by_id[f"toy/BPR/dns/{name}"]["status"] for name in ("trial-0", "seed-3", "seed-4")] == [
        *("done", "left", "failed")
    ]
    trial, tested = by_id["toy/BPR/dns/trial-0"], by_id["toy/BPR/mixgcf+pos@rule/seed-4"]
    assert (trial["valid_ndcg@20"], trial["test_ndcg@20"]) == ("0.1", "")
    assert (by_id["toy/BPR/dns/trial-1"]["seed"], by_id["toy/BPR/dns/trial-1"]["protocol"]) == ("3", "reference")
    assert (tested["sampler"], tested["judge"], tested["seed"]) == ("mixgcf+pos", "rule", "4")
    assert (round(float(tested["test_ndcg@20"]), 6), tested["seconds_training"]) == (0.104, "2.0")
    assert (by_id["toy/BPR/dns/seed-3"]["protocol"], by_id["toy/BPR/dns/seed-3"]["seconds_training"]) == ("honest", "")


def test_marks_and_noise_stand_in_the_row_of_each_run(folder):
    plan = small_plan("dns", seeds=(3, 4), noise=(0.0, 0.1))
    for run in all_runs(plan):
        write_made(folder, run, marks=["made elsewhere: codes_co", "uses held-out counts"] if run.seed == 3 else [])
    rows = list(csv.DictReader(write_summary(gather(folder, plan, {})).open()))
    assert [(row["noise"], row["marks"]) for row in rows] == [
        ("0.0", "made elsewhere: codes_co; uses held-out counts"),
        ("0.0", ""),
        ("0.1", "made elsewhere: codes_co; uses held-out counts"),
        ("0.1", ""),
    ]


def test_candidates_are_the_same_in_rows_that_do_not_search_them(folder):
    """dns tries them on valid, uniform never, and nothing does in a plan without trials."""
    plan = small_plan("dns", "uniform", seeds=(3,), trials=2)
    for run in all_runs(plan):
        number = 50 if run.cell.row.name == "dns" else 10
        write_made(folder, run, config={**made_result(run)["config"], "neg_candidates": number})
    check = outcome(folder, "same neg_candidates where it is not searched", plan)
    assert check == {"name": check["name"], "passed": True, "found": "10 in 1 runs"}
    assert not outcome(folder, "same neg_candidates", small_plan("dns", "uniform", seeds=(3,)))["passed"]
    assert outcome(folder, "same num_negatives", plan)["passed"]


def test_runs_without_a_result_have_the_protocol_they_were_to_have(tmp_path):
    (tmp_path / "mine.yaml").write_text("protocol: reference\n")
    file = str(tmp_path / "mine.yaml")

    def protocols(**changes):
        comparison = gather(tmp_path, small_plan("dns", "dns+reference", seeds=(3,), **changes), {})
        return [row["protocol"] for row in csv.DictReader(write_summary(comparison).open())]

    assert protocols() == ["honest", "reference"]
    assert protocols(config_files=(file,)) == ["reference", "reference"]
    assert protocols(config_files=(file,), fixed={"protocol": "honest"}) == ["honest", "reference"]


def test_sound_comparison_passes_all_checks(folder):
    checks = comparison_checks(gather(folder, PLAN, {}))
    assert [check["name"] for check in checks if not check["passed"]] == []
    assert all(set(check) == {"name", "passed", "found"} for check in checks)


def test_another_split_is_found(folder):
    write_made(folder, all_runs()[-1], data={"split_hash": "other", "train_hash": "t"})
    check = outcome(folder, "same split of toy")
    assert not check["passed"]
    assert f"{all_runs()[-1].run_id} has other" in check["found"]


def test_training_pairs_may_differ_between_levels_of_noise_alone(tmp_path):
    plan = small_plan("dns", noise=(0.0, 0.1))
    for run in all_runs(plan):
        write_made(tmp_path, run, data={"split_hash": "s", "train_hash": f"t{run.cell.noise}"})
    assert outcome(tmp_path, "same training pairs of toy", plan)["passed"]
    assert outcome(tmp_path, "same training pairs of toy at noise 0.1", plan)["passed"]
    write_made(tmp_path, all_runs(plan)[-1], data={"split_hash": "s", "train_hash": "t0.0"})
    assert not outcome(tmp_path, "same training pairs of toy at noise 0.1", plan)["passed"]


@pytest.mark.parametrize(("missing", "left"), [(4, 3), (3, 4)])
def test_missing_seed_is_found(folder, missing, left):
    """Also the first seed, which the trials have as well."""
    (folder / "runs" / f"toy/BPR/dns/seed-{missing}/result.json").unlink()
    check = outcome(folder, "same seeds for every row")
    assert not check["passed"]
    assert f"toy/BPR/dns has {left}" in check["found"]


def test_data_sets_are_held_against_themselves_alone(tmp_path):
    plan = small_plan("dns", datasets=("toy", "other"))
    for run in all_runs(plan):
        name = run.cell.dataset
        write_made(tmp_path, run, data={"split_hash": f"s-{name}", "train_hash": f"t-{name}"})
    checks = comparison_checks(gather(tmp_path, plan, {}))
    assert [check["name"] for check in checks if not check["passed"]] == []
    write_made(tmp_path, all_runs(plan)[-1], data={"split_hash": "s-toy", "train_hash": "t-toy"})
    bad = [check["name"] for check in comparison_checks(gather(tmp_path, plan, {})) if not check["passed"]]
    assert bad == ["same split of other", "same training pairs of other"]


def test_a_row_without_any_seed_is_found(folder):
    for name in ("seed-3", "seed-4", "trial-0", "trial-1"):
        (folder / "runs" / "toy/BPR/dns" / name / "result.json").unlink()
    assert "toy/BPR/dns has none" in outcome(folder, "same seeds for every row")["found"]


def test_fewer_trials_are_shown(tmp_path):
    plan = small_plan("dns", "uniform", trials=2)
    for run in all_runs(plan):
        write_made(tmp_path, run)
    check = outcome(tmp_path, "trials of every row", plan)
    assert check["passed"]
    assert "toy/BPR/uniform none" in check["found"]


def test_seeds_without_all_trials_are_found(folder):
    (folder / "runs" / "toy/BPR/dns/trial-1/result.json").unlink()
    check = outcome(folder, "trials of every row")
    assert not check["passed"]
    assert "toy/BPR/dns has 1 of 2" in check["found"]
    for seed in ("seed-3", "seed-4"):
        (folder / "runs" / "toy/BPR/dns" / seed / "result.json").unlink()
    assert outcome(folder, "trials of every row")["passed"]  # still to come


def test_failed_trials_were_tried_and_are_named(folder):
    comparison = gather(folder, PLAN, {"toy/BPR/dns/trial-1": "killed"})
    (check,) = [check for check in comparison_checks(comparison) if check["name"] == "trials of every row"]
    assert check["passed"]
    assert "failed trials: toy/BPR/dns 1" in check["found"]


def test_another_budget_is_found_unless_it_is_searched(folder):
    longer = {**made_result(all_runs()[0])["config"], "epochs": 9}
    write_made(folder, all_runs()[0], config=longer)
    assert not outcome(folder, "same epochs")["passed"]
    searched = small_plan("dns", "mixgcf+pos", trials=2, judges=("rule",), shared_search={"epochs": "choice [2, 9]"})
    assert "same epochs" not in {check["name"] for check in comparison_checks(gather(folder, searched, {}))}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 9),
        ("stopping_step", 3),
        ("eval_step", 5),
        ("train_batch_size", 64),
        ("valid_metric", "MRR@10"),
        ("topk", [5]),
        ("eval_mask", "train"),
    ],
)
def test_every_part_of_budget_and_evaluation_is_compared(folder, key, value):
    write_made(folder, all_runs()[-1], config={**made_result(all_runs()[-1])["config"], key: value})
    check = outcome(folder, f"same {key}")
    assert not check["passed"]
    assert f"{all_runs()[-1].run_id} has {value}" in check["found"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_trial_that_read_test_is_found(folder, number):
    run = all_runs()[number]
    write_made(folder, run, test_result={"ndcg@20": 0.1})
    check = outcome(folder, "no trial has read test")
    assert run.trial == number
    assert not check["passed"]
    assert run.run_id in check["found"]


def test_of_many_deviating_runs_five_are_named_and_the_others_counted(folder):
    plan = small_plan("dns", seeds=tuple(range(3, 18)))
    for place, run in enumerate(all_runs(plan)):
        write_made(folder, run, data={"split_hash": f"other-{place}" if place < 7 else "s", "train_hash": "t"})
    text = outcome(folder, "same split of toy", plan)["found"]
    assert text.startswith("s in 8 of 15 runs; ")
    assert text.count(" has other-") == 5
    assert text.endswith("; and 2 more")


def test_a_failed_check_of_a_run_is_found_and_so_is_a_run_without_checks(folder):
    leak = {"when": "after", "name": "mask", "passed": False, "found": "3 pairs"}
    write_made(folder, all_runs()[0], checks=[leak])
    assert "mask: 3 pairs" in outcome(folder, "checks of every run")["found"]
    write_made(folder, all_runs()[0], checks=[])
    assert not outcome(folder, "checks of every run")["passed"]


def test_marks_are_listed(folder):
    write_made(folder, all_runs()[0], marks=["uses held-out counts"])
    assert outcome(folder, "marks")["found"] == "uses held-out counts (1 runs)"


def test_the_mask_of_the_reference_protocol_hides_no_other_failure(folder):
    mask = {"when": "before", "name": "the ranking of test leaves out seen pairs alone", "passed": False, "found": "9"}
    write_made(folder, all_runs()[0], checks=[mask], protocol="reference", marks=["reference"])
    assert outcome(folder, "checks of every run")["passed"]
    apart = outcome(folder, OTHER_MASKS)
    assert not apart["passed"]
    assert all_runs()[0].run_id in apart["found"]
    write_made(folder, all_runs()[1], checks=[mask])
    assert all_runs()[1].run_id in outcome(folder, "checks of every run")["found"]
    other = {**mask, "name": "no pair stands in two of train, valid, test"}
    write_made(folder, all_runs()[0], checks=[mask, other], protocol="reference", marks=["reference"])
    assert all_runs()[0].run_id in outcome(folder, "checks of every run")["found"]
