"""Lists for users from a trained run."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TextIO

from recbole.utils import ModelType

from recbole_dtlns.commands.arguments import flags, folder_argument
from recbole_dtlns.errors import UserError

_KNOWN = {"topk", "users", "output"}


def main(arguments: list[str]) -> int:
    """Run `recommend RUN_DIR --topk=20 [--users=a,b] [--output=FILE]`; a TSV with a header line."""
    folder = folder_argument(arguments, "recommend")
    options = flags(arguments)
    if set(options) - _KNOWN:
        raise UserError(f"recommend takes --{', --'.join(sorted(_KNOWN))}; found {', '.join(set(options) - _KNOWN)}.")
    topk = options.get("topk", "20")
    if not topk.isdigit():
        raise UserError(f"--topk={topk}: expected a whole number from 1.")
    users = options["users"].split(",") if "users" in options else None
    _write(folder, int(topk), users, options.get("output"))
    return 0


def _write(folder: Path, topk: int, users: list[str] | None, output: str | None) -> None:
    from recbole_dtlns.evaluation.loading import load_run
    from recbole_dtlns.evaluation.recommend import recommend, seen_pairs
    from recbole_dtlns.files.run_folder import start_log

    start_log(None, "WARNING")
    run = load_run(folder)
    if run.config["MODEL_TYPE"] not in {ModelType.GENERAL, ModelType.TRADITIONAL}:
        raise UserError(
            f"recommend lists items for general recommenders; {run.config['model']} wants more than a user."
        )
    # Inferred positives are recommendable: only what the user really has is left out.
    seen = seen_pairs([run.split.real_train, run.split.valid])
    with _target(output) as target:
        target.write("user\titem\trank\tscore\n")
        for user, item, rank, score in recommend(run.prepared.model, seen, run.split.dataset, topk, users):
            target.write(f"{user}\t{item}\t{rank}\t{score:.6g}\n")


def _target(output: str | None) -> contextlib.AbstractContextManager[TextIO]:
    if output is None:
        return contextlib.nullcontext(sys.stdout)
    try:
        return open(output, "w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output={output} cannot be written: {error}") from error
