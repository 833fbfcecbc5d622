"""What the console says when a run has ended: metrics, seconds, files, and what comes next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from recbole_dtlns.config.eval_modes import sampled_name
from recbole_dtlns.config.permissions import permissions_for
from recbole_dtlns.files.result_schema import Result

_OUTPUTS = (
    *("result.json", "config.yaml", "run.log", "epochs.csv", "hardness.csv", "per_user.npz"),
    *("inferred_positives.tsv", "inferred_examples.json", "checkpoint.pth", "tensorboard"),
)
_STAGES = ("trees", "candidates", "judging", "training", "evaluation")
Metrics = Mapping[str, float]


def closing_text(run_dir: Path, result: Result, recommends: bool) -> str:
    """A table of metrics and three sentences.

    Args:
        run_dir: folder of the run, with its files written.
        result: the content of `result.json`.
        recommends: whether `recommend` can read the run.
    """
    table = metric_table(result["best_valid_result"] or {}, result["test_result"] or {})
    names = ", ".join(name for name in _OUTPUTS if (run_dir / name).exists())
    name = sampled_name(result["config"].get("eval_args"))
    sampled = f", {name}" if name else ""
    folder = shlex.quote(str(run_dir))
    recommend = shlex.join(
        ["recbole-dtlns", "recommend", str(run_dir), "--topk=20", *permissions_for(result["config"])]
    )
    lists = f"{recommend} (lists by token), or " if recommends else ""
    lines = [
        f"{result['model']} on {result['dataset']}{sampled}" + _epoch(result["best_epoch"]),
        *([table] if table else []),
        seconds_text(result["seconds"], result["cached"]),
        f"Wrote to {run_dir}: {names}.",
        f"Next: {lists}recbole-dtlns report {folder} (a page with tables and figures).",
    ]
    return "\n".join(lines)


def metric_table(valid: Metrics, test: Metrics) -> str:
    """A row a metric, with valid and test at each cutoff; columns without any value are left out."""
    parts = [(name, values) for name, values in (("valid", valid), ("test", test)) if values]
    keys = list(dict.fromkeys(key for _, values in parts for key in values))
    rows = list(dict.fromkeys(key.partition("@")[0] for key in keys))
    cutoffs = list(dict.fromkeys(key.partition("@")[2] for key in keys))
    columns = [(name, values, cutoff) for cutoff in cutoffs for name, values in parts]
    body = [[row, *(values.get(f"{row}@{cutoff}" if cutoff else row) for _, values, cutoff in columns)] for row in rows]
    heads = ["", *(f"{name} @{cutoff}" if cutoff else name for name, _, cutoff in columns)]
    return tabulate(body, heads, floatfmt=".4f", missingval="–") if rows else ""


def seconds_text(seconds: Mapping[str, Any], cached: list[str]) -> str:
    """`Seconds: trees 4.1, training 6.7 (sampling 1.2 of them), evaluation 1.0.`, without stages that did not run."""
    parts = []
    for stage in _STAGES:
        spent = seconds.get(stage)
        if spent is not None:
            sampling = seconds.get("sampling") if stage == "training" else None
            beside = f" (sampling {sampling:.1f} of them)" if sampling is not None else ""
            parts.append(f"{stage} {spent:.1f}{beside}")
    from_cache = f"; from the cache: {', '.join(cached)}" if cached else ""
    return f"Seconds: {', '.join(parts)}{from_cache}."


def _epoch(best_epoch: int | None) -> str:
    return ":" if best_epoch is None else f", best epoch {best_epoch}:"
