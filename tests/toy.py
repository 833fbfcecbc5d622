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
