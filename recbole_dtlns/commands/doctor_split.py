"""The split that a run would begin with, made for `doctor`: what RecBole refuses there, and what it leaves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recbole_dtlns.errors import UserError

_LOGGERS = ("recbole_dtlns.data.atomic_check", "recbole_dtlns.data.build")


class _Once(logging.Filter):
    """Lets a message through once, and adds it to those that have been said."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is new."""
        message = record.getMessage()
        new = message not in self._said
        if new:
            self._said.append(message)
        return new


@contextmanager
def said_once(said: list[str]) -> Iterator[None]:
    """Within it a warning about a file comes once, though the file is read twice; those in `said` do not come again."""
    once, loggers = _Once(said), [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(once)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(once)


def split_problems(config: Any) -> list[str]:
    """What keeps RecBole from splitting files that are here: filters that leave nothing, a part without interactions.

    Text files have been read as they are split already.
    """
    from recbole_dtlns.data.build import build_split
    from recbole_dtlns.files.run_folder import cache_folder

    if config.location.kind not in {"atomic", "bundled"}:
        return []
    try:
        build_split(config, cache_folder(config.settings.cache_dir, config.dataset))
    except UserError as error:
        return [str(error)]
    return []
