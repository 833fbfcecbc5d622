"""The report of a comparison or of one run."""

from __future__ import annotations

from pathlib import Path

from recbole_dtlns.commands.arguments import flags, folder_argument, refuse_unknown
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.partial import clear_partials

_KNOWN = {"ours", "metric", "out"}


def main(arguments: list[str]) -> int:
    """Run `report RUN_DIR [--ours=dtl_ns@rule] [--metric=ndcg@20] [--out=FOLDER]`.

    Plugins that the folder's own files name are never loaded.
    """
    from recbole_dtlns.comparison.report import PARTS, write_report
    from recbole_dtlns.comparison.run.records import read_comparison

    folder = folder_argument(arguments, "report")
    options = flags(arguments)
    refuse_unknown("report", options, _KNOWN)
    target = Path(options.get("out", folder))
    if target.exists() and not target.is_dir():
        raise UserError(f"--out={target} is a file. Name a folder; it is made where it is missing.")
    clear_partials(target, target / PARTS)
    written = write_report(read_comparison(folder), target, options.get("ours"), options.get("metric"))
    print(f"Wrote {written}, and tables and figures in {target / PARTS}.")
    return 0
