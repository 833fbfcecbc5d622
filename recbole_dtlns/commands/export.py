"""User and item vectors of a trained run, as files."""

from __future__ import annotations

from pathlib import Path

from recbole_dtlns.commands.arguments import flags, folder_argument, refuse_unknown
from recbole_dtlns.commands.saved_run import LOADING, load_allowed
from recbole_dtlns.errors import UserError

_FORMATS = ("npy", "parquet")
_KNOWN = {"output", "format", *LOADING}


def main(arguments: list[str]) -> int:
    """Run `export RUN_DIR --output=FOLDER [--format=npy|parquet]`."""
    folder = folder_argument(arguments, "export")
    options = flags(arguments)
    refuse_unknown("export", options, _KNOWN)
    if "output" not in options:
        raise UserError("export needs --output=FOLDER, where the files are written.")
    kind = options.get("format", "npy")
    if kind not in _FORMATS:
        raise UserError(f"--format={kind}: expected {' or '.join(_FORMATS)}.")
    from recbole_dtlns.evaluation.export import check_parquet, export_vectors
    from recbole_dtlns.files.run_log import start_log

    if kind == "parquet":
        check_parquet()
    start_log(None, "WARNING")
    for path in export_vectors(load_allowed(folder, options), Path(options["output"]), kind):
        print(f"Wrote {path}.")
    return 0
