"""What a tested run leaves for statistics: values of each user, learning curves; and what a trial does not touch."""

import csv
from pathlib import Path

import numpy as np
import pytest
from test_honest import prepared

from recbole_dtlns.cli import main
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.per_user import PER_USER, read_per_user, write_per_user
from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs, write_row
from recbole_dtlns.files.run_folder import read_result

SMALL = ["--dataset=toy", "--data_path=data", "--tree_leaf_size=4", "--embedding_size=8", "--train_batch_size=128"]
METRICS = "--metrics=['Recall','NDCG','ItemCoverage','AveragePopularity']"


def run(toy: Path, *flags: str) -> Path:
    assert main([*SMALL, f"--run_dir={toy / 'run'}", METRICS, *flags]) == 0
    return toy / "run"


def test_the_values_of_users_average_to_the_test_result(toy: Path) -> None:
    folder = run(toy, "--model=BPR", "--epochs=3", "--judge=none")
    users, values = read_per_user(folder / PER_USER)
    tested = read_result(folder)["test_result"]
    assert sorted(users.tolist()) == sorted({line.split()[0] for line in (toy / "data/toy/test.txt").open()})
    assert {"recall@10", "recall@20", "ndcg@20", "averagepopularity@10"} <= set(values)
    assert "itemcoverage@10" not in values  # no mean over users
    for name, column in values.items():
        assert column.shape == users.shape
        assert column.mean() == pytest.approx(tested[name], abs=6e-5)
    assert len(np.unique(values["recall@10"])) > 1


def test_the_users_stand_beside_their_own_values(toy: Path) -> None:
    """A user whose test item is among the 20 first of 40 has recall@20 1, which lists of that run tell by token."""
    for part, left_out in (("valid", "u1"), ("test", "u2")):  # so that the two have other users
        path = toy / f"data/toy/{part}.txt"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if line.split()[0] != left_out))
    folder = run(toy, "--model=BPR", "--epochs=8", "--judge=none", "--learning_rate=0.3")
    assert read_result(folder)["best_epoch"] < 7  # test is read from the best epoch, not from the last
    assert main(["recommend", str(folder), "--topk=20", "--output=lists.tsv"]) == 0
    listed: set[tuple[str, str]] = set()
    with Path("lists.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            listed.add((row["user"], row["item"]))
    users, values = read_per_user(folder / PER_USER)
    test = dict(line.split() for line in (toy / "data/toy/test.txt").read_text().splitlines())
    expected = [float((user, test[user]) in listed) for user in users.tolist()]
    assert values["recall@20"].tolist() == expected


def test_values_that_are_not_one_a_user_are_not_written(toy_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    loader = prepared(toy_data)[3].test_data
    write_per_user(toy_data / PER_USER, loader, {"recall@10": np.zeros(len(loader.uid_list) - 1, dtype=np.float32)})
    assert not (toy_data / PER_USER).exists()
    assert "recall@10 does not have one value a user" in caplog.text


def test_learning_curves(toy: Path) -> None:
    folder = run(toy, "--model=BPR", "--epochs=5", "--eval_step=2", "--judge=none")
    rows = read_epochs(folder / EPOCHS)
    assert list(rows) == [0, 1, 2, 3, 4]
    assert [rows[epoch]["ndcg@20"] is not None for epoch in rows] == [False, True, False, True, False]
    best = read_result(folder)
    assert rows[best["best_epoch"]]["ndcg@20"] == best["best_valid_result"]["ndcg@20"]
    seconds = [row["seconds"] for row in rows.values()]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    assert seconds[-1] == pytest.approx(best["seconds"]["training"], rel=1e-3, abs=2e-3)
    assert all(row["train_loss"] > 0 for row in rows.values())
    elapsed = [row["elapsed"] for row in rows.values()]
    assert elapsed == sorted(elapsed)
    outside = [whole - training for whole, training in zip(elapsed, seconds, strict=True)]
    assert outside[0] > 0  # data and identification
    assert outside[1] > outside[0]  # valid is evaluated after epoch 1, and that counts
    assert elapsed[-1] >= best["seconds"]["training"] + best["seconds"]["trees"]


def test_a_trial_does_not_read_test(toy: Path) -> None:
    folder = run(toy, "--model=BPR", "--epochs=2", "--evaluate_test=false")
    result = read_result(folder)
    assert result["test_result"] is None
    assert result["overlap"] is None
    assert result["precision"] is None
    assert result["hardness"]["test_share"] is None
    assert result["best_valid_result"]["ndcg@20"] > 0
    assert not (folder / PER_USER).exists()
    (check,) = [check for check in result["checks"] if "test is" in check["name"]]
    assert check == {"when": "after", "name": "test is not read", "passed": True, "found": "0 readings"}


def damaged_copies(whole: bytes) -> list[bytes]:
    """Cut anywhere, and with a byte in the middle of each twentieth changed."""
    places = range(0, len(whole), len(whole) // 20)
    flipped = [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in places]
    return [b"PK not an archive", *(whole[:at] for at in places), *flipped]


def test_a_damaged_file_of_users_is_named(tmp_path: Path) -> None:
    path, generator = tmp_path / PER_USER, np.random.default_rng(0)
    values = {f"recall@{k}": generator.random(100).astype(np.float32) for k in (10, 20)}
    np.savez_compressed(path, users=np.array([f"u{number}" for number in range(100)]), **values)
    messages = []
    for content in damaged_copies(path.read_bytes()):
        path.write_bytes(content)
        try:
            read_per_user(path)
        except UserError as error:  # any other error fails the test
            messages.append(str(error))
    assert len(messages) > 30
    assert all(str(path) in text for text in messages)


@pytest.mark.parametrize(
    "content",
    [
        b"epoch,train_loss\n0,0.5\n1,0.\x00\xff\n",
        b"epoch,train_loss\n0,0.5\n1\n",
        b"epoch,train_loss\n0,0.5\n1,0.4",
        b"",
        b"epoch,train_loss\n0,0.5,7\n",
        b"epoch,train_loss\nzero,0.5\n",
        b"epoch,train_loss\n0,half\n",
        b"train_loss\n0.5\n",
    ],
    ids=["bytes", "line", "end", "empty", "field", "epoch", "value", "names"],
)
def test_a_damaged_learning_curve_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / EPOCHS
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"epochs\.csv is damaged .* Remove it"):
        read_epochs(path)
    with pytest.raises(UserError, match=r"epochs\.csv is damaged"):
        write_row(path, 2, {"train_loss": 0.1})
