"""Killed with -9 wherever they are, `trees update` and `export_codes` leave whole files, and end well the next time.

By default each is killed once, at one of its writes. With --nightly each is killed at every write, and the real command
at random times.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forked import Command, KilledAtWrite, Program
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main

NAMES = ("co_paths.txt", "emb_paths.txt")
DATA = ("--dataset=toy", "--data_path=data", "--tree_leaf_size=4")
RANDOM_KILLS = 25
Contents = dict[str, bytes]


def contents(folder: Path) -> Contents:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def update(number: str) -> list[str]:
    return ["trees", "update", "old", *DATA, f"--output=new-{number}", f"--cache_dir=cache-{number}"]


def export(number: str) -> list[str]:
    places = [f"--run_dir=run-{number}", f"--cache_dir=cache-{number}", f"--export_codes=new-{number}"]
    return ["identify", *DATA, "--judge=rule", *places]


def check_update(folder: Path, old: Contents, new: Contents) -> None:
    """All of it, or nothing."""
    assert not folder.exists() or contents(folder) == new


def check_export(folder: Path, old: Contents, new: Contents) -> None:
    """Every file is the earlier one or the later one, and a file and what is said beside it belong together."""
    there = {name: content for name, content in contents(folder).items() if ".partial" not in name}
    for name in NAMES:
        assert there[name] in (old[name], new[name])
        beside = f"{name}.json"
        if beside in there:
            assert (there[name], there[beside]) in ((old[name], old[beside]), (new[name], new[beside]))


CASES = {"trees update": (update, check_update), "export_codes": (export, check_export)}


@pytest.fixture
def grown(toy: Path) -> Path:
    """A working directory with the trees of half of the items in `old`, and data/toy as it is now."""
    parts = toy_split()
    few = {name: [pair for pair in pairs if int(pair[1][1:]) % 4] for name, pairs in parts.items()}
    write_pairs(toy / "data" / "toy", few)
    assert main(["identify", *DATA, "--judge=rule", "--run_dir=first", "--cache_dir=first", "--export_codes=old"]) == 0
    write_pairs(toy / "data" / "toy", parts)
    return toy


@pytest.mark.parametrize("name", CASES)
def test_killed_commands_leave_whole_trees(name: str, grown: Path, nightly: bool) -> None:
    words_of, check = CASES[name]
    began = time.monotonic()
    whole = (Command if nightly else Program)(words_of("whole"), grown / "whole.txt")
    assert whole.wait() == 0, (grown / "whole.txt").read_text()
    seconds, old, new = time.monotonic() - began, contents(grown / "old"), contents(grown / "new-whole")
    assert set(new) > set(NAMES)

    def killed(number: str, start: Callable[[list[str], Path], bool]) -> bool:
        """Whether the command was killed before it ended; the next one ends well."""
        folder, output = grown / f"new-{number}", grown / f"said-{number}.txt"
        if check is check_export:
            shutil.copytree(grown / "old", folder)
        before_its_end = start(words_of(number), output)
        check(folder, old, new)
        has_ended = folder.exists() if name == "trees update" else (grown / f"run-{number}" / "result.json").exists()
        if not has_ended:  # else it is refused: what is there is whole
            assert Program(words_of(number), output).wait() == 0, output.read_text()
        assert contents(folder) == new
        assert not [*grown.rglob("*.partial*")]
        return before_its_end

    def at_write(count: int) -> bool:
        return killed(f"at-{count}", lambda words, output: KilledAtWrite(words, output, count).wait() == -9)

    rng, writes = random.Random(name), 0
    if not nightly:
        assert at_write(rng.randrange(5))
        return
    while at_write(writes):
        writes += 1
    assert writes > 4
    for count in range(RANDOM_KILLS):
        killed(f"time-{count}", lambda words, output: Command(words, output).kill(rng.uniform(0, seconds)))
