"""A training run that is cut off, and what its log says."""

import re
from pathlib import Path
from typing import Any

import pytest

from recbole_dtlns.training.trainer import RunTrainer


def cut_off_in_epoch(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    stock = RunTrainer._train_epoch

    def dying(self: RunTrainer, train_data: Any, epoch_idx: int, *rest: Any, **keys: Any) -> Any:
        loss = stock(self, train_data, epoch_idx, *rest, **keys)
        if epoch_idx == number:
            raise KeyboardInterrupt
        return loss

    monkeypatch.setattr(RunTrainer, "_train_epoch", dying)


def losses(run_dir: Path) -> list[str]:
    """Training loss of every epoch as the log has it."""
    return re.findall(r"train loss: ([\d.]+)", (run_dir / "run.log").read_text())
