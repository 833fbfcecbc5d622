"""Makes the loans of a library of book series and leaves some out: false negatives whose truth is known.

    python examples/library.py TARGET [--seed=1]

writes TARGET/loans.csv (user, item, timestamp in a row) and TARGET/hidden.tsv (user and item in a line). The hidden
loans took place and are not in loans.csv. Who reads loans.csv alone takes each of these pairs for a negative.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

SERIES = (
    *("anchor", "basil", "canyon", "dragon", "ember", "falcon", "garden", "harbour", "island", "jungle"),
    *("kettle", "lantern", "meadow", "needle", "orchard", "pirate", "quarry", "river", "saddle", "tundra"),
)
VOLUMES = 6  # of each series
READERS = 240
FOLLOWED = 3  # series that a reader follows
SHARE = 0.8  # of the volumes of a series that a follower borrows
OTHERS = 4  # books of any series that a reader borrows besides
HIDDEN = 40  # readers of whom one loan is left out
START, YEAR = 1_700_000_000, 31_536_000  # seconds


def all_loans(rng: np.random.Generator) -> list[tuple[str, list[str], list[str]]]:
    """Each reader, the borrowed volumes of the series that this reader follows, and the other borrowed books."""
    books = [f"{series}-{volume + 1}" for series in SERIES for volume in range(VOLUMES)]
    readers = []
    for reader in range(READERS):
        followed = rng.choice(len(SERIES), FOLLOWED, replace=False)
        volumes = [books[series * VOLUMES + volume] for series in followed for volume in range(VOLUMES)]
        series_loans = [book for book in volumes if rng.random() < SHARE]
        others = [book for book in rng.choice(books, OTHERS, replace=False).tolist() if book not in volumes]
        readers.append((f"reader-{reader + 1:03d}", series_loans, others))
    return readers


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    rows, hidden = [], []
    loses_a_loan = set(rng.choice(READERS, HIDDEN, replace=False).tolist())
    for number, (reader, series_loans, others) in enumerate(all_loans(rng)):
        if number in loses_a_loan:
            hidden.append((reader, series_loans.pop(int(rng.integers(len(series_loans))))))
        rows += [(reader, book, START + int(rng.integers(YEAR))) for book in series_loans + others]
    options.target.mkdir(parents=True, exist_ok=True)
    with open(options.target / "loans.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("user", "item", "timestamp"), *rows])
    lines = "".join(f"{reader}\t{book}\n" for reader, book in hidden)
    (options.target / "hidden.tsv").write_text(lines, encoding="utf-8")
    print(f"{options.target / 'loans.csv'} has {len(rows)} loans of {READERS} readers.")
    print(f"{options.target / 'hidden.tsv'} has {len(hidden)} loans that took place and are not in it.")


if __name__ == "__main__":
    main()
