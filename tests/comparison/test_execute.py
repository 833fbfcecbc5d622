"""Runs in processes: which are made, which are found, what a failure says, and what Ctrl-C leaves."""

import io
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_runs import FIXED, FakeProgram, made_result, small_plan

import recbole_dtlns
from recbole_dtlns.comparison.run import execute
from recbole_dtlns.comparison.run.campaign import carry_out, write_plan
from recbole_dtlns.comparison.run.chain import Chain
from recbole_dtlns.comparison.run.estimate import Estimate, spoken
from recbole_dtlns.comparison.run.execute import (
    DONE,
    FAILED_RUN,
    INTERRUPTED,
    Job,
    Outcome,
    environment,
    failure_reason,
    run_seconds,
    valid_score,
)
from recbole_dtlns.comparison.run.outlook import least_epochs, so_far
from recbole_dtlns.comparison.run.processes import interruptible, only_one
from recbole_dtlns.comparison.run.progress import Progress
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.comparison.run.runs import runs_of
from recbole_dtlns.comparison.run.same_inputs import SameInputs
from recbole_dtlns.errors import UserError

DIE = "import sys; print('INFO  epoch 1'); print('ValueError: no such thing', file=sys.stderr); sys.exit(1)"


@pytest.fixture
def compared(toy, monkeypatch):
    """`compared(plan, instead, jobs, gpus)` carries a plan out in the folder `compared`, with a made-up program."""

    def carry(plan, instead=None, jobs=1, gpus=()):
        program = FakeProgram(instead)
        monkeypatch.setattr(execute, "command", program)
        write_plan(plan, toy / "compared")
        return carry_out(plan, toy / "compared", jobs, gpus), program

    return carry


def ids(program):
    return [run_id for run_id, _ in program.started]


def test_chain_of_a_cell(compared, toy):
    found, program = compared(small_plan("dns", trials=3))
    assert ids(program) == [f"toy/BPR/dns/{name}" for name in ("trial-0", "trial-1", "trial-2", "seed-3", "seed-4")]
    scores = {run.trial: run.result["best_valid_result"]["ndcg@20"] for run in found.trials_of("toy", "BPR", "dns")}
    best = max(scores, key=scores.get)
    chosen = json.loads((toy / "compared/runs/toy/BPR/dns/chosen.json").read_text())
    assert chosen["trial"] == best
    tried = program.keys[f"toy/BPR/dns/trial-{best}"].get("neg_candidates")
    assert [program.keys[f"toy/BPR/dns/seed-{seed}"].get("neg_candidates") for seed in (3, 4)] == [tried, tried]
    assert [entry["score"] for entry in chosen["scores"]] == [scores[trial] for trial in range(3)]


def test_checkpoints_of_trials_alone_are_deleted(compared, toy):
    compared(small_plan("dns", trials=2))
    kept = sorted(path.parent.name for path in (toy / "compared").rglob("checkpoint.pth"))
    assert kept == ["seed-3", "seed-4"]
    assert not list((toy / "compared").rglob("stderr.txt"))


def test_finished_runs_are_not_repeated_in_a_wider_plan(compared):
    compared(small_plan("dns"))
    found, program = compared(small_plan("dns", "mixgcf", seeds=(3, 4, 5)))
    assert ids(program) == ["toy/BPR/dns/seed-5"] + [f"toy/BPR/mixgcf/seed-{seed}" for seed in (3, 4, 5)]
    assert len(found.runs) == 6


def test_failed_run_is_named_and_tried_again(compared, toy):
    bad = "toy/BPR/uniform/seed-3"
    found, _ = compared(small_plan(), {bad: DIE}, jobs=2)
    assert [(run.run_id, run.reason) for run in found.failed] == [(bad, "ValueError: no such thing")]
    assert len(found.runs) == 3
    assert "epoch 1" in (toy / "compared/runs" / bad / "stderr.txt").read_text()
    assert [run.run_id for run in read_comparison(toy / "compared").failed] == [bad]
    assert f"{bad},BPR,toy,uniform,none,honest,3,failed" in (toy / "compared/summary.csv").read_text()
    found, program = compared(small_plan())
    assert ids(program) == [bad]
    assert not found.failed
    assert not read_comparison(toy / "compared").failed


