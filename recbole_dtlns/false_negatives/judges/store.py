"""The verdict store: every raw answer of every judge, on disk as soon as it is there."""

from __future__ import annotations

import logging
import sqlite3
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext
from recbole_dtlns.false_negatives.judges.keys import PairKeys

logger = logging.getLogger(__name__)

_VERSION = 2  # 1 had no checksums
_AT_ONCE = 10_000
_WAIT_SECONDS = 60.0
_CREATE = """CREATE TABLE IF NOT EXISTS verdicts
(key BLOB PRIMARY KEY, raw REAL NOT NULL, label_mass REAL, checksum INTEGER) WITHOUT ROWID"""


class VerdictStore:
    """A table key -> (raw, label mass, checksum) in an SQLite file; a context manager.

    Each `put` is one transaction in the write-ahead log, so it survives the death of the process, and several processes
    may use one file. Keys come from `PairKeys`: the store knows neither users nor items. A row that is not as it was
    written counts as absent and is reported.

    Args:
        path: the file; it and its folder are made where missing. Its log works for the processes of one machine alone.
        beside: another store, where answers are looked up that `path` lacks; it is read and never written, so that
            machines may share it while nobody writes to it.

    Raises:
        UserError: the file is damaged, no store of ours, or cannot be used. It is never changed or deleted then.
    """

    def __init__(self, path: str | Path, beside: str | Path | None = None) -> None:
        self.path, self._beside, self._warned = Path(path), beside, False
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> VerdictStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._explained():
            return int(self._connection.execute("SELECT count(*) FROM verdicts").fetchone()[0])

    def close(self) -> None:
        """Close the file; what was put is on disk already."""
        self._connection.close()

    def keys(self, context: JudgeContext, judge: Judge, users: np.ndarray, items: np.ndarray) -> list[bytes]:
        """Keys of pairs int64 [n]. This reads all codes; for many blocks of pairs make one `PairKeys` instead."""
        return PairKeys(context, judge).of(users, items)

    def get(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Look up n keys: (raw, label mass), float64 [n] each, NaN where there is none. O(n log rows)."""
        wanted = list(dict.fromkeys(keys))
        with self._explained():
            stored = self._read(self._connection, wanted, self.path)
        if self._beside is not None and len(stored) < len(wanted):
            stored |= self._read_beside(Path(self._beside), [key for key in wanted if key not in stored])
        nothing = (np.nan, None)
        answers = np.array([stored.get(key, nothing) for key in keys], dtype=np.float64).reshape(-1, 2)  # None -> NaN
        return answers[:, 0].copy(), answers[:, 1].copy()

    def _read_beside(self, beside: Path, wanted: list[bytes]) -> dict[bytes, tuple[float, float | None]]:
        """Answers of the other store; none where it is not there, or has just been made.

        Raises:
            UserError: it is damaged.
        """
        if not beside.is_file() or not beside.stat().st_size:
            return {}
        log = beside.with_name(f"{beside.name}-wal")
        if log.is_file() and log.stat().st_size and not self._warned:
            self._warned = True
            logger.warning(
                "The newest answers in %s are still in its log, which is of the machine that wrote it: they are not "
                "seen here. Any command that opens it there puts them in place.",
                beside,
            )
        # Immutable: without locks and without the log.
        with (
            self._explained(beside),
            closing(sqlite3.connect(f"{beside.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection,
        ):
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'verdicts'").fetchone():
                return {}  # the log has all of it
            return self._read(connection, wanted, beside)

    @staticmethod
    def _read(
        connection: sqlite3.Connection, wanted: Sequence[bytes], path: Any
    ) -> dict[bytes, tuple[float, float | None]]:
        """Intact rows by key; rows that are not as they were written are reported."""
        stored: dict[bytes, tuple[float, float | None]] = {}
        damaged = 0
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            query = f"SELECT key, raw, label_mass, checksum FROM verdicts WHERE key IN ({','.join('?' * len(part))})"
            rows = connection.execute(query, part).fetchall()
            intact = {key: (raw, mass) for key, raw, mass, checksum in rows if _checksum(key, raw, mass) == checksum}
            damaged += len(rows) - len(intact)
            stored.update(intact)
        if damaged:
            logger.warning(
                "%d answers in the verdict store %s are not as they were written; they are asked for again. Check the "
                "disk.",
                damaged,
                path,
            )
        return stored

    def take_up(self, other: VerdictStore) -> None:
        """Save the answers of another store, over those that are here. O(its rows).

        Raises:
            UserError: one of the two cannot be used.
        """
        with self._explained(), self._transaction():
            rows = other._connection.execute("SELECT key, raw, label_mass, checksum FROM verdicts")
            self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?)", rows)

    def put(self, keys: Sequence[bytes], raw: np.ndarray, mass: np.ndarray | None = None) -> None:
        """Save n answers in one transaction; an answer for a known key replaces it, NaN (no answer) is not saved.

        Args:
            keys: n keys.
            raw: float64 [n].
            mass: label mass, float64 [n], NaN or None = there is none.
        """
        masses = [None] * len(keys) if mass is None else [None if value != value else value for value in mass.tolist()]
        rows = [
            (key, score, label_mass, _checksum(key, score, label_mass))
            for key, score, label_mass in zip(keys, raw.tolist(), masses, strict=True)
            if score == score
        ]
        with self._explained(), self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?)", rows)

    def _open(self) -> None:
        # One snapshot for both: another process may be making the store between two reads.
        self._connection.execute("BEGIN")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
        self._connection.execute("COMMIT")
        if version not in (1, _VERSION) and (version or tables):
            raise UserError(
                f"{self.path} is no verdict store of this version (found {version}, expected {_VERSION}). Move it away "
                "to begin a new store there, or set another cache_dir."
            )
        self._begin_write_ahead_log()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with self._transaction():
            self._connection.execute(_CREATE)
            if self._connection.execute("PRAGMA user_version").fetchone()[0] == 1:
                self._add_checksums()
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _add_checksums(self) -> None:
        """Bring a store of version 1 up to date; its rows are taken as they stand."""
        self._connection.execute("ALTER TABLE verdicts ADD COLUMN checksum INTEGER")
        self._connection.create_function("checksum_of", 3, _checksum, deterministic=True)
        self._connection.execute("UPDATE verdicts SET checksum = checksum_of(key, raw, label_mass)")

    def _begin_write_ahead_log(self) -> None:
        """SQLite does not wait here while another process does the same, so we do."""
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self, path: Path | None = None) -> Iterator[None]:
        path = path or self.path
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise UserError(
                f"The verdict store {path} cannot be used: {error}. Check that its folder can be written, that "
                "the disk has room and that no other program holds it, or set another cache_dir."
            ) from error
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"The verdict store {path} is damaged: {error}. Move it away (and its -wal and -shm files) to "
                "begin a new store; nothing has been deleted."
            ) from error


def open_store(cache_dir: Path, own: str | None = None) -> VerdictStore:
    """The verdicts of a data set, in its cache; with `own` in that file, and those in the cache are only looked up."""
    shared = cache_dir / "verdicts.sqlite"
    return VerdictStore(shared) if own is None else VerdictStore(own, shared)


def _checksum(key: Any, raw: Any, mass: Any) -> int | None:
    """CRC-32 of a row; None where a value has not even the type that was written."""
    if not (isinstance(key, bytes) and isinstance(raw, float) and (mass is None or isinstance(mass, float))):
        return None
    return zlib.crc32(key + struct.pack("<dd", raw + 0.0, float("nan") if mass is None else mass + 0.0))
