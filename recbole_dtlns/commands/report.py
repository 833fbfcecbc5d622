"""The report of a comparison or of one run."""

from __future__ import annotations

from pathlib import Path

from recbole_dtlns.commands.arguments import flags, folder_argument
from recbole_dtlns.errors import UserError

_KNOWN = {"ours", "metric", "out"}


def main(arguments: list[str]) -> int:
    """Run `report RUN_DIR [--ours=dtl_ns@rule] [--metric=ndcg@20] [--out=FOLDER]`."""
    from recbole_dtlns.comparison.report import write_report
    from recbole_dtlns.comparison.run.records import read_comparison

    folder = folder_argument(arguments, "report")
    options = flags(arguments)
    if set(options) - _KNOWN:
        unknown = ", ".join(f"--{key}" for key in sorted(set(options) - _KNOWN))
        raise UserError(f"report takes --{', --'.join(sorted(_KNOWN))}; found {unknown}.")
    target = Path(options.get("out", folder))
    if target.exists() and not target.is_dir():
        raise UserError(f"--out={target} is a file. Name a folder; it is made where it is missing.")
    written = write_report(read_comparison(folder), target, options.get("ours"), options.get("metric"))
    print(f"Wrote {written}")
    return 0
