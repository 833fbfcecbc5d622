"""Processes of a comparison: how they are started, what stops them, and what they leave."""

import os
import signal
import threading
import time

import pytest
from fake_runs import DIE, FakeProgram, small_plan

import recbole_dtlns
from recbole_dtlns.commands.compare import LOCK, interruptible
from recbole_dtlns.comparison.run import execute
from recbole_dtlns.comparison.run.campaign import carry_out, write_plan
from recbole_dtlns.comparison.run.chain import Chain
from recbole_dtlns.comparison.run.execute import (
    DONE,
    INTERRUPTED,
    Job,
    Outcome,
)
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.engines import local
from recbole_dtlns.engines.local import environment
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.owner import only_one


def ctrl_c_at_work(folder, ctrl_c):
    """Ctrl-C as soon as a run of the comparison says that it is at work."""

    def once_at_work():
        while not (folder / "at-work").exists():
            time.sleep(0.01)
        ctrl_c(0.0)

    threading.Thread(target=once_at_work, daemon=True).start()


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
        for name in ("checkpoint.pth", "resume.pth", "stderr.txt", "run.lock"):
            (home / name).write_text("left")
    _, program = compared(plan)
    assert not program.started
    assert not any((home / name).exists() for home in homes for name in ("resume.pth", "stderr.txt", "run.lock"))
    assert [(home / "checkpoint.pth").exists() for home in homes] == [False, True]


def test_a_killed_process_says_so(compared, toy):
    bad = "toy/BPR/uniform/seed-4"
    comparison, _ = compared(small_plan(), {bad: "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"})
    assert [run.reason for run in comparison.failed] == ["Killed by signal SIGKILL (out of memory is a common cause)."]
    assert "SIGKILL" in (toy / "compared/runs" / bad / "stderr.txt").read_text()


def test_a_process_killed_behind_its_result_has_made_its_run(compared, toy):
    late = "toy/BPR/uniform/seed-4"
    home = f"compared/runs/{late}"
    kill = f"import os; os.replace('{home}/made.json', '{home}/result.json'); os.kill(os.getpid(), 9)"
    comparison, _ = compared(small_plan("uniform"), {late: kill})
    assert comparison.failed == []
    assert late in [run.run_id for run in comparison.runs]
    assert not (toy / "compared/runs" / late / "stderr.txt").exists()


@pytest.mark.parametrize("status", [0, 2])
def test_a_result_of_another_plan_is_none_of_a_process_however_it_ended(compared, toy, status):
    """Another start has written it in the meantime."""
    late = "toy/BPR/uniform/seed-4"
    home = f"compared/runs/{late}"
    code = (
        f"import os, sys; os.replace('{home}/made.json', '{home}/result.json')\n"
        f"open('{home}/config.yaml', 'w').write('epochs: 77')\nsys.exit({status})"
    )
    comparison, _ = compared(small_plan("uniform"), {late: code})
    assert [run.run_id for run in comparison.failed] == [late]
    assert "under another configuration" in comparison.failed[0].reason


def test_a_run_of_a_version_that_was_installed_in_the_meantime_is_refused(compared):
    late = "toy/BPR/uniform/seed-4"
    home = f"compared/runs/{late}"
    code = (
        f"import json; result = json.load(open('{home}/made.json'))\n"
        f"result['versions']['recbole_dtlns'] = '99'; json.dump(result, open('{home}/result.json', 'w'))"
    )
    comparison, _ = compared(small_plan("uniform"), {late: code})
    assert [run.run_id for run in comparison.failed] == [late]
    assert "made by version 99" in comparison.failed[0].reason


def test_success_without_a_result_is_a_failure(compared):
    comparison, _ = compared(small_plan("uniform"), {"toy/BPR/uniform/seed-3": "pass"})
    assert "result.json" in comparison.failed[0].reason