def test_trials_that_fail_leave_the_choice_to_the_others(compared):
    found, program = compared(small_plan("dns", trials=2), {"toy/BPR/dns/trial-1": DIE})
    assert [run.run_id for run in found.failed] == ["toy/BPR/dns/trial-1"]
    assert "neg_candidates" not in program.keys["toy/BPR/dns/seed-3"]
    assert len(found.seeds_of("toy", "BPR", "dns")) == 2


def test_seeds_without_a_trial_to_choose_are_named(compared):
    plan = small_plan("dns", "uniform", trials=2)
    found, _ = compared(plan, {f"toy/BPR/dns/trial-{number}": DIE for number in (0, 1)})
    reasons = {run.run_id: run.reason for run in found.failed}
    assert set(reasons) == {f"toy/BPR/dns/{name}" for name in ("trial-0", "trial-1", "seed-3", "seed-4")}
    assert "None of the 2 trials" in reasons["toy/BPR/dns/seed-3"]
    assert "no such thing" in reasons["toy/BPR/dns/seed-3"]
    assert len(found.seeds_of("toy", "BPR", "uniform")) == 2


def test_another_configuration_is_refused_with_the_difference(compared, toy):
    compared(small_plan("dns"))
    found, program = compared(small_plan("dns", "uniform", fixed={**FIXED, "epochs": 9}))
    assert ids(program) == ["toy/BPR/uniform/seed-3", "toy/BPR/uniform/seed-4"]
    reason = found.failed[0].reason
    assert "epochs is 2, the plan asks for 9" in reason
    assert "Remove that folder" in reason
    assert "embedding_size" not in reason
    assert [run.run_id for run in read_comparison(toy / "compared").failed] == [
        "toy/BPR/dns/seed-3",
        "toy/BPR/dns/seed-4",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda result: {**result, "versions": {"recbole_dtlns": "0.0.1"}}, "made by version 0.0.1"),
        (lambda result: {key: value for key, value in result.items() if key != "seconds"}, "seconds"),
        (lambda result: [], "damaged"),
        (lambda result: {**result, "seconds": {"training": "abc"}}, "seconds.training"),
        (lambda result: {**result, "best_valid_result": {"ndcg@20": [1]}}, "best_valid_result.ndcg@20"),
        (lambda result: {**result, "test_result": {"ndcg@20": True}}, "test_result.ndcg@20"),
        (lambda result: {**result, "data": {"split_hash": ["s"]}}, "data.split_hash"),
        (lambda result: {**result, "data": {"train_hash": ["t"]}}, "data.train_hash"),
        (lambda result: {key: value for key, value in result.items() if key != "marks"}, "marks"),
        (lambda result: {**result, "external": [{"file": "a"}]}, "external"),
    ],
)
def test_unusable_results_are_failed_and_left_alone(compared, toy, change, said):
    compared(small_plan("dns"))
    path = toy / "compared/runs/toy/BPR/dns/seed-3/result.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = path.read_text()
    found, program = compared(small_plan("dns"))
    assert (len(found.failed), len(found.runs), program.started) == (1, 1, [])
    assert said in found.failed[0].reason
    assert path.read_text() == before


def test_a_result_whose_configuration_is_gone_is_failed(compared, toy):
    compared(small_plan("dns"))
    (toy / "compared/runs/toy/BPR/dns/seed-3/config.yaml").unlink()
    found, program = compared(small_plan("dns"))
    assert (len(found.failed), len(found.runs), program.started) == (1, 1, [])
    assert "no config.yaml" in found.failed[0].reason


