"""What a saved state may hold, and what a file is that is none."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.plain_values import SavedConfig, to_plain
from recbole_dtlns.files.saved_state import read_state, trusting, write_state


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array(["2026-01-01"], dtype="datetime64[D]"), r"the state holds an array of datetime64\[D\]"),
        ({(1, 2): 3}, r"the state has the key \(1, 2\)"),
        (object(), "the state holds a object"),
    ],
)
def test_what_is_no_plain_value_is_refused(value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        to_plain(value)
    assert isinstance(to_plain(object(), lenient=True), str)


def test_numbers_paths_and_keys_of_numpy_become_those_of_python() -> None:
    plain = to_plain({np.int64(3): np.float32(0.5), "file": PurePosixPath("a/b")})
    assert (plain, type(next(iter(plain)))) == ({3: 0.5, "file": "a/b"}, int)


def test_a_key_that_a_saved_configuration_lacks_is_none() -> None:
    saved = SavedConfig({"epochs": 3})
    assert (saved["epochs"], saved["nothing"], saved.final_config_dict) == (3, None, {"epochs": 3})


def test_files_that_are_no_saved_state_are_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "state.pth"
    with pytest.raises(UserError, match=r"state.pth is no file.*Restore it\.$"):
        read_state(file)
    file.write_bytes(b"no archive at all")
    with pytest.raises(UserError, match="has no checksum"):
        read_state(file)
    for trust in (False, True):
        with (
            pytest.raises(UserError, match=r"^\S+state.pth (cannot be read|holds Python objects)[^\n]*$"),
            trusting(trust),
        ):
            read_state(file, ours=False)


def test_a_state_comes_back_and_one_changed_byte_is_told(tmp_path: Path) -> None:
    file = tmp_path / "state.pth"
    write_state(file, {"weights": torch.arange(3.0), "epoch": 2})
    state = read_state(file)
    assert (state["weights"].tolist(), state["epoch"]) == ([0, 1, 2], 2)
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    with pytest.raises(UserError, match="is damaged"):
        read_state(file)
