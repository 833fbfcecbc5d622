"""The offline stage alone."""

from __future__ import annotations

from recbole_dtlns.commands.arguments import config_files, flags, taken
from recbole_dtlns.commands.engine_flags import taken_engine
from recbole_dtlns.config.parsers import or_none, whole


def main(arguments: list[str]) -> int:
    """Run `identify --dataset=NAME [--judge=rule] [--engine=ray [--jobs=N]] [--key=value ...]`."""
    from recbole_dtlns.commands.identify_parts import Spread
    from recbole_dtlns.commands.offline import run_identification
    from recbole_dtlns.quick_start import Inputs

    given = flags(arguments, {"-d": "--dataset"})
    on_ray, spread = taken_engine(given), None
    if on_ray is not None:
        jobs = taken(given, "jobs", or_none(whole(1)), "")
        spread = Spread({**given}, on_ray, jobs)
    files = config_files(given)
    model = given.pop("model", None)
    run_identification(Inputs(model, given.pop("dataset", None), files, None, given), spread)
    return 0
