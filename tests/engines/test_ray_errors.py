"""What is said when a cluster cannot be used, before any run is made."""

import importlib.util
import signal
import socket
import sys

import pytest
from fake_ray import FakeRay, RayError

from recbole_dtlns import cli
from recbole_dtlns.engines import ray_cluster
from recbole_dtlns.engines.ray_cluster import RayOptions, check_machines, joined, slots
from recbole_dtlns.engines.remote import Place, problem_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.version import __version__

COMPARE = ("compare", "--datasets=toy", "--models=BPR", "--samplers=dns", "--data_path=data", "--run_dir=compared")
IDENTIFY = ("identify", "--dataset=toy", "--data_path=data", "--engine=ray", "--run_dir=found")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*COMPARE, "--engine=spark"), "--engine=spark: expected one of local, ray"),
        ((*COMPARE, "--task_cpus=2"), "--task_cpus belongs to --engine=ray"),
        ((*COMPARE, "--engine=ray", "--task_cpus=0"), "--task_cpus=0: expected"),
        ((*COMPARE, "--engine=ray", "--task_gpus=1.5"), "--task_gpus=1.5: expected a whole number, or a part of one"),
        ((*COMPARE, "--engine=ray", "--task_gpus=0.00001"), "--task_gpus=0.00001: expected 0, or at least 0.01"),
        ((*COMPARE, "--engine=ray", "--gpus=0,1"), "--task_gpus=1"),
        ((*COMPARE, "--engine=ray", "--verdict_store=mine.sqlite"), "verdict_store cannot be set with --engine=ray"),
        ((*COMPARE, "--engine=ray", "--ray_address=head"), "ray_address=head: expected HOST:PORT"),
        ((*IDENTIFY,), "judge=learned is none. Name one with --judge"),
        ((*IDENTIFY, "--judge=rule", "--shard=1/2"), "shard=1/2 cannot stand with --engine=ray"),
        ((*IDENTIFY, "--judge=rule", "--gpu_id=0", "--task_gpus=1"), "--gpu_id=0 cannot stand with --task_gpus"),
        ((*IDENTIFY, "--judge=rule", "--llm_max_pairs=9"), "llm_max_pairs=9 cannot stand with --engine=ray"),
    ],
)
def test_flags_that_make_no_sense(toy, monkeypatch, capsys, words, message):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert cli.main(list(words)) == 2
    assert message in capsys.readouterr().err
    assert not ray.joined


def test_without_ray_the_extra_is_named(monkeypatch):
    stock = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else stock(name, *rest))
    with pytest.raises(UserError, match=r"pip install 'recbole-dtlns\[ray\]'"), joined(RayOptions()):
        pass


@pytest.mark.parametrize("port", ["closed", "99999", "x"])
def test_a_head_that_is_not_there(monkeypatch, port):
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    if port == "closed":
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
    with (
        pytest.raises(UserError, match=rf"ray_address=127.0.0.1:{port} cannot be reached"),
        joined(RayOptions(f"127.0.0.1:{port}")),
    ):
        pass


def test_the_address_of_the_environment_counts_where_none_is_given(monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    before = signal.getsignal(signal.SIGTERM)
    with joined(RayOptions()):
        assert signal.getsignal(signal.SIGTERM) == before
    with joined(RayOptions("local")):
        pass
    assert ray.joined == ["auto", "left", "local", "left"]


@pytest.mark.parametrize(
    "refused",
    [
        RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.9.1"),
        RayError("Ray: 2.9.0 Python: 3.9.1 and a token that is not there"),  # its AuthenticationError is one
    ],
)
def test_a_cluster_that_refuses(monkeypatch, refused):
    monkeypatch.setitem(sys.modules, "ray", FakeRay(refuse=refused))
    message = r"Ray: 2.9.0 Python: 3.9.1.*same Python and Ray.*set RAY_AUTH_MODE"
    with pytest.raises(UserError, match=message), joined(RayOptions("auto")):
        pass


def test_slots_are_what_each_machine_has_room_for():
    nodes = ({"CPU": 5, "GPU": 2}, {"CPU": 3}, {"GPU": 4})
    assert slots(FakeRay(nodes), RayOptions()) == 8
    assert slots(FakeRay(nodes), RayOptions(cpus=2)) == 3
    assert slots(FakeRay(({"CPU": 0.3},)), RayOptions(cpus=0.1)) == 3
    assert slots(FakeRay(nodes), RayOptions(cpus=1, gpus=1)) == 2
    assert slots(FakeRay(nodes), RayOptions(cpus=1, gpus=0.5)) == 4
    with pytest.raises(UserError, match=r"No machine of the cluster has 6 CPUs for a command; it has 5 CPUs, 2 GPUs;"):
        slots(FakeRay(nodes), RayOptions(cpus=6))
    with pytest.raises(UserError, match="6 CPUs and 1 GPUs"):
        slots(FakeRay(nodes), RayOptions(cpus=6, gpus=1))


@pytest.fixture
def place(tmp_path):
    (tmp_path / "marker").write_text("secret")
    return Place(str(tmp_path), str(tmp_path / "marker"), "secret", None, __version__, {})


def test_a_machine_that_can_run_commands_has_no_problem(place):
    assert problem_of(place) == ""


def changed(place, **changes):
    return Place(**{**vars(place), **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret": "other"}, "does not see"),
        ({"folder": "/nowhere"}, "does not see"),
        ({"marker": "/nowhere/marker"}, "No such file"),
        ({"version": "0.0.1"}, f"has recbole_dtlns {__version__}, the command was started with 0.0.1"),
        ({"variables": {"PYTHONPATH": "broken"}}, "cannot import recbole_dtlns"),
    ],
)
def test_what_keeps_a_machine_from_running_commands(place, tmp_path, monkeypatch, changes, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken/recbole_dtlns").mkdir(parents=True)
    (tmp_path / "broken/recbole_dtlns/__init__.py").write_text("raise ImportError('no recbole')")
    problem = problem_of(changed(place, **changes))
    assert message in problem
    assert socket.gethostname() in problem


def test_every_machine_is_looked_at(place, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_LOOK_SECONDS", 20)
    with pytest.raises(UserError, match=r"has recbole_dtlns"):
        check_machines(FakeRay(), RayOptions(), changed(place, version="0.0.1"))
    with pytest.raises(UserError, match=r"The machines 10.0.0.1 and 10.0.0.2 are both called"):
        check_machines(FakeRay(({"CPU": 1}, {"CPU": 1})), RayOptions(), place)
    check_machines(FakeRay(({"CPU": 1}, {})), RayOptions(), place)  # the second one has room for no command


def test_a_machine_that_does_not_answer_is_named(place, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_LOOK_SECONDS", 0)
    with pytest.raises(UserError, match=r"The machine 10.0.0.1 of the cluster does not answer"):
        check_machines(FakeRay(), RayOptions(), place)
