"""Cells of the CSV files that we write: what people open in a spreadsheet must be no formula there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recbole_dtlns.files.text_lines import reads_as_number

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_text(cell: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with `'` in front; numbers, and text of numbers, stay."""
    if not isinstance(cell, str) or not cell.startswith(_FORMULA) or reads_as_number(cell):
        return cell
    return f"'{cell}"


def text_row(cells: Iterable[Any]) -> list[Any]:
    """`as_text` of every cell."""
    return [as_text(cell) for cell in cells]
