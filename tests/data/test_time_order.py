"""What RecBole's 32-bit times do to the order of a file is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_dtlns.cli import main
from recbole_dtlns.data.time_order import misplaced, warn_of_lost_order

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("users", "times", "count"),
    [
        ("aaa", [2, 1, 0], 0),  # 32 bits hold small numbers
        ("aaa", [NOW, NOW + 1, NOW + 2], 0),  # in order already
        ("aaa", [NOW + 2, NOW + 1, NOW], 2),
        ("aba", [NOW + 2, NOW + 1, NOW], 1),  # only the user's own
        ("aa", [NOW + 1000, NOW], 0),
        ("aa", [NOW, np.nan], 0),
    ],
)
def test_misplaced(users: str, times: list[float], count: int) -> None:
    assert misplaced(list(users), np.array(times, dtype=np.float64)) == count


def test_the_file_and_the_cure_are_named(caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame({"user_id": ["a", "a", "b"], "timestamp": [NOW + 1, NOW, NOW]})
    warn_of_lost_order(Path("x.inter"), frame, "user_id", "timestamp")
    assert "x.inter: RecBole holds times in 32 bits, and so puts 1 of 3 interactions" in caplog.text
    assert "Sort the file by timestamp" in caplog.text


@pytest.mark.parametrize(("keys", "told"), [([], True), (["--rm_dup_inter=first"], False)])
def test_what_recbole_has_sorted_before_keeps_its_order(
    keys: list[str], told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Times fall from line to line; the last item of each user is in test, unless 32 bits hide it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "shop").mkdir(parents=True)
    rows = [f"u{user}\ti{(user * 3 + place) % 17}\t{NOW + 8 - place:.0f}" for user in range(12) for place in range(8)]
    header = "user_id:token\titem_id:token\ttimestamp:float"
    (tmp_path / "data" / "shop" / "shop.inter").write_text("\n".join([header, *rows]) + "\n")
    columns = "--load_col={'inter': ['user_id', 'item_id', 'timestamp']}"
    split = "--eval_args={'split': {'LS': 'valid_and_test'}, 'order': 'TO', 'group_by': 'user', 'mode': 'full'}"
    flags = ["--data_path=data", "--epochs=1", "--judge=none", "--neg_sampler=uniform", "--topk=[2]", "--run_dir=run"]
    assert main(["--model=BPR", "--dataset=shop", columns, split, *flags, *keys]) == 0
    assert ("holds times in 32 bits" in capsys.readouterr().err) == told
    assert main(["recommend", "run", "--topk=17", "--output=lists.tsv"]) == 0
    lists = [line.split("\t")[:2] for line in (tmp_path / "lists.tsv").read_text().splitlines()[1:]]
    newest_is_unseen = sum([f"u{user}", f"i{user * 3 % 17}"] in lists for user in range(12))
    assert (newest_is_unseen == 12) != told
