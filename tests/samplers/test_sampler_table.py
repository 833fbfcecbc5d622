"""The table of docs/samplers.md says what the samplers are and do."""

import re
from pathlib import Path

import pytest
import torch
from small import chosen
from test_conformance import batch, epoch, made

from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import Sampler
from recbole_dtlns.samplers.batch import Batch, Choice

DOC = (Path(__file__).parents[2] / "docs" / "samplers.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for line in DOC.splitlines()
    if line.startswith("| `") and not line.startswith("| `neg_sampler`")
    for cells in [line.strip("| ").split(" | ")]
}


def returns(choice: Choice) -> str:
    if choice.negatives is not None:
        return "made-up layers"
    if choice.ids.dim() == 3:
        return "an id a layer"
    return "an id" if choice.ids.shape[1] == 1 else "weighted ids"


def loss(choice: Choice, seen: Batch) -> str:
    own = seen.the_layers.rows(seen.positives)
    if choice.positives is not None and not torch.equal(choice.positives, own):
        return "positive replaced"
    if choice.aux_loss is not None:
        return "further term"
    return "as it is" if choice.weights is None else "weights"


def state(sampler: Sampler) -> str:
    if sampler.modules() is not None:
        return "gates"
    return "memory" if sampler.state_dict() else "none"


def test_every_sampler_has_a_row_and_a_section_on_what_we_do_differently() -> None:
    assert set(ROWS) == set(SAMPLERS)
    assert set(re.findall(r"^- `(\w+)`:", DOC, re.M)) == set(SAMPLERS) - {"uniform", "dns"}


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_its_row_is_true(name: str) -> None:
    sampler = made(name)
    epoch(sampler, 0)
    seen = batch(sampler, epoch=1)
    choice = chosen(sampler, seen)
    _, said_returns, cost, said_state, said_loss, keys = ROWS[name]
    assert (said_returns, said_state, said_loss) == (returns(choice), state(sampler), loss(choice, seen))
    assert cost.startswith("O(")
    start = [f"`{key}` {str(declared.default).lower()}" for key, declared in SAMPLERS[name].keys.items()]
    assert keys == (", ".join(start) or "-")
