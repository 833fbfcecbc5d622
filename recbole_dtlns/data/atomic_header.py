"""The header of a RecBole atomic file: `name:type` fields."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.text_lines import quote_line, read_blocks

TYPES = ("token", "token_seq", "float", "float_seq")
_COMMON = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar", "::": "two colons", " ": "a blank"}


@dataclass(frozen=True)
class AtomicFormat:
    """How RecBole is told to read atomic files.

    Attributes:
        separator: `field_separator`.
        seq_separator: `seq_separator`, between the values of a sequence.
        encoding: `encoding`.
    """

    separator: str = "\t"
    seq_separator: str = " "
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        for key, value in (("field_separator", self.separator), ("seq_separator", self.seq_separator)):
            if not isinstance(value, str) or not value:
                raise UserError(f"{key}={value!r}: expected a text, such as a tab.")
        if len(self.separator) > 1 and re.search(r"[\s.^$*+?{}\[\]\\|()]", self.separator):
            raise UserError(
                f"field_separator={self.separator!r}: RecBole takes a separator of several characters for a regular "
                "expression, and this one has characters that mean something there. Expected one character, such as "
                "a tab, or plain ones, such as `::`. (On the command line, write a tab as `\\t` inside quotes.)"
            )
        try:
            codecs.lookup(self.encoding)
        except (LookupError, TypeError):
            raise UserError(f"encoding={self.encoding!r} is no encoding; expected one such as utf-8.") from None


@dataclass(frozen=True)
class AtomicHeader:
    """Fields of a file in the order of its columns.

    Attributes:
        path: the file.
        line: the header as it stands.
        types: type of each field by name.
    """

    path: Path
    line: str
    types: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Names of the fields."""
        return list(self.types)

    def error(self, problem: str, cure: str) -> UserError:
        """The error for a header that is well formed but does not fit."""
        return UserError(f"{quote_line(self.path, 1, self.line)} {problem} {cure}")

    @classmethod
    def parse(cls, path: Path, line: str, form: AtomicFormat) -> AtomicHeader:
        """Read the first line of a file.

        Raises:
            UserError: a field that is no `name:type`, a name that comes twice, or an unknown type.
        """
        fields = line.split(form.separator)
        types: dict[str, str] = {}
        for field in fields:
            name, colon, kind = field.partition(":")
            if not colon or not name or '"' in field or kind not in TYPES:
                raise UserError(_malformed(path, line, field, form))
            if name in types:
                raise UserError(f"{quote_line(path, 1, line)} names the field {name} twice. Rename one of them.")
            types[name] = kind
        return cls(path, line, types)


def read_header(path: Path, form: AtomicFormat) -> AtomicHeader:
    """The header of a file; see `AtomicHeader.parse`. Raises UserError for a malformed one."""
    _, piece = next(read_blocks(path, encoding=form.encoding), (1, b""))
    return AtomicHeader.parse(path, piece.partition(b"\n")[0].decode("utf-8", errors="replace"), form)


def _malformed(path: Path, line: str, field: str, form: AtomicFormat) -> str:
    separator = _COMMON.get(form.separator, repr(form.separator))
    if re.search(r":(token|float)(_seq)?\b", line):
        other = next((key for key in _COMMON if key in line and key != form.separator and key not in ":"), None)
        cure = (
            f"The fields seem to be separated by {_COMMON[other]}: set field_separator={other!r}."
            if other is not None and form.separator not in line
            else "Correct the header."
        )
    else:
        cure = (
            "Add such a header, or make atomic files of an ordinary CSV file: `convert FILE TARGET "
            "--columns=user,item,rating,timestamp`."
        )
    return (
        f"{quote_line(path, 1, line)} is no header of an atomic file: found {field[:40]!r}; expected `name:type` "
        f"fields separated by {separator} (field_separator), such as user_id:token, with the types {', '.join(TYPES)}. "
        f"{cure}"
    )
