"""Adam in one pass over the memory: the same updates, for our own steps alone."""

from pathlib import Path

import pytest
import torch

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.training.assemble import prepare
from recbole_dtlns.training.fused_adam import fuse_adam


def updated(fused: bool) -> list[torch.Tensor]:
    """Two tables after five steps on the same gradients; the second joins after the first step."""
    draws = torch.Generator().manual_seed(0)
    tables = [torch.randn(7, 5, generator=draws).requires_grad_() for _ in range(2)]
    optimizer = torch.optim.Adam(tables[:1], lr=0.1, weight_decay=0.01)
    if fused:
        fuse_adam(optimizer)
    optimizer.add_param_group({"params": tables[1:], "lr": 0.01})
    for _ in range(5):
        for table in tables:
            table.grad = torch.randn(7, 5, generator=draws)
        optimizer.step()
    assert all(bool(group["fused"]) is fused for group in optimizer.param_groups)
    return tables


def test_the_updates_are_adams() -> None:
    torch.testing.assert_close(updated(True), updated(False))


def test_other_optimizers_stay_as_they_are() -> None:
    table = torch.ones(2, requires_grad=True)
    for kind in (torch.optim.AdamW, torch.optim.SGD):
        optimizer = kind([table], lr=0.1)
        before = [dict(group) for group in optimizer.param_groups]
        fuse_adam(optimizer)
        assert optimizer.param_groups == before


@pytest.mark.parametrize(("sampler", "fused"), [("uniform", True), ("mixgcf", True), ("recbole:uniform", False)])
def test_recboles_own_samplers_keep_recboles_own_adam(sampler: str, fused: bool, toy: Path) -> None:
    keys = {"data_path": str(toy / "data"), "neg_sampler": sampler, "judge": "none", "state": "ERROR"}
    config = Config("BPR", "toy", config_dict=keys)
    trainer = prepare(config, build_split(config, toy / "cache"), None, None).trainer
    assert all(bool(group["fused"]) is fused for group in trainer.optimizer.param_groups)
