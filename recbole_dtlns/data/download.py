"""RecBole's download, with one clear message where it fails and nothing half-made left behind."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from recbole_dtlns.config.locate import DataLocation, how_to_supply
from recbole_dtlns.errors import UserError

SECONDS_WITHOUT_ANSWER = 30.0  # RecBole sets no limit: behind a silent firewall it would wait for minutes


@contextlib.contextmanager
def clear_download_errors(location: DataLocation) -> Iterator[None]:
    """Guard the block in which RecBole may download the data set, such as `create_dataset`.

    A failure inside `Dataset._download` removes what was fetched so far and becomes one message. Every other error
    of the block, and every block whose location is on disk already, passes unchanged.

    Raises:
        UserError: no network, a broken answer or archive, or no consent to a download above 1 GB.
        KeyboardInterrupt: the user stopped the download (RecBole turns this into a RuntimeError).
    """
    if location.kind != "download" or location.folder.exists():
        yield
        return
    above = _absent_parents(location.folder)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_WITHOUT_ANSWER if before is None else before)
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if not _passed(error, "_download"):
            raise
        _remove(location.folder, above)
        if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise UserError(_message(location, error)) from error
    finally:
        socket.setdefaulttimeout(before)


def _message(location: DataLocation, error: BaseException) -> str:
    if _passed(error, "decide_download") and _is_unanswered(error):
        reason = (
            "it is larger than 1 GB, RecBole asks for consent, and nobody can answer here. Start it once in a "
            "terminal, or pipe the answer (`echo y | COMMAND`)"
        )
    elif isinstance(error, SystemExit):
        reason = "it is larger than 1 GB and was declined"
    else:
        cause = error.__context__ if str(error).startswith("Stopped downloading") and error.__context__ else error
        reason = f"{type(cause).__name__}: {cause}. Check the network and try again"
    return (
        f"The data set {location.name} is not at {location.folder} and could not be downloaded: {reason}. "
        f"{how_to_supply(location.name)}"
    )


def _is_unanswered(error: BaseException) -> bool:
    """Whether `input()` found nobody: an end of file, or no standard input at all."""
    return isinstance(error, EOFError) or (isinstance(error, RuntimeError) and "stdin" in str(error))


def _passed(error: BaseException, function: str) -> bool:
    """Whether the error was raised inside a function of this name."""
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_name == function:
            return True
        step = step.tb_next
    return False


def _absent_parents(folder: Path) -> list[Path]:
    """Folders above that do not exist, the nearest first."""
    return [path for path in folder.parents if not path.exists()]


def _remove(folder: Path, above: list[Path]) -> None:
    """Remove the folder with its content, and the folders above it that were made for it and are empty."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in above:
        with contextlib.suppress(OSError):
            path.rmdir()
