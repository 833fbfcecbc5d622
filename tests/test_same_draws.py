"""Under the same negatives our training step gives the metrics of RecBole's own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.utils import get_model
from toy import toy_split, write_pairs

from recbole_dtlns.evaluation import trained_run
from recbole_dtlns.quick_start import run_recbole_dtlns
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import BaseSampler


class Replayed(BaseSampler):
    """Hands out the negatives that RecBole's loader drew in an earlier run."""

    scores_candidates = False
    drawn: list[tuple[torch.Tensor, torch.Tensor]]

    def propose(self, users: torch.Tensor, n: int) -> torch.Tensor:
        """The next batch of that run, which must hold the same users in the same order."""
        theirs, negatives = self.drawn.pop(0)
        assert torch.equal(users, theirs)
        return negatives.unsqueeze(1)


@pytest.mark.parametrize("model", ["BPR", "LightGCN", "NGCF"])
def test_metrics_under_the_same_draws_are_recboles(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    shape = {"hidden_size_list": [16, 16], "message_dropout": 0.0} if model == "NGCF" else {}
    keys = {"data_path": str(tmp_path / "data"), "epochs": 4, "embedding_size": 16, "train_batch_size": 128, **shape}
    keys |= {"judge": "none", "learning_rate": 0.01}
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def watched(stock: Any) -> Any:
        def calculate_loss(self: Any, rows: Any) -> Any:
            seen.append((rows[self.USER_ID].clone(), rows[self.NEG_ITEM_ID].clone()))
            return stock(self, rows)

        return calculate_loss

    kind = get_model(model)
    with monkeypatch.context() as watching:
        watching.setattr(kind, "calculate_loss", watched(kind.calculate_loss))
        theirs = {"neg_sampler": "recbole:uniform", "run_dir": str(tmp_path / "stock")}
        stock = run_recbole_dtlns(model, "toy", config_dict={**keys, **theirs})
    assert len(seen) == 4 * 5
    Replayed.drawn = [*seen]
    monkeypatch.setitem(SAMPLERS, "replayed", Replayed)
    monkeypatch.setattr(
        trained_run, "hardness_fields", lambda *_, **__: None
    )  # it would draw once more, after training
    ours = run_recbole_dtlns(
        model, "toy", config_dict={**keys, "neg_sampler": "replayed", "run_dir": str(tmp_path / "ours")}
    )
    assert Replayed.drawn == []
    assert dict(ours["best_valid_result"]) == pytest.approx(dict(stock["best_valid_result"]), abs=2e-4)
    assert dict(ours["test_result"]) == pytest.approx(dict(stock["test_result"]), abs=2e-4)
