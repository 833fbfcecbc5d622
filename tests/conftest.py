"""Small data for every test, text files that the tests write, and a tiny language model."""

from pathlib import Path

import pytest
import torch
from tiny_llama import save_tiny_llama
from toy import toy_split, write_pairs

torch.set_num_threads(1)


@pytest.fixture
def toy_data(tmp_path: Path) -> Path:
    """The folder DATA with a data set `toy` in text files."""
    write_pairs(tmp_path / "data" / "toy", toy_split())
    return tmp_path / "data"


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory) -> Path:
    """The folder of a tiny Llama; do not change it."""
    return save_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")
