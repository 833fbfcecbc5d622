"""Runs of a comparison on a made-up cluster: what a worker is told, what its loss means, what Ctrl-C leaves."""

import socket

import pytest
from fake_ray import FakeRay, OutOfMemoryError, RayActorError, once_there
from fake_runs import DIE, small_plan

from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.engines import ray_engine as engines
from recbole_dtlns.engines import remote
from recbole_dtlns.engines.ray_cluster import RayOptions

RUN = "toy/BPR/uniform/seed-3"
ONE = {"seeds": (3,)}
FINISH = f"home = 'compared/runs/{RUN}'; os.replace(f'{{home}}/made.json', f'{{home}}/result.json')"
# The first worker's command waits; the next one finishes.
SECOND_TIME = (
    "import os, pathlib, time\n"
    "if not pathlib.Path('at-work').exists():\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
    f"{FINISH}"
)
SAVES = (
    "import pathlib, time\n"
    "try:\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
    "except KeyboardInterrupt:\n    pathlib.Path('saved-state').touch(); raise SystemExit(130)"
)


def test_runs_end_as_on_this_machine_and_leave_nothing_behind(on_cluster, toy):
    ray, bad = FakeRay(), "toy/BPR/dns/seed-4"
    comparison, _ = on_cluster(ray, small_plan(), {bad: DIE})
    assert len(comparison.runs) == 3
    assert [(run.run_id, run.reason) for run in comparison.failed] == [(bad, "ValueError: no such thing")]
    assert [path.parent.name for path in (toy / "compared").rglob("stderr.txt")] == ["seed-4"]
    assert not list(toy.rglob("*.partial"))
    assert ray.joined == ["local", "left"]
    assert len(ray.workers) == 4
    assert all(worker.dead for worker in ray.workers)  # so that its place is free


def test_a_command_is_told_its_gpus_and_a_verdict_store_of_its_machine(on_cluster, toy):
    notes = f"import os, sys; open('words', 'w').write(' '.join(sys.argv[1:]))\n{FINISH}"
    plan = small_plan("uniform", **ONE)
    ray = FakeRay(({"CPU": 4, "GPU": 2},), gpus=("1",))
    on_cluster(ray, plan, {RUN: notes}, options=RayOptions(cpus=2, gpus=1))
    store = f"--verdict_store=saved/cache/toy/verdicts-{socket.gethostname()}.sqlite"
    assert (toy / "words").read_text() == f"{store} --gpu_id=1"
    assert {"num_cpus": 2, "num_gpus": 1, "max_concurrency": 2} in ray.asked


def test_a_network_drive_looks_anew_into_the_folder_of_a_run_that_has_ended(on_cluster, toy, monkeypatch):
    """NFS remembers which files were not there, until this machine changes the folder."""
    look, changed = engines._look_anew, []

    def looking(folder):
        before = folder.stat().st_mtime_ns
        look(folder)
        changed.append((folder.name, folder.stat().st_mtime_ns > before))

    monkeypatch.setattr(engines, "_look_anew", looking)
    on_cluster(FakeRay(), small_plan("uniform", **ONE))
    assert changed == [("seed-3", True)]
    assert not list(toy.rglob("ray.look*"))


@pytest.mark.parametrize(("given", "threads"), [(None, "3"), ("7", "7")])
def test_threads_are_the_cpus_of_a_command_unless_the_user_has_set_them(on_cluster, toy, monkeypatch, given, threads):
    monkeypatch.delenv("OMP_NUM_THREADS")
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    notes = f"import os; open('threads', 'w').write(os.environ['OMP_NUM_THREADS'])\n{FINISH}"
    on_cluster(FakeRay(({"CPU": 4},)), small_plan("uniform", **ONE), {RUN: notes}, options=RayOptions(cpus=3))
    assert (toy / "threads").read_text() == threads


@pytest.mark.parametrize("error", [RayActorError("the worker is dead"), OutOfMemoryError("memory")])
def test_a_run_whose_worker_is_lost_starts_again(on_cluster, toy, caplog, error):
    ray = FakeRay()
    once_there(toy / "at-work", lambda: ray.workers[0].die(error))
    comparison, _ = on_cluster(ray, small_plan("uniform", **ONE), {RUN: SECOND_TIME})
    assert len(comparison.runs) == 1
    assert len(ray.workers) == 2
    assert "A worker was lost" in caplog.text


def test_a_run_that_loses_every_worker_fails_and_the_others_go_on(on_cluster, monkeypatch):
    ray = FakeRay()
    plan = small_plan("uniform")
    stock = FakeRay.remote

    def remote(self, kind):
        """Workers of this run die at the start."""
        made = stock(self, kind)
        if kind.__name__ != "RemoteCommand":
            return made
        start = kind.start

        class Dies(kind):
            def start(self, words, output):
                if "seed-3" in output:
                    raise RayActorError("out of memory")
                return start(self, words, output)

        return stock(self, Dies)

    monkeypatch.setattr(FakeRay, "remote", remote)
    comparison, _ = on_cluster(ray, plan)
    assert [run.run_id for run in comparison.failed] == [RUN]
    assert "5 workers of this command were lost, the last one because: out of memory" in comparison.failed[0].reason
    assert len(ray.workers) == 6
    assert len(comparison.runs) == 1


def test_ctrl_c_lets_runs_save_and_the_next_start_goes_on(on_cluster, toy, ctrl_c):
    once_there(toy / "at-work", lambda: ctrl_c(0.0))
    with pytest.raises(KeyboardInterrupt):
        on_cluster(FakeRay(), small_plan("uniform"), {"toy/BPR/uniform/seed-4": SAVES}, jobs=1)
    assert (toy / "saved-state").exists()
    comparison = read_comparison(toy / "compared")
    assert ([run.run_id for run in comparison.runs], comparison.failed) == ([RUN], [])
    comparison, program = on_cluster(FakeRay(), small_plan("uniform"))
    assert len(program.started) == 1
    assert len(comparison.runs) == 2


def test_ctrl_c_starts_no_run_that_still_waits_for_a_machine(on_cluster, toy, ctrl_c):
    ctrl_c(0.3)
    with pytest.raises(KeyboardInterrupt):
        on_cluster(FakeRay(full=True), small_plan("uniform"))
    comparison = read_comparison(toy / "compared")
    assert (comparison.runs, comparison.failed, len(comparison.pending)) == ([], [], 2)


def test_a_machine_that_joins_later_and_sees_another_folder_fails_its_run(on_cluster, toy, monkeypatch):
    monkeypatch.setattr(remote.RemoteCommand, "__init__", lambda self, place: setattr(self, "_place", elsewhere(place)))

    def elsewhere(place):
        return remote.Place(place.folder, "/nowhere/marker", place.secret, None, place.version, {})

    comparison, _ = on_cluster(FakeRay(), small_plan("uniform", **ONE))
    assert "does not see /nowhere and" in comparison.failed[0].reason
