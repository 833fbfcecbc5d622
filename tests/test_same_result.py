"""Same seed, same machine: the same `result.json` apart from times. tests/training/test_resume.py has resumed runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_parts import SMALL
from toy import toy_split, write_pairs
from without_times import without_times

from recbole_dtlns.cli import main
from recbole_dtlns.false_negatives.judges import JUDGES
from recbole_dtlns.samplers import SAMPLERS

Twice = Callable[..., None]
OWN = ["learned", *sorted(set(JUDGES) - {"llm", "server"})]  # test_judge_conformance.py has the language models
WORDS = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=2", "--cache_dir=cache", *SMALL]


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory):
    """`twice(*flags)`: two runs with these flags have the same result; all share one cache of trees."""
    home = tmp_path_factory.mktemp("twice")
    write_pairs(home / "data" / "toy", toy_split(n_users=24, n_items=30))

    def run_twice(*flags: str) -> None:
        name = "-".join(flag.partition("=")[2].replace(":", "-") for flag in flags)
        results = []
        for number in range(2):
            folder = f"{name}-{number}"
            assert main([*WORDS, *flags, f"--run_dir={folder}"]) == 0
            results.append(without_times(Path(folder)))
        assert results[0]["test_result"]
        assert results[0] == results[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        yield run_twice


@pytest.mark.parametrize("sampler", [*sorted(SAMPLERS), "recbole:uniform", "recbole:popularity"])
def test_of_every_sampler(sampler: str, twice: Twice) -> None:
    twice(f"--neg_sampler={sampler}", "--judge=rule")


@pytest.mark.parametrize("judge", OWN)
def test_of_every_judge(judge: str, twice: Twice) -> None:
    twice(f"--judge={judge}")


@pytest.mark.parametrize("sampler", ["dtl_ns", "recbole:uniform"])
def test_with_several_workers(sampler: str, twice: Twice) -> None:
    twice(f"--neg_sampler={sampler}", "--judge=rule", "--worker=2")