def test_what_nobody_foresaw_fails_one_run_alone(compared, monkeypatch):
    def score(result, config):
        if result["seed"] == 3:
            raise ZeroDivisionError("by nothing")
        return None

    monkeypatch.setattr(execute, "valid_score", score)
    found, _ = compared(small_plan("dns"))
    assert [(run.run_id, run.reason) for run in found.failed] == [
        ("toy/BPR/dns/seed-3", "ZeroDivisionError: by nothing")
    ]
    assert len(found.runs) == 1


def made_from(run, **changes):
    """A program that writes a result with these fields changed."""
    home = f"compared/runs/{run}"
    return (
        f"import json, pathlib; home = pathlib.Path({home!r}); result = json.loads((home / 'made.json').read_text())\n"
        f"result.update({changes!r}); (home / 'result.json').write_text(json.dumps(result))"
    )


OTHER_SPLIT = {"data": {"split_hash": "other", "train_hash": "t"}}


def test_runs_of_another_split_than_those_already_there_fail_whatever_their_order(compared):
    compared(small_plan("dns"))
    bad = "toy/BPR/uniform/seed-4"
    found, _ = compared(small_plan("uniform", "dns"), {bad: made_from(bad, **OTHER_SPLIT)})
    assert [run.run_id for run in found.failed] == [bad]
    for word in ("split_hash is other", "theirs is s", "Remove that folder"):
        assert word in found.failed[0].reason
    # The first run to be looked at is the one that differs, and all are on disk.
    bad = "toy/BPR/ahns/seed-3"
    found, _ = compared(small_plan("ahns", "dns"), {bad: made_from(bad, **OTHER_SPLIT)})
    again, program = compared(small_plan("ahns", "dns"))
    assert [run.run_id for run in found.failed] == [run.run_id for run in again.failed] == [bad]
    assert not program.started
    assert [run.run_id for run in so_far(again.folder, again.plan).failed] == [bad]


def test_a_file_that_was_replaced_between_two_runs_fails_the_later_one(compared):
    first, second = (
        [{"kind": "judge_file", "file": "v.tsv", "sha256": digest * 20, "train_hash": None, "foreign": False}]
        for digest in ("ab", "cd")
    )
    runs = {f"toy/BPR/dns+pos@rule/seed-{seed}": external for seed, external in ((3, first), (4, second), (5, first))}
    plan = small_plan("dns+pos", seeds=(3, 4, 5), judges=("rule",))
    found, _ = compared(plan, {run: made_from(run, external=external) for run, external in runs.items()})
    assert [run.run_id for run in found.failed] == ["toy/BPR/dns+pos@rule/seed-4"]
    assert "sha256 of judge_file is cdcdcdcdcdcd, theirs is abababababab" in found.failed[0].reason


def test_sequential_models_have_a_split_of_their_own():
    same = SameInputs()
    plan = small_plan("dns")
    run = runs_of(plan, plan.cells()[0])[0]
    one, other = made_result(run), made_result(run, **OTHER_SPLIT)
    same.check("toy", "BPR", one, Path("a"))
    same.check("toy", "EASE", one, Path("b"))
    same.check("toy", "SASRec", other, Path("c"))
    with pytest.raises(UserError, match="split_hash"):
        same.check("toy", "EASE", other, Path("d"))


def test_data_sets_and_files_are_compared_with_themselves_alone():
    same, (run, *_) = SameInputs(), runs_of(small_plan("dns"), small_plan("dns").cells()[0])

    def judged(file, digest):
        external = [{"kind": "judge_file", "file": file, "sha256": digest}]
        return made_result(run, config={"judge_file": file}, external=external)

    same.check("toy", "BPR", judged("a.tsv", "1"), Path("a"))
    same.check("toy", "BPR", judged("b.tsv", "2"), Path("b"))
    same.check("other", "BPR", made_result(run, **OTHER_SPLIT), Path("c"))
    with pytest.raises(UserError, match="sha256 of judge_file is 2, theirs is 1"):
        same.check("toy", "LightGCN", judged("a.tsv", "2"), Path("d"))


