"""The offline stage alone."""

from __future__ import annotations

from recbole_dtlns.commands.arguments import config_files, flags


def main(arguments: list[str]) -> int:
    """Run `identify --dataset=NAME [--judge=rule] [--key=value ...]`."""
    from recbole_dtlns.commands.offline import run_identification
    from recbole_dtlns.quick_start import Inputs

    given = flags(arguments, {"-d": "--dataset"})
    files = config_files(given)
    model = given.pop("model", None)
    run_identification(Inputs(model, given.pop("dataset", None), files, None, given))
    return 0