def test_a_process_holds_the_folder_too_and_is_out_of_reach_of_the_terminal(toy, monkeypatch):
    """So neither a killed comparison frees a folder with runs at work, nor Ctrl-C reaches a run twice."""
    plan, run = small_plan("uniform", seeds=(3,)), "toy/BPR/uniform/seed-3"
    with only_one(toy / "compared", LOCK, "A") as lock:
        looks = (
            f"import os; assert os.path.sameopenfile({lock}, os.open('compared/compare.lock', os.O_RDONLY))\n"
            f"assert os.getsid(0) == os.getpid(); home = 'compared/runs/{run}'\n"
            "os.replace(f'{home}/made.json', f'{home}/result.json')"
        )
        monkeypatch.setattr(execute, "command", FakeProgram({run: looks}))
        write_plan(plan, toy / "compared")
        comparison = carry_out(plan, toy / "compared", 1, inherit=[lock])
    assert [failed.reason for failed in comparison.failed] == []
    assert len(comparison.runs) == 1


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
    comparison, _ = compared(small_plan("uniform"), instead, jobs=2)
    assert len(comparison.runs) == 2


def test_ctrl_c_lets_runs_save_and_the_next_start_goes_on(compared, toy, ctrl_c):
    waits = (
        "import pathlib, time\n"
        "try:\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pathlib.Path('saved-state').touch(); raise SystemExit(130)"
    )

    ctrl_c_at_work(toy, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        compared(small_plan(), {"toy/BPR/uniform/seed-4": waits})
    assert (toy / "saved-state").exists()
    comparison = read_comparison(toy / "compared")
    assert [run.run_id for run in comparison.runs] == ["toy/BPR/uniform/seed-3"]
    assert len(comparison.pending) == 3
    assert not comparison.failed
    assert (toy / "compared/summary.csv").read_text().count(",left") == 3
    comparison, program = compared(small_plan())
    assert len(program.started) == 3
    assert len(comparison.runs) == 4


def test_a_second_ctrl_c_ends_runs_that_do_not_end(compared, toy, ctrl_c):
    deaf = (
        "import pathlib, signal, time\n"
        "def told(*_): pathlib.Path('told').touch()\n"
        "signal.signal(signal.SIGINT, told)\n"
        "pathlib.Path('at-work').touch()\n"
        "until = time.monotonic() + 60\n"
        "while time.monotonic() < until: time.sleep(0.01)"
    )

    def again_once_told():
        while not (toy / "told").exists():
            time.sleep(0.01)
        ctrl_c(0.0)

    ctrl_c_at_work(toy, ctrl_c)
    threading.Thread(target=again_once_told, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        compared(small_plan("dns"), {"toy/BPR/dns/seed-3": deaf})
    assert time.monotonic() - began < 50
    comparison = read_comparison(toy / "compared")
    assert (len(comparison.runs), len(comparison.failed), len(comparison.pending)) == (0, 0, 2)


def test_what_a_run_still_finishes_after_ctrl_c_is_kept(compared, toy, ctrl_c):
    run = "toy/BPR/uniform/seed-4"
    finishes = (
        "import os, pathlib, time\n"
        "try:\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
        f"except KeyboardInterrupt:\n    home = 'compared/runs/{run}'\n"
        "    os.replace(f'{home}/made.json', f'{home}/result.json')"
    )

    ctrl_c_at_work(toy, ctrl_c)
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
    comparison, _ = compared(small_plan("uniform"), {first: DIE, second: waits})
    assert [run.run_id for run in comparison.failed] == [first]


def test_an_interrupted_trial_ends_no_search(toy):
    plan = small_plan("dns", trials=2)
    chain = Chain(plan, plan.cells()[0], toy / "compared")
    first, second = chain.start()
    assert chain.after(Outcome(first, DONE, score=0.2)) == chain.after(Outcome(second, INTERRUPTED)) == []
    assert not list(toy.rglob("chosen.json"))


def test_cores_are_shared_out_unless_the_user_has_done_so(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    assert environment(3, on_gpu=False)["OMP_NUM_THREADS"] == "2"
    assert environment(20, on_gpu=False)["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in environment(3, on_gpu=True)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert environment(3, on_gpu=False)["OMP_NUM_THREADS"] == "5"


def test_processes_run_the_package_that_started_them(monkeypatch, tmp_path):
    monkeypatch.setattr(recbole_dtlns, "__file__", str(tmp_path / "checkout" / "recbole_dtlns" / "__init__.py"))
    monkeypatch.setenv("PYTHONPATH", "mine")
    assert environment(1, on_gpu=False)["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "checkout"), "mine"]


def test_a_folder_is_held_by_one_comparison(tmp_path):
    folder = tmp_path / "compared"
    with only_one(folder, LOCK, "A"), pytest.raises(UserError, match="A is at work"), only_one(folder, LOCK, "A"):
        pass
    with only_one(folder, LOCK, "A"):
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
