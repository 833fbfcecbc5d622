"""What RecBole raises, and where it ends the program, becomes one sentence that says what to do."""

import pytest

from recbole_dtlns.config.stock_faults import building, raised_by_us, running
from recbole_dtlns.errors import UserError

CONFIG = {"model": "GRU4RecCPR", "learning_rate": 0.3}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(0), r"GRU4RecCPR ended the program without a result \(exit status 0\)"),
        (MemoryError("17 GiB"), r"wants more memory than there is \(17 GiB\)"),
        (
            RuntimeError("CUDA out of memory.\n  Tried to"),
            r"more memory than there is \(CUDA out of memory. Tried to\)",
        ),
        (ValueError("Training loss is nan"), r"loss of GRU4RecCPR became NaN: .*learning_rate \(here 0.3\)"),
        (NotImplementedError("no such loss"), "GRU4RecCPR.*no such loss"),
    ],
)
def test_what_ends_training_is_told(error: BaseException, message: str) -> None:
    with pytest.raises(UserError, match=message), running(CONFIG):
        raise error


@pytest.mark.parametrize("error", [ValueError("of another kind"), RuntimeError("of another kind"), OSError("disk")])
def test_other_errors_of_training_stay_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), running(CONFIG):
        raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No module named 'dgl'", name="dgl"), "GRU4RecCPR needs the package dgl"),
        (ImportError("libgomp cannot be loaded"), "needs the package libgomp cannot be loaded"),
        (RuntimeError("mat1 and mat2 cannot be multiplied"), "GRU4RecCPR.*mat1 and mat2"),
        (KeyError("hidden_size"), "GRU4RecCPR.*hidden_size"),
    ],
)
def test_a_model_that_cannot_be_built_is_named(error: Exception, message: str) -> None:
    with pytest.raises(UserError, match=message), building(CONFIG):
        raise error


def test_an_unreadable_file_stays_an_error_of_the_disk() -> None:
    with pytest.raises(OSError, match="no space"), building(CONFIG):
        raise OSError("no space")


def test_an_error_that_comes_from_code_of_ours_is_a_fault_of_ours() -> None:
    from recbole_dtlns.comparison.statistics.multiple import holm

    with pytest.raises(ValueError, match="between 0 and 1") as ours:
        holm([2.0])
    with pytest.raises(ValueError, match="invalid literal") as theirs:
        int("x")
    assert raised_by_us(ours.value)
    assert not raised_by_us(theirs.value)
