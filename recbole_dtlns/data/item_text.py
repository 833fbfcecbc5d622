"""Text of items: fields of RecBole's `.item` file, or a file of two columns."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_dtlns.data.atomic_check import Wanted, check_atomic
from recbole_dtlns.data.atomic_header import AtomicHeader, read_header
from recbole_dtlns.data.atomic_loading import atomic_format
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import PAD
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.item_lines import read_lines, refuse_duplicates
from recbole_dtlns.files.paths import user_path
from recbole_dtlns.files.text_lines import quote_line

_ENDINGS = (".tsv", ".txt", ".csv")
_TWO_COLUMNS = "`item<TAB>text` lines"


@dataclass(frozen=True)
class ItemText:
    """What is written about items, as it stands in a file.

    Attributes:
        path: the file.
        tokens: tokens of the items, str [n + 1]; index 0 is padding.
        texts: their texts, object [n + 1]; "" = none, as for padding.
    """

    path: Path
    tokens: np.ndarray
    texts: np.ndarray

    def of(self, tokens: np.ndarray) -> np.ndarray:
        """Texts of items str [m], object [m]; "" for an item without one. O((n + m) log n)."""
        return np.asarray(self.texts[positions(self.tokens, tokens)], dtype=object)


def check_item_text(config: Any) -> None:
    """Find out before any work whether `item_text` names text that is there.

    Raises:
        UserError: no such file or field. A data set that is still to be fetched is checked when it is read.
    """
    path, fields = _source(config)
    if path is None or (config.location.kind == "download" and not config.location.folder.exists()):
        return
    if fields:
        _header(config, path, fields)
    elif not path.is_file():
        raise UserError(f"item_text: there is no file {path}. Give a file of {_TWO_COLUMNS}, or fields of .item.")


def read_item_text(config: Any) -> ItemText | None:
    """The text that `item_text` names; None where it names none.

    Several fields are joined by commas. Values of a sequence are separated by blanks.

    Raises:
        UserError: no such file or field, a malformed line, or an item twice.
    """
    path, fields = _source(config)
    if path is None:
        return None
    tokens, texts, numbers = _read_fields(config, path, fields) if fields else _read_columns(path)
    refuse_duplicates(path, tokens, numbers)
    padded = np.array(["", *texts], dtype=object)
    return ItemText(path, np.concatenate([[PAD], tokens]), padded)


def _source(config: Any) -> tuple[Path | None, list[str]]:
    """The file, and the fields of it that are read; no fields = a file of two columns; (None, []) = no text."""
    named = config.settings.item_text
    if named is None:
        return None, []
    path = user_path(named)
    if path.is_file() or path.suffix in _ENDINGS or "/" in named:
        return path, []
    fields = [name.strip() for name in named.split(",") if name.strip()]
    if not fields:
        raise UserError(f"item_text={named} names nothing. Give fields of .item, or a file of {_TWO_COLUMNS}.")
    return config.location.folder / f"{config.location.name}.item", fields


def _header(config: Any, path: Path, fields: list[str]) -> AtomicHeader:
    if not path.is_file():
        raise UserError(
            f"item_text={','.join(fields)} names fields of {path}, and there is no such file. Add it, or give the path "
            f"of a file of {_TWO_COLUMNS}."
        )
    header = read_header(path, atomic_format(config))
    for name in (config["ITEM_ID_FIELD"], *fields):
        if name not in header.types:
            raise header.error(f"has no field {name}.", f"item_text may name {', '.join(header.names)}.")
    return header


def _read_fields(config: Any, path: Path, fields: list[str]) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Tokens str [n], texts, and line numbers int64 [n] of a `.item` file."""
    names, form = _header(config, path, fields).names, atomic_format(config)
    token = config["ITEM_ID_FIELD"]
    check_atomic(path, form, Wanted({token, *fields}, {token}))  # every line has the header's fields
    try:
        frame = pd.read_csv(
            path,
            sep=form.separator,
            encoding=form.encoding,
            names=names,
            skiprows=1,
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            engine="c" if len(form.separator) == 1 else "python",
        ).fillna("")
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"item_text: {path} cannot be read ({error}). Each line needs a value a field.") from error
    columns = [frame[name].str.replace(form.seq_separator, " ", regex=False).str.strip() for name in fields]
    texts = [", ".join(filter(None, parts)) for parts in zip(*columns, strict=True)]
    return frame[token].to_numpy(dtype=str), texts, np.arange(2, len(frame) + 2)


def _read_columns(path: Path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Tokens str [n], texts, and line numbers int64 [n] of a file of two columns."""
    tokens, texts, numbers = [], [], []
    for number, line in enumerate(read_lines(path, _TWO_COLUMNS), start=1):
        if not line.strip():
            continue
        token, tab, text = line.partition("\t")
        if not tab or not token:
            raise UserError(f"{quote_line(path, number, line)} should read `item<TAB>text`. Correct the line.")
        tokens.append(token)
        texts.append(text.strip())
        numbers.append(number)
    if not tokens:
        raise UserError(f"{path} is empty. Expected {_TWO_COLUMNS}.")
    return np.array(tokens, dtype=str), texts, np.array(numbers)
