"""How far a run has come that is still at work, read from its folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from recbole_dtlns.comparison.run.estimate import spoken
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs


@dataclass(frozen=True)
class AtWork:
    """A run whose process has been started.

    Attributes:
        run_id: of the run.
        home: its folder.
        epochs: it trains at most.
        metric: of early stopping, as RecBole writes it: `NDCG@20`.
        began: when it was started, in seconds since 1970 as files have them.
    """

    run_id: str
    home: Path
    epochs: int
    metric: str
    began: float = field(default_factory=time.time)

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.time() - self.began

    def line(self) -> str:
        """`at work for 12 min: yelp/BPR/dns/seed-2020: 37 of at most 100 epochs done, valid NDCG@20 0.0451`."""
        return f"at work for {spoken(self.seconds)}: {self.run_id}: {self._stage()}"

    def _stage(self) -> str:
        path = self.home / EPOCHS
        try:
            rows = read_epochs(path) if path.is_file() and path.stat().st_mtime >= self.began else {}
        except (OSError, UserError):  # the run itself says what is wrong with its folder
            rows = {}
        if not rows:
            return "no epoch done yet since its start"
        valid = [row[self.metric.lower()] for row in rows.values() if row.get(self.metric.lower()) is not None]
        score = f", valid {self.metric} {valid[-1]:.4f}" if valid else ""
        return f"{max(rows) + 1} of at most {self.epochs} epochs done{score}"