def test_an_interrupted_start_forgets_nothing_of_an_earlier_one(compared, toy, monkeypatch):
    """The second start ends before it has looked at any run."""
    bad = "toy/BPR/uniform/seed-4"
    compared(small_plan(), {bad: DIE})
    before = [(toy / "compared" / name).read_text() for name in ("summary.csv", "failed.json")]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Chain, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compared(small_plan())
    assert [(toy / "compared" / name).read_text() for name in ("summary.csv", "failed.json")] == before
    assert before[0].count(",done,") == 3
    assert bad in before[1]


def test_what_a_run_leaves_that_outlived_its_comparison_is_deleted(compared, toy):
    plan = small_plan("dns", trials=2)
    compared(plan)
    homes = [toy / "compared/runs/toy/BPR/dns" / name for name in ("trial-1", "seed-3")]
    for home in homes:
        for name in ("checkpoint.pth", "stderr.txt"):
            (home / name).write_text("left")
    _, program = compared(plan)
    assert not program.started
    assert not any((home / "stderr.txt").exists() for home in homes)
    assert [(home / "checkpoint.pth").exists() for home in homes] == [False, True]


def test_a_killed_process_says_so(compared, toy):
    bad = "toy/BPR/uniform/seed-4"
    found, _ = compared(small_plan(), {bad: "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"})
    assert [run.reason for run in found.failed] == ["Killed by signal SIGKILL (out of memory is a common cause)."]
    assert "SIGKILL" in (toy / "compared/runs" / bad / "stderr.txt").read_text()


def test_success_without_a_result_is_a_failure(compared):
    found, _ = compared(small_plan("uniform"), {"toy/BPR/uniform/seed-3": "pass"})
    assert "result.json" in found.failed[0].reason


def test_a_process_holds_the_folder_too_and_is_out_of_reach_of_the_terminal(toy, monkeypatch):
    """So neither a killed comparison frees a folder with runs at work, nor Ctrl-C reaches a run twice."""
    plan, run = small_plan("uniform", seeds=(3,)), "toy/BPR/uniform/seed-3"
    with only_one(toy / "compared") as lock:
        looks = (
            f"import os; assert os.path.sameopenfile({lock}, os.open('compared/compare.lock', os.O_RDONLY))\n"
            f"assert os.getsid(0) == os.getpid(); home = 'compared/runs/{run}'\n"
            "os.replace(f'{home}/made.json', f'{home}/result.json')"
        )
        monkeypatch.setattr(execute, "command", FakeProgram({run: looks}))
        write_plan(plan, toy / "compared")
        found = carry_out(plan, toy / "compared", 1, inherit=[lock])
    assert [failed.reason for failed in found.failed] == []
    assert len(found.runs) == 1


def test_gpus_are_dealt_out(compared):
    _, program = compared(small_plan(seeds=(1, 2, 3)), jobs=2, gpus=("0", "5"))
    assert {gpu for _, gpu in program.started} == {"0", "5"}
    _, program = compared(small_plan(seeds=(8,)))
    assert {gpu for _, gpu in program.started} == {None}


def test_as_many_at_a_time_as_there_are_jobs(compared, toy):
    """Each of two runs waits until it sees the other's mark, so they end only together."""
    seeds = ["toy/BPR/uniform/seed-3", "toy/BPR/uniform/seed-4"]
    meet = (
        "import os, pathlib, time; pathlib.Path({mine!r}).touch(); end = time.monotonic() + 60\n"
        "while not pathlib.Path({other!r}).exists() and time.monotonic() < end: time.sleep(.01)\n"
        "home = pathlib.Path('compared/runs/{run}'); assert pathlib.Path({other!r}).exists()\n"
        "os.replace(home / 'made.json', home / 'result.json')"
    )
    instead = {run: meet.format(mine=run[-1], other=other[-1], run=run) for run, other in (seeds, seeds[::-1])}
    found, _ = compared(small_plan("uniform"), instead, jobs=2)
    assert len(found.runs) == 2


