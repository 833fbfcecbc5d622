"""An npz file holds the arrays that it was given, and nothing else, under every numpy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_dtlns.files.arrays import save_arrays


def test_what_is_saved_is_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    stock = np.savez
    monkeypatch.setattr(np, "savez", lambda file, **arrays: (given.append(arrays), stock(file, **arrays)))
    save_arrays(tmp_path / "a.npz", {"users": np.array(["u1"]), "values": np.arange(3)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["users", "values"]
        assert arrays["values"].tolist() == [0, 1, 2]
    assert [sorted(arrays) for arrays in given] == [["users", "values"]]  # numpy 2.0 would store allow_pickle too


@pytest.mark.parametrize("compressed", [True, False])
def test_objects_are_refused(tmp_path: Path, compressed: bool) -> None:
    with pytest.raises(ValueError, match="The array b holds Python objects"):
        save_arrays(tmp_path / "a.npz", {"a": np.arange(2), "b": np.array([{}])}, compressed)
    assert not (tmp_path / "a.npz").exists()
