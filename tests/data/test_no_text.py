"""A file that is no text in UTF-8 is called what it is, with its own cure, and no rubbish is printed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from recbole_dtlns.cli import main

TEXT = "".join(f"{user}\t{item}\n" for user in range(30) for item in range(5)).encode()


def _zipped() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.txt", TEXT)
    return whole.getvalue()


KINDS = {
    "gzip": (gzip.compress(TEXT), "is compressed (gzip). Unpack it"),
    "zip": (_zipped(), "is a zip archive or a spreadsheet (.xlsx). Unpack it"),
    "bzip2": (bz2.compress(TEXT), "is compressed (bzip2). Unpack it"),
    "xz": (lzma.compress(TEXT), "is compressed (xz). Unpack it"),
    "UTF-16": (TEXT.decode().encode("utf-16"), "is text in UTF-16. Save the file as"),
    "binary": (b"u1\ti1\nab\x00\x01\xff\ti2\n", ", line 2 holds bytes that are no UTF-8 text."),
    "latin-1": ("u1\ti1\nZoë\ti2\n".encode("latin-1"), ", line 2: 'Zo�\\ti2' is no UTF-8 text."),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("as_folder", [False, True])
def test_what_is_no_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, as_folder: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    content, expected = KINDS[kind]
    for name in ("train.txt", "test.txt"):
        Path(name).write_bytes(content)
    assert main(["convert", "." if as_folder else "train.txt", "made", "--name=shop"]) == 2
    error = capsys.readouterr().err
    assert f"train.txt{expected}" in error or f"train.txt {expected}" in error, error
    assert all(character.isprintable() for character in error.strip())
    assert len(error) < 200
