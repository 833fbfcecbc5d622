"""The split of a folder: parts apart, a seeded tenth for want of a valid.txt, and every refusal."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from recbole.data.dataset import Dataset

from recbole_dtlns.data.split_files import SplitPairs, read_split, refuse_overlap
from recbole_dtlns.errors import UserError

PAIRS = {"train": "1 a\n1 b\n2 a\n2 c\n", "valid": "1 c\n2 b\n", "test": "1 d\n2 d\n3 a\n"}


def fill(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for part, content in files.items():
        (folder / f"{part}.txt").write_text(content)
    return folder


def pair_set(split: SplitPairs, part: str) -> set[tuple[str, str]]:
    users, items = split.parts[part]
    pairs = set(zip(users.tolist(), items.tolist(), strict=True))
    assert len(pairs) == len(users)
    return pairs


def ragged_train(rng: np.random.Generator) -> list[str]:
    """Users 1 .. 42, user n with n items."""
    lines = [f"u{n} i{item}" for n in range(1, 43) for item in rng.permutation(200)[:n]]
    return [str(line) for line in rng.permutation(lines)]


def test_three_files_are_read_as_they_are(tmp_path):
    split = read_split(fill(tmp_path, PAIRS), "auto", 1)
    assert (split.layout, split.made_valid) == ("pairs", False)
    assert list(split.parts) == ["train", "valid", "test"]
    assert split.parts["train"][0].tolist() == ["1", "1", "2", "2"]
    assert split.parts["train"][1].tolist() == ["a", "b", "a", "c"]
    assert pair_set(split, "valid") == {("1", "c"), ("2", "b")}
    assert pair_set(split, "test") == {("1", "d"), ("2", "d"), ("3", "a")}


def test_lists_and_repeated_pairs(tmp_path):
    split = read_split(fill(tmp_path, {"train": "1 a b a a\n2\n3 c\n", "valid": "2 a\n", "test": "3 a a\n"}), "auto", 1)
    assert split.layout == "lists"
    assert split.repeated == {"train": 2, "valid": 0, "test": 1}
    assert pair_set(split, "train") == {("1", "a"), ("1", "b"), ("3", "c")}


def test_without_valid_a_tenth_of_each_user_is_taken_and_said(tmp_path, caplog):
    train = ragged_train(np.random.default_rng(0))
    folder = fill(tmp_path, {"train": "\n".join(train), "test": "u1 t\nu2 t\nu2 s\n"})
    with caplog.at_level(logging.WARNING):
        split = read_split(folder, "auto", 7)
    assert split.made_valid
    assert "no valid.txt" in caplog.text
    assert "seed 7" in caplog.text
    whole = {tuple(line.split()) for line in train}
    kept, taken = pair_set(split, "train"), pair_set(split, "valid")
    assert kept | taken == whole
    assert not kept & taken
    users = split.parts["valid"][0].tolist()
    for n in range(1, 43):
        left, right = Dataset._calcu_split_ids(None, n, [0.9, 0.1])[0], users.count(f"u{n}")
        assert right == n - left == (0 if n == 1 else max(n // 10, 1))
    in_file = [tuple(line.split()) for line in train]
    assert [pair for pair in in_file if pair in kept] == list(
        zip(*map(np.ndarray.tolist, split.parts["train"]), strict=True)
    )


def test_the_tenth_depends_on_seed_and_pairs_alone(tmp_path):
    rng = np.random.default_rng(3)
    train = ragged_train(rng)

    def valid(seed: int, lines: list[str], test: str = "u1 t\n") -> set[tuple[str, str]]:
        return pair_set(read_split(fill(tmp_path, {"train": "\n".join(lines), "test": test}), "pairs", seed), "valid")

    first = valid(1, train)
    assert valid(1, [str(line) for line in rng.permutation(train)]) == first
    assert valid(1, train, "a z\nu0 i0\nzz 17\n") == first
    assert valid(2, train) != first
    as_lists = [
        " ".join([f"u{n}", *(line.split()[1] for line in train if line.split()[0] == f"u{n}")]) for n in range(1, 43)
    ]
    fill(tmp_path, {"train": "\n".join(as_lists), "test": "u1 t\n"})
    assert pair_set(read_split(tmp_path, "lists", 1), "valid") == first


def test_chance_reaches_every_pair(tmp_path):
    fill(tmp_path, {"train": "".join(f"1 {item}\n" for item in "abcdefghij"), "test": "1 z\n"})
    chosen = [read_split(tmp_path, "pairs", seed).parts["valid"][1].item() for seed in range(150)]
    assert set(chosen) == set("abcdefghij")
    assert max(chosen.count(item) for item in "abcdefghij") < 40


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"test": None}, ("lacks test.txt", "found: train.txt, valid.txt")),
        ({"train": None}, ("lacks train.txt",)),
        ({"test": "\n"}, ("test.txt is empty",)),
        ({"valid": ""}, ("valid.txt is empty",)),
        ({"test": "1 d\n2\n"}, ("test.txt, line 2: '2'", "one column")),
        (
            {"train": "1 a b\n2 c d\n2 e f\n", "valid": "1 z\n", "test": "1 y\n"},
            ("train.txt, line 3: '2 e f'", "second line of user '2'", "line 2"),
        ),
        ({"valid": "1 c\n2 a\n1 b\n1 d\n"}, ("2 pairs stand in both train and valid", "(user 1, item b)", "Remove")),
        ({"test": "1 b\n2 d\n"}, ("1 pair stands in both train and test", "(user 1, item b)")),
        ({"valid": PAIRS["test"]}, ("3 pairs stand in both valid and test", "delete valid.txt")),
        ({"train": "1 a\n2 b\n", "valid": None, "test": "1 c\n1 d\n"}, ("no user has two pairs", "valid.txt")),
    ],
)
def test_bad_folders_are_refused(tmp_path, change, expected):
    files = {part: content for part, content in (PAIRS | change).items() if content is not None}
    with pytest.raises(UserError) as caught:
        read_split(fill(tmp_path, files), "auto", 1)
    for part in expected:
        assert part in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere lacks train\.txt and test\.txt \(found: no such folder\)"):
        read_split(tmp_path / "nowhere", "auto", 1)


def test_overlap_is_found_between_ids_too():
    parts = {
        part: (np.array([1, 2]), np.array([3, 4]) + shift) for shift, part in enumerate(("train", "valid", "test"))
    }
    refuse_overlap(parts, "here")
    parts["test"] = (np.array([2, 5]), np.array([4, 3]))
    with pytest.raises(UserError, match=r"here: 1 pair stands in both train and test.*user 2, item 4"):
        refuse_overlap(parts, "here")
