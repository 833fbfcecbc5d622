"""A small data set of text files."""

from pathlib import Path

import numpy as np


def write_pairs(folder: Path, parts: dict[str, list[tuple[str, str]]]) -> None:
    """Write train.txt, valid.txt, test.txt of `user item` lines."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in parts.items():
        (folder / f"{name}.txt").write_text("".join(f"{user} {item}\n" for user, item in pairs), encoding="utf-8")


def toy_split(n_users: int = 60, n_items: int = 40, seed: int = 0) -> dict[str, list[tuple[str, str]]]:
    """Two groups of users with tastes of their own; a tenth of each user's pairs in valid and in test."""
    rng = np.random.default_rng(seed)
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "valid": [], "test": []}
    for user in range(n_users):
        half = np.arange(n_items // 2) + (user % 2) * (n_items // 2)
        liked = np.concatenate([rng.choice(half, 10, replace=False), rng.choice(n_items, 2, replace=False)])
        liked = rng.permutation(np.unique(liked))
        for name, items in (("test", liked[:1]), ("valid", liked[1:2]), ("train", liked[2:])):
            parts[name] += [(f"u{user}", f"i{item}") for item in items]
    return parts


def write_timed(folder: Path, n_users: int = 24, n_items: int = 30, seed: int = 0) -> Path:
    """Write RecBole's atomic files of a data set `timed`, with times and a small knowledge graph; returns `folder`.

    Each user has 8 to 12 items of its own half of the items, one after the other.
    """
    rng = np.random.default_rng(seed)
    home = folder / "timed"
    home.mkdir(parents=True, exist_ok=True)
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(n_users):
        half = np.arange(n_items // 2) + (user % 2) * (n_items // 2)
        liked = rng.choice(half, rng.integers(8, 13), replace=False)
        rows += [f"u{user}\ti{item}\t{item % 5}\t{time}" for time, item in enumerate(liked.tolist())]
    triples = [f"e{item}\tr{item % 3}\tv{item % 7}" for item in range(n_items)]
    links = [f"i{item}\te{item}" for item in range(n_items)]
    for name, lines in (
        ("inter", rows),
        ("kg", ["head_id:token\trelation_id:token\ttail_id:token", *triples]),
        ("link", ["item_id:token\tentity_id:token", *links]),
    ):
        (home / f"timed.{name}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
