"""Where the files that come with the package are."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).resolve().parents[1] / "properties"
# An installed wheel carries properties/ inside the package; in a checkout it lies at the top.
PROPERTIES = _PACKAGED if _PACKAGED.is_dir() else _PACKAGED.parent.parent / "properties"
