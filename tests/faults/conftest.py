"""Faults: few of each kind by default, many with --nightly."""

import pytest


@pytest.fixture
def nightly(request: pytest.FixtureRequest) -> bool:
    """Whether the many trials of the nightly mode are asked for."""
    return bool(request.config.getoption("--nightly"))
