"""What samplers with trainable gates share."""

import pytest
import torch

from recbole_dtlns.samplers.parts import gates
from recbole_dtlns.samplers.parts.gates import linear, row_blocks


def test_linear_maps_start_as_torchs_own_from_the_generator_alone() -> None:
    layer = linear(16, 400, torch.Generator().manual_seed(0))
    for parameter in layer.parameters():
        assert -0.25 <= parameter.min() < -0.24  # 1 / sqrt(16)
        assert 0.24 < parameter.max() <= 0.25
        assert parameter.requires_grad
    again = linear(16, 400, torch.Generator().manual_seed(0))
    assert torch.equal(layer.weight, again.weight)
    assert torch.equal(layer.bias, again.bias)


@pytest.mark.parametrize(("numbers", "blocks"), [(1, 7), (30, 3), (1 << 20, 1)])
def test_blocks_hold_every_row_once(numbers: int, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "_NUMBERS", numbers)
    candidates = torch.arange(14).reshape(7, 2)
    blocks_of_rows = [candidates[rows] for rows in row_blocks(candidates, 5)]
    assert torch.equal(torch.cat(blocks_of_rows), candidates)
    assert len(blocks_of_rows) == blocks
