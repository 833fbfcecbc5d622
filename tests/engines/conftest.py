"""Comparisons whose runs go to a cluster, with a made-up program."""

import sys

import pytest
from fake_runs import FakeProgram

from recbole_dtlns.comparison.run import execute
from recbole_dtlns.comparison.run.campaign import carry_out, write_plan
from recbole_dtlns.engines import ray_engine as engines
from recbole_dtlns.engines.ray_cluster import RayOptions


@pytest.fixture
def on_cluster(toy, monkeypatch):
    """`on_cluster(ray, plan, instead, jobs, options)` carries a plan out in the folder `compared`."""

    def carry(ray, plan, instead=None, jobs=2, options=None):
        program = FakeProgram(instead)
        monkeypatch.setattr(execute, "command", program)
        monkeypatch.setattr(engines, "_PAUSE_SECONDS", 0)
        if ray is not None:
            monkeypatch.setitem(sys.modules, "ray", ray)
            monkeypatch.delenv("RAY_ADDRESS", raising=False)
        write_plan(plan, toy / "compared")
        with engines.ray_engine(options or RayOptions(), toy / "compared") as engine:
            return carry_out(plan, toy / "compared", jobs, engine=engine), program

    return carry