def test_ctrl_c_lets_runs_save_and_the_next_start_goes_on(compared, toy, ctrl_c):
    waits = (
        "import pathlib, time\n"
        "try:\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pathlib.Path('saved-state').touch(); raise SystemExit(130)"
    )

    def once_at_work():
        while not (toy / "at-work").exists():
            time.sleep(0.01)
        ctrl_c(0.0)

    threading.Thread(target=once_at_work, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        compared(small_plan(), {"toy/BPR/uniform/seed-4": waits})
    assert (toy / "saved-state").exists()
    found = read_comparison(toy / "compared")
    assert [run.run_id for run in found.runs] == ["toy/BPR/uniform/seed-3"]
    assert len(found.pending) == 3
    assert not found.failed
    assert (toy / "compared/summary.csv").read_text().count(",left") == 3
    found, program = compared(small_plan())
    assert len(program.started) == 3
    assert len(found.runs) == 4


def test_what_a_run_still_finishes_after_ctrl_c_is_kept(compared, toy, ctrl_c):
    run = "toy/BPR/uniform/seed-4"
    finishes = (
        "import os, pathlib, time\n"
        "try:\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
        f"except KeyboardInterrupt:\n    home = 'compared/runs/{run}'\n"
        "    os.replace(f'{home}/made.json', f'{home}/result.json')"
    )

    def once_at_work():
        while not (toy / "at-work").exists():
            time.sleep(0.01)
        ctrl_c(0.0)

    threading.Thread(target=once_at_work, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        compared(small_plan(), {run: finishes})
    assert f"{run},BPR,toy,uniform,none,honest,4,done" in (toy / "compared/summary.csv").read_text()


def test_the_folder_is_up_to_date_while_runs_are_at_work(compared, toy):
    """The second run waits until the failure of the first can be read."""
    first, second = "toy/BPR/uniform/seed-3", "toy/BPR/uniform/seed-4"
    waits = (
        "import os, pathlib, time; end = time.monotonic() + 60; summary = pathlib.Path('compared/summary.csv')\n"
        "while time.monotonic() < end and not (summary.exists() and 'failed' in summary.read_text()): time.sleep(.01)\n"
        f"assert 'no such thing' in open('compared/failed.json').read(); home = 'compared/runs/{second}'\n"
        "os.replace(f'{home}/made.json', f'{home}/result.json')"
    )
    found, _ = compared(small_plan("uniform"), {first: DIE, second: waits})
    assert [run.run_id for run in found.failed] == [first]


def test_optuna_chain(compared, toy):
    pytest.importorskip("optuna")
    plan = small_plan("dns", trials=4, search="optuna", shared_search={"neg_candidates": "choice [5, 10, 20, 40]"})
    _, program = compared(plan)
    tried = [program.keys[f"toy/BPR/dns/trial-{number}"].get("neg_candidates", "10") for number in range(4)]
    assert sorted(tried) == ["10", "20", "40", "5"]
    assert program.keys["toy/BPR/dns/seed-3"]["neg_candidates"] == "40"
    again, program = compared(plan)
    assert (len(again.runs), program.started) == (6, [])


def test_optuna_that_runs_out_of_settings_goes_on_to_the_seeds(toy, monkeypatch):
    pytest.importorskip("optuna")
    plan = small_plan("dns", trials=3, search="optuna")
    chain = Chain(plan, plan.cells()[0], toy / "compared")
    (job,) = chain.start()
    monkeypatch.setattr(chain._optuna, "ask", lambda: None)
    jobs = chain.after(Outcome(job, DONE, score=0.3, result=made_result(job.run)))
    assert [found.run.seed for found in jobs] == [3, 4]
    assert [run.trial for run in chain.needless] == [1, 2]


def test_the_earlier_of_equal_trials_is_chosen_and_failed_ones_have_no_say(toy):
    plan = small_plan("dns", trials=3)
    chain = Chain(plan, plan.cells()[0], toy / "compared")
    jobs = chain.start()
    outcomes = [
        Outcome(jobs[0], FAILED_RUN, reason="x"),
        Outcome(jobs[1], DONE, score=-0.2),
        Outcome(jobs[2], DONE, score=-0.2),
    ]
    assert chain.after(outcomes[2]) == chain.after(outcomes[0]) == []
    assert [job.keys for job in chain.after(outcomes[1])] == [jobs[1].keys] * 2


def test_an_interrupted_trial_ends_no_search(toy):
    plan = small_plan("dns", trials=2)
    chain = Chain(plan, plan.cells()[0], toy / "compared")
    first, second = chain.start()
    assert chain.after(Outcome(first, DONE, score=0.2)) == chain.after(Outcome(second, INTERRUPTED)) == []
    assert not list(toy.rglob("chosen.json"))


def test_score_has_the_sign_that_makes_more_better():
    config = {"valid_metric": "NDCG@20", "valid_metric_bigger": True}
    assert valid_score({"best_valid_result": {"ndcg@20": 0.3}}, config) == 0.3
    lower = {"valid_metric": "LogLoss", "valid_metric_bigger": False}
    assert valid_score({"best_valid_result": {"logloss": 0.3}}, lower) == -0.3
    assert valid_score({"best_valid_result": {"ndcg@20": float("nan")}}, config) is None
    assert valid_score({"best_valid_result": None}, config) is None


def test_seconds_of_sampling_are_part_of_training():
    assert run_seconds({"seconds": {"trees": None, "training": 2.0, "sampling": 1.0, "evaluation": 0.5}}) == 2.5


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("x\nrecbole-dtlns: There is no file a.tsv.\n", "There is no file a.tsv."),
        ("1 Nov 10:00 ERROR  Failed: ValueError: bad\nTraceback\n  File\nValueError: bad\n", "Failed: ValueError: bad"),
        ("INFO one\n\nRuntimeError: last\n\n", "RuntimeError: last"),
        ("", "ended with status 1 and said nothing"),
    ],
)
def test_reason_of_a_failure(tmp_path, said, reason):
    (tmp_path / "stderr.txt").write_text(said)
    assert failure_reason(1, tmp_path / "stderr.txt") == reason


