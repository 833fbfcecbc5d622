"""Named arrays in one npz file, which holds numbers and text alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np


def save_arrays(file: Path | IO[bytes], arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Write the arrays under their names.

    numpy's own `allow_pickle=False` is no argument before numpy 2.2: there it would be an array of that name.

    Raises:
        ValueError: an array of Python objects, which would be pickled.
    """
    objects = [name for name, array in arrays.items() if np.asarray(array).dtype.hasobject]
    if objects:
        raise ValueError(f"The array {objects[0]} holds Python objects; expected numbers or text.")
    save: Any = np.savez_compressed if compressed else np.savez
    save(file, **arrays)
