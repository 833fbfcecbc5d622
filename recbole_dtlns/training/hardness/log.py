"""Hardness as a user sees it: `hardness.csv` and a line in the log."""

from __future__ import annotations

from collections.abc import Mapping

HARDNESS = "hardness.csv"
_NAMES = {"score_gap": "score gap", "hardest_share": "hardest chosen", "similarity_co": "similarity co"}
_NAMES |= {"similarity_se": "similarity se", "valid_share": "valid positives", "valid_chance": "by chance"}


def line(epoch: int, means: Mapping[str, float | None], kept: float | None) -> str:
    """The line of an epoch; `kept` is the share of candidates above `tree_exclude` that nothing could replace."""
    parts = [f"{_NAMES[name]}: {value:.4g}" for name, value in means.items() if value is not None]
    if kept is not None:
        parts.append(f"kept above tree_exclude: {kept:.4g}")
    return f"epoch {epoch} hardness [{', '.join(parts)}]"