def test_cores_are_shared_out_unless_the_user_has_done_so(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert environment(3, on_gpu=False)["OMP_NUM_THREADS"] == "2"
    assert environment(20, on_gpu=False)["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in environment(3, on_gpu=True)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert environment(3, on_gpu=False)["OMP_NUM_THREADS"] == "5"


def test_processes_run_the_package_that_started_them(monkeypatch, tmp_path):
    monkeypatch.setattr(recbole_dtlns, "__file__", str(tmp_path / "checkout" / "recbole_dtlns" / "__init__.py"))
    monkeypatch.setenv("PYTHONPATH", "mine")
    assert environment(1, on_gpu=False)["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "checkout"), "mine"]


def test_progress_counts_what_has_ended_and_what_has_failed(caplog):
    caplog.set_level("INFO")
    plan = small_plan("dns", trials=3)
    trials, seeds = runs_of(plan, plan.cells()[0])[:3], runs_of(plan, plan.cells()[0])[3:]
    progress = Progress([*trials, *seeds], 1, lambda: 1)
    progress.ended_with(Outcome(Job(trials[0]), DONE, 10.0))
    progress.ended_with(Outcome(Job(trials[1]), FAILED_RUN, 90.0, reason="bad"))
    progress.dropped(trials[2])
    progress.lost(seeds[0], "no trial")
    progress.ended_with(Outcome(Job(seeds[1]), DONE, 10.0))
    assert caplog.messages == [
        "[1/5] done in 10 s: toy/BPR/dns/trial-0; 4 left, 1 running, 0 failed, about 40 s to go",
        "[2/5] failed: toy/BPR/dns/trial-1: bad; 3 left, 1 running, 1 failed, about 30 s to go",
        "[3/4] not run: toy/BPR/dns/seed-3: no trial",
        "[4/4] done in 10 s: toy/BPR/dns/seed-4; 0 left, 1 running, 2 failed",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_follows_the_runs_at_work(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    plan, running = small_plan("dns"), [0]
    progress = Progress(runs_of(plan, plan.cells()[0]), 1, lambda: running[0])
    with progress.shown():
        assert "0/2 runs, 2 left, 0 running, 0 failed" in sys.stderr.getvalue()
        running[0] = 1
        progress.tick()
        assert "0/2 runs, 2 left, 1 running, 0 failed" in sys.stderr.getvalue()


def test_the_log_says_how_many_runs_are_at_work_and_left(compared, caplog):
    caplog.set_level("INFO")
    compared(small_plan("dns"))
    ended = [said for said in caplog.messages if said.startswith("[")]
    assert ["1 left, 1 running, 0 failed" in ended[0], "0 left, 0 running, 0 failed" in ended[1]] == [True, True]


def test_a_folder_is_held_by_one_comparison(tmp_path):
    with only_one(tmp_path / "compared"), pytest.raises(UserError, match="at work"), only_one(tmp_path / "compared"):
        pass
    with only_one(tmp_path / "compared"):
        pass


@pytest.mark.parametrize(("handler", "ends"), [(signal.SIG_IGN, False), (signal.SIG_DFL, True)])
def test_a_hang_up_ends_a_comparison_unless_it_is_ignored_as_under_nohup(handler, ends):
    before, ended = signal.signal(signal.SIGHUP, handler), False
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    except KeyboardInterrupt:
        ended = True
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended is ends


def test_estimate():
    estimate = Estimate([("a", "m")] * 4 + [("b", "m")] * 2, jobs=2)
    assert estimate.seconds_left() is None
    estimate.finished(("a", "m"), 10.0)
    assert estimate.seconds_left() == (3 * 10 + 2 * 10) / 2
    estimate.finished(("b", "m"), 40.0)
    estimate.finished(("a", "m"), None)
    assert estimate.seconds_left() == (2 * 10 + 1 * 40) / 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.4, "3 s"), (99, "99 s"), (2460, "41 min"), (7500, "2 h 5 min"), (273600, "3 d 4 h")]
)
def test_spoken(seconds, text):
    assert spoken(seconds) == text


def test_least_epochs_is_where_early_stopping_can_end_a_run_first():
    """As RecBole counts: worse evaluations one after the other, until there are more than `stopping_step`."""
    from recbole.utils import early_stopping

    config = {"stopping_step": 3, "eval_step": 2, "epochs": 100}
    best, step, epochs, stop = -float("inf"), 0, 0, False
    for score in range(100, 0, -1):
        epochs += config["eval_step"]
        best, step, stop, _ = early_stopping(score, best, step, max_step=config["stopping_step"])
        if stop:
            break
    assert least_epochs(config) == epochs
    assert least_epochs({**config, "epochs": 4}) == 4


def test_interrupted_before_it_began_is_not_started(toy, monkeypatch):
    plan = small_plan("uniform")
    program = FakeProgram()
    monkeypatch.setattr(execute, "command", program)
    write_plan(plan, toy / "compared")
    runner = execute.Runner(plan, toy / "compared", 1)
    runner.interrupt(signal.SIGINT)
    (job, *_) = Chain(plan, plan.cells()[0], toy / "compared").start()
    assert isinstance(job, Job)
    assert runner(job).status == INTERRUPTED
    assert not (toy / "compared/runs" / job.run.run_id / "stderr.txt").exists()
