"""Processes of a run that begin at once."""

import functools

import pytest
import torch._dynamo
import torch.utils.tensorboard  # noqa: F401  # a run imports both, which each process would do by itself

from recbole_dtlns.processes import launch


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are copies of this one: no imports to wait for, and what a test replaces is replaced."""
    start = functools.partial(launch.mp.start_processes, start_method="fork")
    monkeypatch.setattr(launch.mp, "spawn", start)
