"""NGCF's layers by our own forward and backward pass, against plain autograd on RecBole's; and their dropout."""

import gc
import weakref
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recbole.model.general_recommender import NGCF
from test_layers import USERS, batch, fresh
from test_lightgcn_layers import READINGS, assert_same_readings

from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training import bi_interaction
from recbole_dtlns.training.bi_interaction import dropped_cells
from recbole_dtlns.training.layers import LAYER_SOURCES, concatenated
from recbole_dtlns.training.scores import remembered_forward

CPU = torch.device("cpu")


def plain_layers(model: Any) -> BatchLayers:
    """RecBole's forward pass, cut into its layers."""
    return concatenated(*type(model).forward(model), tuple(model.hidden_size_list)).batch(USERS)


def assert_as_recbole(model: Any, name: str) -> None:
    ways = (lambda: LAYER_SOURCES["NGCF"](model)().batch(USERS), lambda: plain_layers(model))
    assert_same_readings(model, name, ways, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("widths", [[8, 4], [16, 16]])
@pytest.mark.parametrize("name", READINGS)
def test_whatever_is_read_of_ngcf_has_the_values_and_gradients_of_plain_layers(name: str, widths: list[int]) -> None:
    assert_as_recbole(fresh("NGCF", hidden_size_list=widths).eval(), name)


class Fixed(torch.nn.Module):
    """Dropout of the cells that it is told, layer after layer."""

    def __init__(self, share: float, masks: list[torch.Tensor]) -> None:
        super().__init__()
        self.p, self.masks = share, masks

    def forward(self, table: torch.Tensor) -> torch.Tensor:
        mask = self.masks.pop(0)
        self.masks.append(mask)
        return table.masked_fill(mask, 0) / (1 - self.p)


@pytest.mark.parametrize("as_places", [True, False])
@pytest.mark.parametrize("name", ["composite", "items"])
def test_with_the_same_dropped_cells_values_and_gradients_are_recboles(
    name: str, as_places: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh("NGCF", hidden_size_list=[24, 16], message_dropout=0.25).train()
    draw = torch.Generator().manual_seed(3)
    masks = [torch.rand(model.n_users + model.n_items, width, generator=draw) < 0.25 for width in (24, 16)]
    model.emb_dropout = Fixed(0.25, masks)
    pending = [mask.flatten() for mask in masks]

    def told(n_cells: int, share: float, device: torch.device) -> torch.Tensor:
        assert share == 0.25
        mask = pending.pop(0)
        assert len(mask) == n_cells
        return mask.nonzero().squeeze(1) if as_places else mask

    monkeypatch.setattr(bi_interaction, "dropped_cells", told)
    assert_as_recbole(model, name)
    assert pending == []


def test_cells_are_dropped_in_training_alone() -> None:
    source = LAYER_SOURCES["NGCF"](model := fresh("NGCF", message_dropout=0.1).train())
    layers = source().item_tables
    assert not (layers[0] == 0).any()
    shares = [(layer == 0).float().mean().item() for layer in layers[1:]]
    assert shares == pytest.approx([0.1] * 3, abs=0.01)
    assert not any((layer == 0).any() for layer in (model.eval(), source())[1].item_tables)


def places(n_cells: int, share: float) -> list[int]:
    cells = dropped_cells(n_cells, share, CPU)
    return (cells.nonzero().squeeze(1) if cells.dtype == torch.bool else cells).tolist()


@pytest.mark.parametrize("one_round", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_each_cell_is_dropped_with_its_probability_and_independent_of_its_neighbour(
    share: float, one_round: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not one_round:  # as many numbers at once as cells are dropped on average: half of the draws need more
        monkeypatch.setattr(bi_interaction, "math", SimpleNamespace(sqrt=lambda _: -1))
    torch.manual_seed(0)
    draws, n_cells = 20_000, 20
    alone: Counter[int] = Counter()
    with_next: Counter[int] = Counter()
    for _ in range(draws):
        dropped = places(n_cells, share)
        assert dropped == sorted(set(dropped))
        alone.update(dropped)
        with_next.update(set(dropped) & {cell - 1 for cell in dropped})
    assert set(alone) == set(range(n_cells))
    for counts, chance, n in ((alone, share, n_cells), (with_next, share**2, n_cells - 1)):
        allowed = 4.5 * (chance * (1 - chance) / draws) ** 0.5
        assert [counts[cell] / draws for cell in range(n)] == pytest.approx([chance] * n, abs=allowed)


def test_all_cells_may_be_dropped() -> None:
    model = fresh("NGCF", message_dropout=1.0).train()
    assert not any(layer.any() for layer in LAYER_SOURCES["NGCF"](model)().item_tables[1:])


def test_a_seed_drops_the_same_cells_again() -> None:
    first, second = ((torch.manual_seed(5), places(1000, 0.1))[1] for _ in range(2))
    assert first == second != places(1000, 0.1)


def test_a_loss_that_is_not_recboles_gets_whole_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = fresh("NGCF", message_dropout=0.0), batch(fresh("NGCF"))

    class Changed(NGCF):
        def calculate_loss(self, interaction: Any) -> torch.Tensor:
            users, items = self.forward()
            return (users @ items.T).square().mean()

    model.__class__ = Changed
    with remembered_forward(model, LAYER_SOURCES["NGCF"](model)().batch(rows[model.USER_ID])):
        loss = model.calculate_loss(rows)
    torch.testing.assert_close(loss, model.calculate_loss(rows))


def test_layers_are_forgotten_with_their_batch() -> None:
    """Nothing holds itself: memory does not wait for the collector of cycles."""
    model = fresh("NGCF").train()
    tables = LAYER_SOURCES["NGCF"](model)()
    layers = tables.batch(USERS)
    held = weakref.ref(tables.item_tables[1])
    loss = layers.queries.sum() + tables.forward[1][USERS].sum()
    loss.backward()
    gc.disable()
    try:
        del tables, layers, loss
        assert held() is None
    finally:
        gc.enable()


def test_mixed_precision_leaves_the_layers_in_single() -> None:
    model = fresh("NGCF").eval()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = LAYER_SOURCES["NGCF"](model)().item_tables
    assert all(torch.equal(*pair) for pair in zip(mixed, LAYER_SOURCES["NGCF"](model)().item_tables, strict=True))


@pytest.mark.parametrize("everything", [True, False])
def test_a_backward_pass_under_mixed_precision_is_one_in_single(everything: bool) -> None:
    """Of all rows, whose gradients are added up in a table, and of a few."""
    model = fresh("NGCF").eval()
    ids = torch.arange(model.n_users).repeat(2 if everything else 1)[: None if everything else 3]
    found = []
    for mixed in (True, False):
        loss = (LAYER_SOURCES["NGCF"](model)().forward[0][ids] ** 2).sum()
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss.backward()
        found.append([value.grad.clone() for value in model.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
