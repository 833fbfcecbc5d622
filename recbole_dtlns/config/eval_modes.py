"""What the metrics of a run are of: `eval_args.mode` in words, and a warning where items are sampled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DRAWN = {"uni": "drawn uniformly", "pop": "drawn by popularity"}


def ranking_text(eval_args: Any) -> str:
    """`full ranking of all items`, or what else valid and test are measured by; empty where nothing says it.

    Args:
        eval_args: of a run's configuration, with a mode for valid and for test, or one for both.
    """
    modes = _modes(eval_args)
    texts = {part: _in_words(mode) for part, mode in modes.items()}
    if len(set(texts.values())) <= 1:
        return next(iter(texts.values()), "")
    return "; ".join(f"{part}: {text}" for part, text in texts.items())


def sampled_warning(eval_args: Any) -> str | None:
    """A sentence on what sampled metrics are not worth; None where all items are ranked, or none."""
    modes = _modes(eval_args)
    sampled = {part: mode for part, mode in modes.items() if mode[:3] in _DRAWN}
    if not sampled:
        return None
    alike = len(set(modes.values())) == 1
    named = [f"eval_args.mode={next(iter(sampled.values()))}"] if alike else []
    named = named or [f"eval_args.mode.{part}={mode}" for part, mode in sampled.items()]
    return (
        f"{' and '.join(named)}: held-out items are ranked among sampled ones alone, and such metrics do not compare "
        "with those of a full ranking and may order models otherwise (Krichene and Rendle, KDD 2020)."
    )


def sampled_name(eval_args: Any) -> str:
    """`sampled ranking (uni20)`, to stand beside numbers; empty where test, or all there is, has no sampled items."""
    modes = _modes(eval_args)
    mode = modes.get("test", "")
    return f"sampled ranking ({mode})" if mode[:3] in _DRAWN else ""


def _modes(eval_args: Any) -> dict[str, str]:
    mode = eval_args.get("mode") if isinstance(eval_args, Mapping) else None
    if isinstance(mode, Mapping):
        return {part: str(mode[part]) for part in ("valid", "test") if part in mode}
    return {} if mode is None else {"valid": str(mode), "test": str(mode)}


def _in_words(mode: str) -> str:
    if mode == "full":
        return "full ranking of all items"
    if mode[:3] in _DRAWN:
        return f"sampled ranking, {mode[3:]} items {_DRAWN[mode[:3]]} for each held-out one ({mode})"
    return f"no ranking, held-out interactions are scored one by one ({mode})"
