"""Data that we derive and keep: found by content, and never used when a bit of it is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from recbole_dtlns.cli import main
from recbole_dtlns.files.cache import StageCache, damage, write_checksums
from recbole_dtlns.files.run_folder import read_result

FLAGS = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=1", "--judge=none", "--neg_sampler=uniform"]


def flip(path: Path, place: float, bit: int = 1) -> None:
    whole = bytearray(path.read_bytes())
    whole[int(place * (len(whole) - 1))] ^= bit
    path.write_bytes(whole)


def train(run: str) -> dict:
    assert main([*FLAGS, f"--run_dir={run}", "--cache_dir=cache"]) == 0
    result = read_result(Path(run))
    return {"split": result["data"]["split_hash"], "test": result["test_result"]}


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_flipped_bit_in_the_copy_of_text_files_is_noticed(toy, capsys, part):
    first = train("first")
    (copy,) = Path("cache").rglob(f"toy.{part}.inter")
    right = copy.read_bytes()
    flip(copy, 0.5, bit=2 if right[len(right) // 2 - 1] in b"0123456789" else 1)
    assert train("second") == first
    assert "cannot be trusted" in capsys.readouterr().err
    assert copy.read_bytes() == right
    assert train("third") == first
    assert "cannot be trusted" not in capsys.readouterr().err


def test_a_changed_text_file_with_its_old_time_and_size_is_read(toy):
    first = train("first")
    path = Path("data/toy/train.txt")
    before = path.stat()
    lines = path.read_text().splitlines(keepends=True)
    user, item = lines[0].split()
    others = {line.split()[1] for file in Path("data/toy").iterdir() for line in file.open() if line.split()[0] == user}
    other = next(
        name for name in sorted({line.split()[1] for line in lines}) if name not in others and len(name) == len(item)
    )
    path.write_text("".join([f"{user} {other}\n", *lines[1:]]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert train("second")["split"] != first["split"]


def test_another_text_file_beside_them_changes_nothing(toy):
    train("first")
    Path("data/toy/notes.txt").write_text("of no use")
    train("second")
    assert len(list(Path("cache").rglob("toy.train.inter"))) == 1


@pytest.mark.parametrize("place", [0.0, 0.1, 0.3, 0.5, 0.8, 0.9, 0.97, 1.0])
def test_a_flipped_bit_in_a_stage_is_noticed(tmp_path, caplog, place):
    cache = StageCache(tmp_path)
    arrays = {"codes": np.arange(50), "names": np.array(["a", "é"])}
    path = cache.save("stage", "key", arrays, {"made": "here"})
    for name, values in cache.load("stage", "key").items():
        np.testing.assert_array_equal(values, arrays[name])
    assert not caplog.text
    flip(path, place)
    assert cache.load("stage", "key") is None
    assert "cannot be trusted" in caplog.text
    cache.save("stage", "key", arrays, {})
    assert cache.load("stage", "key") is not None
    flip(path.with_suffix(".json"), place, bit=128)
    assert cache.load("stage", "key") is None


def test_a_stage_without_its_checksum_is_computed_again(tmp_path):
    cache = StageCache(tmp_path)
    path = cache.save("stage", "key", {"x": np.arange(3)}, {})
    path.with_suffix(".json").unlink()
    assert cache.load("stage", "key") is None


def test_checksums_of_a_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_text("x")
    assert "checksums.json" in damage(tmp_path)
    write_checksums(tmp_path)
    assert damage(tmp_path) is None
    (tmp_path / "deep" / "file").unlink()
    assert "deep/file" in damage(tmp_path)
