"""Lists for users from a trained run."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from recbole_dtlns.commands.arguments import flags, folder_argument, refuse_unknown
from recbole_dtlns.commands.saved_run import LOADING, load_allowed
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import naming, write_atomically
from recbole_dtlns.files.partial import clear_partials

_HEADER = "user\titem\trank\tscore\n"
_EXAMPLE = """--users='"Smith, X",bob'"""
_KNOWN = {"topk", "users", "output", *LOADING}


def main(arguments: list[str]) -> int:
    """Run `recommend RUN_DIR --topk=20 [--users=a,b] [--output=FILE]`; a TSV with a header line.

    A token with a comma in it stands in quotation marks. A file is written aside and takes its name when it is whole.
    Plugins that the run names are loaded only with `--plugins` or `--allow_plugins`.
    """
    folder = folder_argument(arguments, "recommend")
    options = flags(arguments)
    refuse_unknown("recommend", options, _KNOWN)
    topk = options.get("topk", "20")
    if not (topk.isascii() and topk.isdigit() and 0 < len(topk) < 10):
        raise UserError(f"--topk={topk}: expected a whole number from 1.")
    users = _users(options["users"]) if "users" in options else None
    target = _target(options.get("output"))
    lines = _lines(folder, int(topk), users, options)
    if target is None:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    elif target.is_file() or not target.exists():
        clear_partials(target.parent)
        write_atomically(target, (line.encode() for line in lines))
        print(f"Wrote {target}.")
    else:  # a device or a pipe has no place for a file aside
        with naming(target), target.open("w", encoding="utf-8") as pipe:
            pipe.writelines(lines)
    return 0


def _users(given: str) -> list[str]:
    """Tokens with commas between them; one in quotation marks may hold a comma, as in a CSV file.

    Raises:
        UserError: an empty token, or a quotation mark that does not close.
    """
    try:
        users = next(csv.reader([given], strict=True), []) or [""]
    except csv.Error:
        users = [""]
    if not all(users):
        raise UserError(
            f"--users={given}: expected tokens of users with commas between them; a token with a comma in it stands in "
            f"quotation marks, such as {_EXAMPLE}."
        )
    return users


def _lines(folder: Path, topk: int, users: list[str] | None, options: Mapping[str, str]) -> Iterator[str]:
    from recbole_dtlns.config.model_kinds import is_recommendable
    from recbole_dtlns.evaluation.recommend import recommend, seen_pairs
    from recbole_dtlns.files.run_log import start_log

    start_log(None, "WARNING")
    run = load_allowed(folder, options)
    if not is_recommendable(run.config):
        raise UserError(
            f"recommend lists items for general recommenders; {run.config['model']} wants more than a user."
        )
    # Inferred positives are recommendable: only what the user really has is left out.
    seen = seen_pairs([run.split.real_train, run.split.valid])
    rows = recommend(run.prepared.model, seen, run.split.dataset, topk, users)
    first = next(rows, None)  # all that can be wrong with the input is found here
    yield _HEADER
    for user, item, rank, score in rows if first is None else itertools.chain([first], rows):
        yield f"{user}\t{item}\t{rank}\t{score:.6g}\n"


def _target(output: str | None) -> Path | None:
    """The file to write, with links followed; None: standard output.

    Raises:
        UserError: it is a folder, its folder is not there, or it is a file that holds something else than lists.
    """
    if output is None:
        return None
    path = Path(output).resolve()
    if path.is_dir():
        raise UserError(f"--output={output} is a folder. Give the name of a file in it.")
    if not path.parent.is_dir():
        raise UserError(f"--output={output} cannot be written: there is no folder {path.parent}. Make it first.")
    if path.is_file() and path.stat().st_size:  # a run's own files, or data
        with path.open("rb") as file:
            if not file.readline().startswith(_HEADER.encode()):
                raise UserError(
                    f"--output={output} is there already and holds no lists of recommend, which begin with "
                    f"{_HEADER.split()}. Choose another name, or delete the file."
                )
    return path
