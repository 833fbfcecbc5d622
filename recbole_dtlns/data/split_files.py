"""The split in a folder of `train.txt`, `valid.txt` and `test.txt`."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recbole_dtlns.config.locate import PARTS
from recbole_dtlns.data.pair_codes import Pairs, pair_codes
from recbole_dtlns.data.plain_text import choose_layout, to_pairs
from recbole_dtlns.data.text_file import read_text
from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitPairs:
    """A split as read from text.

    Attributes:
        parts: user and item tokens, str [E] each, under `train`, `valid` and `test`; no pair twice, in file order.
        layout: `pairs` or `lists`, how the files were read.
        made_valid: whether `valid` was taken out of the training pairs, for want of a `valid.txt`.
        repeated: how many repeated pairs each file held.
    """

    parts: dict[str, Pairs]
    layout: str
    made_valid: bool
    repeated: dict[str, int] = field(default_factory=dict)


def read_split(folder: Path, layout: str, seed: int) -> SplitPairs:
    """Read the three files of a folder; without `valid.txt` a seeded tenth of train becomes valid, said aloud.

    Args:
        folder: holds `train.txt`, `test.txt` and, as a rule, `valid.txt`.
        layout: `auto`, `pairs` or `lists`; one layout for all files.
        seed: of the tenth; nothing else is random.

    Raises:
        UserError: missing, empty or malformed files, an undecidable layout, a pair in two parts, an empty part.
    """
    _refuse_missing(folder)
    made_valid = not (folder / "valid.txt").exists()
    files = {part: read_text(folder / f"{part}.txt") for part in PARTS if not (made_valid and part == "valid")}
    chosen = choose_layout(list(files.values()), layout)
    read = {part: to_pairs(file, chosen) for part, file in files.items()}
    parts = {part: (users, items) for part, (users, items, _) in read.items()}
    refuse_overlap(parts, str(folder))
    if made_valid:
        parts = _with_valid(parts, folder, seed)
    return SplitPairs(parts, chosen, made_valid, {part: repeated for part, (_, _, repeated) in read.items()})


def read_train(folder: Path, layout: str, seed: int) -> Pairs:
    """The training pairs that `read_split` gives, without opening `valid.txt` or `test.txt`.

    Args:
        folder, layout, seed: as for `read_split`; `auto` has train.txt alone to decide by.

    Raises:
        UserError: no `train.txt`, a malformed one, or an undecidable layout.
    """
    path = folder / "train.txt"
    if not path.is_file():
        raise UserError(
            f"{folder} lacks train.txt. Expected one line `user item` or `user item item ...` each. Add it."
        )
    file = read_text(path)
    users, items, _ = to_pairs(file, choose_layout([file], layout))
    if (folder / "valid.txt").exists():
        return users, items
    return _with_valid({"train": (users, items), "test": (users, items)}, folder, seed)["train"]


def refuse_overlap(parts: Mapping[str, Pairs], where: str) -> None:
    """Raise UserError if any pair stands in two parts; arrays of tokens (str) or ids (integer). O(E log E)."""
    coded = dict(zip(parts, pair_codes(parts.values()), strict=True))
    for first, other in itertools.combinations(parts, 2):
        shared, rows, _ = np.intersect1d(coded[first], coded[other], return_indices=True)
        if len(shared):
            users, items = parts[first]
            examples = ", ".join(f"(user {users[row]}, item {items[row]})" for row in rows[:3])
            raise UserError(
                f"{where}: {len(shared)} {'pair stands' if len(shared) == 1 else 'pairs stand'} in both {first} and "
                f"{other}, for example {examples}. Expected each pair in one part only, or the results would mean "
                f"nothing. Remove them from one of the two files{_valid_advice(first, other)}."
            )


def choose_share(users: np.ndarray, codes: np.ndarray, seed: int, parts: int = 10, least: int = 2) -> np.ndarray:
    """Choose one of `parts` of each user's pairs; with 10 by RecBole's rule for a ratio of 9 to 1 by user.

    A user with n pairs gives n // parts of them, but at least one; a user with fewer than `least` pairs keeps all. The
    choice depends on the set of pairs and the seed, not on their order.

    Args:
        users: number of the user of each pair, int64 [E].
        codes: code of each pair, int64 [E], distinct; the order of codes is the order in which chance is dealt out.
        seed: of a generator of its own.
        parts, least: see above.

    Returns:
        bool [E], true where a pair is chosen. O(E log E).
    """
    by_user = np.lexsort((codes, users))
    chance = np.random.default_rng(seed).random(len(codes))
    mixed = by_user[np.lexsort((chance, users[by_user]))]  # users stay together, pairs of one are shuffled
    counts = np.bincount(users)
    quota = np.where(counts >= least, np.maximum(counts // parts, 1), 0)
    place = np.arange(len(codes)) - (np.cumsum(counts) - counts)[users[mixed]]
    chosen = np.zeros(len(codes), dtype=bool)
    chosen[mixed[place < quota[users[mixed]]]] = True
    return chosen


def _with_valid(parts: dict[str, Pairs], folder: Path, seed: int) -> dict[str, Pairs]:
    """The parts with a tenth of train moved to valid; UserError where no user has two pairs."""
    users, items = parts["train"]
    (codes,) = pair_codes([parts["train"]])
    chosen = choose_share(np.unique(users, return_inverse=True)[1], codes, seed)
    if not chosen.any():
        raise UserError(
            f"{folder} holds no valid.txt, and none can be taken out of train.txt: no user has two pairs there. "
            "Expected a valid.txt; add one."
        )
    logger.warning(
        "%s holds no valid.txt: a seeded tenth of each user's training pairs becomes valid, %d of %d (seed %d).",
        *(folder, int(chosen.sum()), len(chosen), seed),
    )
    return {
        "train": (users[~chosen], items[~chosen]),
        "valid": (users[chosen], items[chosen]),
        "test": parts["test"],
    }


def _refuse_missing(folder: Path) -> None:
    """Raise UserError unless the folder holds `train.txt` and `test.txt`."""
    missing = [name for name in ("train.txt", "test.txt") if not (folder / name).is_file()]
    if missing:
        names = sorted(path.name for path in folder.iterdir())[:10] if folder.is_dir() else ["no such folder"]
        raise UserError(
            f"{folder} lacks {' and '.join(missing)} (found: {', '.join(names) or 'nothing'}). Expected train.txt, "
            "test.txt and valid.txt, without which a tenth of train becomes valid. Add the file."
        )


def _valid_advice(first: str, second: str) -> str:
    if (first, second) == ("train", "test"):
        return ""
    return ", or delete valid.txt to have a tenth of train taken instead"
