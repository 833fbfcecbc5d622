"""The one reading of test, after training: metrics, values of every user, and both masks of a reference run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.mask import honest_test_loader
from recbole_dtlns.evaluation.per_user import PER_USER, captured, write_per_user
from recbole_dtlns.evaluation.result import metrics
from recbole_dtlns.training.assemble import Prepared


def read_test(config: Config, prepared: Prepared, run_dir: Path, saved: bool) -> Any:
    """Evaluate test from the best checkpoint (the last epoch where none was saved); writes `per_user.npz`.

    Returns:
        RecBole's result by metric.
    """
    trainer = prepared.trainer
    with captured(trainer.evaluator) as values:
        tested = trainer.evaluate(prepared.test_data, load_best_model=saved, show_progress=config["show_progress"])
    write_per_user(run_dir / PER_USER, prepared.test_data, values)
    return tested


def both_masks(config: Config, split: BuiltSplit, prepared: Prepared, tested: Any) -> dict[str, Any] | None:
    """Test of the same model under the authors' mask and under the honest one; None for an honest run.

    The honest mask is train alone here, also with `eval_mask=train_valid`: the authors' mask leaves no valid item out
    either, so that the inferred positives are all that sets the two apart. The model holds the weights that
    `read_test` evaluated.
    """
    if config.settings.protocol != "reference" or tested is None:
        return None
    honest = prepared.trainer.evaluate(honest_test_loader(config, split), load_best_model=False)
    return {"honest": metrics(honest), "reference": metrics(tested)}
