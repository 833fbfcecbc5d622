"""A real Ray cluster of two workers on this machine; skipped where Ray is not installed (extra `ray`).

Two raylets with a CPU each stand for two machines. They share this machine's folders and name.
"""

import os
import signal
import time

import psutil
import pytest
from fake_ray import once_there
from fake_runs import DIE, small_plan

from recbole_dtlns import cli
from recbole_dtlns.comparison import report
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.files.run_folder import INFERRED
from recbole_dtlns.quick_start import run_recbole_dtlns

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.real_ray
SEED = "toy/BPR/uniform/seed-{}"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A head without CPUs, and two nodes with one each."""
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 80 * 2**20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
        made.nodes = [made.add_node(num_cpus=1, wait=False, **small) for _ in range(2)]
        made.wait_for_nodes()
        patch.setenv("RAY_ADDRESS", made.address)
        yield made
        made.shutdown()


def attendants():
    """The processes between workers and their commands."""
    seen = psutil.process_iter(["cmdline"])
    return [process for process in seen if "recbole_dtlns.engines.attend" in (process.info["cmdline"] or [])]


def nothing_is_at_work():
    until = time.monotonic() + 30
    while attendants():
        assert time.monotonic() < until
        time.sleep(0.1)
    return True


def test_two_runs_are_made_at_once_on_two_nodes(on_cluster, toy):
    """Each of two runs waits until it sees the other's mark."""
    meet = (
        "import os, pathlib, time; pathlib.Path({mine!r}).write_text(os.environ['RAY_RAYLET_PID'])\n"
        "end = time.monotonic() + 60\n"
        "while not pathlib.Path({other!r}).exists() and time.monotonic() < end: time.sleep(.01)\n"
        "home = pathlib.Path('compared/runs/{run}'); assert pathlib.Path({other!r}).exists()\n"
        "os.replace(home / 'made.json', home / 'result.json')"
    )
    instead = {SEED.format(a): meet.format(mine=a, other=b, run=SEED.format(a)) for a, b in (("3", "4"), ("4", "3"))}
    instead[SEED.format(5)] = DIE
    comparison, _ = on_cluster(None, small_plan("uniform", seeds=(3, 4, 5)), instead)
    assert len(comparison.runs) == 2
    assert [run.reason for run in comparison.failed] == ["ValueError: no such thing"]
    assert (toy / "3").read_text() != (toy / "4").read_text()
    assert nothing_is_at_work()


def test_ctrl_c_lets_runs_save(on_cluster, toy, ctrl_c):
    saves = (
        "import pathlib, time\n"
        "try:\n    pathlib.Path('at-work').touch(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pathlib.Path('saved-state').touch(); raise SystemExit(130)"
    )
    once_there(toy / "at-work", lambda: ctrl_c(0.0))
    with pytest.raises(KeyboardInterrupt):
        on_cluster(None, small_plan("uniform"), {SEED.format(3): saves}, jobs=1)
    assert (toy / "saved-state").exists()
    assert len(read_comparison(toy / "compared").pending) == 2
    assert nothing_is_at_work()


COMPARE = (
    *("compare", "--datasets=toy", "--models=BPR", "--samplers=dns+pos", "--judges=rule", "--seeds=1", "--seed=5"),
    *("--data_path=data", "--embedding_size=8", "--train_batch_size=64", "--tree_leaf_size=4", "--epochs=60"),
    *("--stopping_step=1000", "--eval_step=20", "--checkpoint_seconds=0", "--engine=ray", "--run_dir=compared"),
)


def test_a_killed_worker_loses_nothing(toy, monkeypatch):
    """The real command: killed with -9 in training, the run goes on elsewhere and ends as an undisturbed one."""
    killed, home = [], toy / "compared/runs/toy/BPR/dns+pos@rule/seed-5"

    def kill():
        (attendant,) = attendants()
        run = attendant.children()[0]
        killed.append((attendant.ppid(), run.pid))
        os.kill(attendant.ppid(), signal.SIGKILL)

    once_there(home / "resume.pth", kill)
    monkeypatch.setattr(report, "write_report", lambda _, folder: folder / "report.html")
    assert cli.main(list(COMPARE)) == 0
    assert len(killed) == 1
    assert not psutil.pid_exists(killed[0][1])
    (record,) = read_comparison(toy / "compared").runs
    assert "esum" in (home / "run.log").read_text()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    keys = {"neg_sampler": "dns", "judge": "rule", "seed": 5, "split_seed": 5, "run_dir": "alone", "cache_dir": "c"}
    alone = run_recbole_dtlns("BPR", "toy", ["compared/fixed.yaml"], keys)
    assert dict(record.result["test_result"]) == dict(alone["test_result"])


def test_identify_ends_as_without_the_engine(toy):
    words = ["identify", "--dataset=toy", "--data_path=data", "--judge=rule", "--tree_leaf_size=4"]
    assert cli.main([*words, "--run_dir=alone", "--cache_dir=cache-alone"]) == 0
    assert cli.main([*words, "--run_dir=parts", "--cache_dir=cache-parts", "--engine=ray"]) == 0
    assert (toy / "parts" / INFERRED).read_bytes() == (toy / "alone" / INFERRED).read_bytes()


def test_a_lost_machine_gives_its_run_to_another(on_cluster, toy, cluster):
    """The last test of this file: one node is left."""
    run = SEED.format(3)
    twice = (
        "import os, pathlib, time\n"
        "if not pathlib.Path('at-work').exists():\n"
        "    pathlib.Path('at-work').write_text(os.environ['RAY_RAYLET_PID']); time.sleep(60)\n"
        f"home = 'compared/runs/{run}'; os.replace(f'{{home}}/made.json', f'{{home}}/result.json')"
    )

    def lose():
        time.sleep(0.2)
        raylet = int((toy / "at-work").read_text())
        node = next(
            node for node in cluster.nodes if raylet in {each.process.pid for each in node.all_processes["raylet"]}
        )
        cluster.remove_node(node, allow_graceful=False)

    once_there(toy / "at-work", lose)
    comparison, _ = on_cluster(None, small_plan("uniform", seeds=(3,)), {run: twice})
    assert len(comparison.runs) == 1
