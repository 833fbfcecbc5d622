"""Lines of text files: one rule for line ends in every reader.

LF (Unix), CR LF (Windows) and a CR alone (old Macs, some spreadsheets) end a line. Nothing else does, so tokens may
hold rare separators such as U+2028. pandas, and so RecBole, has the same rule.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from recbole_dtlns.errors import UserError

BLOCK_BYTES = 1 << 24
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_ARCHIVES = {
    b"\x1f\x8b": "compressed (gzip). Unpack it, for example with gunzip.",
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx). Unpack it, or save the table as CSV in UTF-8.",
    b"BZh": "compressed (bzip2). Unpack it, for example with bunzip2.",
    b"\xfd7zXZ\x00": "compressed (xz). Unpack it, for example with unxz.",
}


def unix_lines(data: bytes) -> bytes:
    """The same lines, each ended by one LF. O(bytes)."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def quote_line(path: Path, number: int, line: str) -> str:
    """Name a line for a message: its file, number (from 1) and content, cut after 80 characters."""
    return f"{path}, line {number}: {line[:80]!r}{'...' if len(line) > 80 else ''}"


def no_text(path: Path, piece: bytes, position: int, first_line: int, cure: str) -> UserError:
    """The error for a byte that is no UTF-8 text; its line is quoted unless it is binary.

    Args:
        path: the file.
        piece: lines of it.
        position: of the byte in them.
        first_line: number of the first of them, from 1.
        cure: how to save the file; archives have their own.
    """
    kind = next((about for start, about in _ARCHIVES.items() if piece.startswith(start)), None)
    if first_line == 1 and kind is not None:
        return UserError(f"{path} is {kind}")
    if first_line == 1 and piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return UserError(f"{path} is text in UTF-16. {cure}")
    row = piece.count(b"\n", 0, position)
    line = piece.split(b"\n")[row]
    shown = line.decode(errors="replace")
    if _CONTROL.search(line) and "\ufffd" in shown:
        return UserError(f"{path}, line {first_line + row} holds bytes that are no UTF-8 text. {cure}")
    return UserError(f"{quote_line(path, first_line + row, shown)} is no UTF-8 text. {cure}")


def read_blocks(path: Path, block_bytes: int = BLOCK_BYTES, encoding: str = "utf-8") -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, whole lines ended by LF) of a file, without its byte-order mark.

    The last line is ended too. UTF-8 is not checked; what has another `encoding` is yielded as UTF-8. Memory: a block
    and the longest line. O(bytes).

    Raises:
        UserError: the file is missing, a folder, unreadable, or not in the other encoding.
    """
    number, rest, start = 1, b"", True
    try:
        with path.open("rb") as file:
            for read in _utf8(file, path, block_bytes, encoding):
                rest += read
                if start and len(rest) >= len(codecs.BOM_UTF8):
                    rest, start = rest.removeprefix(codecs.BOM_UTF8), False
                if rest[-1:] == b"\r":  # its LF may be the next byte
                    continue
                lines = unix_lines(rest)
                end = lines.rfind(b"\n") + 1
                piece, rest = lines[:end], lines[end:]
                if piece:
                    yield number, piece
                    number += piece.count(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Give the path of a text file.") from error
    rest = unix_lines(rest.removeprefix(codecs.BOM_UTF8) if start else rest)
    if rest:
        yield number, rest if rest[-1:] == b"\n" else rest + b"\n"


def _utf8(file: BinaryIO, path: Path, block_bytes: int, encoding: str) -> Iterator[bytes]:
    pieces = iter(lambda: file.read(block_bytes), b"")
    if codecs.lookup(encoding).name in {"utf-8", "utf-8-sig", "ascii"}:
        yield from pieces
        return
    try:
        yield from (piece.encode() for piece in codecs.iterdecode(pieces, encoding))
    except UnicodeError as error:
        raise UserError(f"{path} is not in the encoding {encoding} ({error}). Set the key encoding.") from error


def reads_as_number(field: str | bytes) -> bool:
    """Whether a field of a text file is written as a number, `nan` and `inf` among them."""
    try:
        float(field)
    except ValueError:
        return False
    return True
