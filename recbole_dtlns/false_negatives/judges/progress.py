"""How far judging is: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import logging
import time
from types import TracebackType

import numpy as np
from tqdm import tqdm

from recbole_dtlns.false_negatives.judges.base import Judge

logger = logging.getLogger(__name__)
_LOG_SECONDS = 60.0


class JudgingProgress:
    """Pairs a second, time left, accepted share and tokens; a context manager.

    Args:
        judge: who is asked; its `usage` is shown where it has one.
        total: pairs.
        cut: raw score from which a pair counts as accepted.
    """

    def __init__(self, judge: Judge, total: int, cut: float) -> None:
        self._judge, self._total, self._cut = judge, total, cut
        self._done = self._asked = self._answered = self._accepted = 0
        self._started = self._logged = time.monotonic()
        self._bar = tqdm(total=total, desc=f"judging ({judge.name})", unit="pair", disable=None)

    def __enter__(self) -> JudgingProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def update(self, raw: np.ndarray, asked: int) -> None:
        """Count a block: its raw scores [n], NaN = no answer, and how many of them were asked for now."""
        self._done += len(raw)
        self._asked += asked
        self._answered += int((~np.isnan(raw)).sum())
        self._accepted += int((raw >= self._cut).sum())
        self._bar.update(len(raw))
        self._bar.set_postfix_str(self._shares(), refresh=False)
        now = time.monotonic()
        # Without a terminal there is no bar, and a night of judging should still leave a trace in run.log.
        if self._bar.disable and now - self._logged >= _LOG_SECONDS:
            self._logged = now
            rate = max(self._asked, 1) / (now - self._started)
            left = (self._total - self._done) / rate / 60
            logger.info(
                "judging (%s): %d of %d pairs, %.1f pairs/s, at most %.0f min left, %s",
                *(self._judge.name, self._done, self._total, rate, left, self._shares()),
            )

    def _shares(self) -> str:
        share = f"{self._accepted / max(self._answered, 1):.0%} at or above the threshold"
        usage = self._judge.usage
        return share if usage is None else f"{share}, {usage.prompt_tokens:,} tokens"
