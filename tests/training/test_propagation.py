"""Propagation with hand-written backward passes, against plain autograd on dense matrices."""

from typing import Any

import pytest
import torch
from scipy import sparse
from torch import Tensor

from recbole_dtlns.training.propagation import PooledLayers, RowGradients, SymmetricPropagation

USERS, ITEMS, WIDTH = 7, 5, 3
SOME = torch.tensor([1, 3, 3])


def _graph() -> Tensor:
    links = (torch.rand(USERS, ITEMS, generator=torch.Generator().manual_seed(0)) < 0.5).float() * 0.4
    both = torch.zeros(USERS + ITEMS, USERS + ITEMS)
    both[:USERS, USERS:], both[USERS:, :USERS] = links, links.T
    return both


def _table() -> Tensor:
    return torch.randn(USERS + ITEMS, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()


def _plain(graph: Tensor, table: Tensor, n_layers: int) -> list[Tensor]:
    layers = [table]
    for _ in range(n_layers):
        layers.append(graph @ layers[-1])
    return layers


def _rows_of(layers: list[Tensor]) -> dict[str, Tensor]:
    """What a batch may read: some rows twice."""
    means = torch.stack(layers).mean(0)
    parts = {"users": means[:USERS], "items": means[USERS:], "user rows": means[SOME], "item rows": means[USERS + SOME]}
    for number, layer in enumerate(layers):
        parts |= {f"user rows {number}": layer[SOME], f"item rows {number}": layer[USERS + SOME]}
    return parts


@pytest.mark.parametrize("n_layers", [0, 1, 3])
@pytest.mark.parametrize("used", ["users", "items", "user rows", "item rows", "user rows 0", "item rows 1", "all"])
def test_pooled_layers_and_their_gradients_are_those_of_autograd(n_layers: int, used: str) -> None:
    if used[-1].isdigit() and int(used[-1]) > n_layers:
        used = "user rows 0"
    graph, table = _graph(), _table()
    pooled = PooledLayers(SymmetricPropagation(graph.to_sparse_coo()), table, n_layers, USERS)
    ours = {"users": pooled.users, "items": pooled.items}
    for number in (None, *range(n_layers + 1)):
        end = "" if number is None else f" {number}"
        ours |= {f"user rows{end}": pooled.user_rows(number, SOME), f"item rows{end}": pooled.item_rows(number, SOME)}
    plain = _rows_of(_plain(graph, table, n_layers))
    assert ours.keys() == plain.keys()
    for name, rows in plain.items():
        torch.testing.assert_close(ours[name], rows)

    def loss(parts: dict[str, Tensor]) -> Tensor:
        return sum(((part + 1) ** 3).sum() for name, part in parts.items() if used in (name, "all"))

    (got,) = torch.autograd.grad(loss(ours), table)
    (expected,) = torch.autograd.grad(loss(plain), table)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_many_rows_of_a_layer_are_added_up_in_a_table_of_its_size() -> None:
    graph, table = _graph(), _table()
    pooled = PooledLayers(SymmetricPropagation(graph.to_sparse_coo()), table, 1, USERS)
    plain = _rows_of(_plain(graph, table, 1))
    several = [pooled.item_rows(number, SOME) * k for number in (None, 1) for k in range(1, 12)]
    largest, keep = 0, RowGradients.keep

    def watched(self: RowGradients, *arguments: Any) -> None:
        nonlocal largest
        keep(self, *arguments)
        largest = max(largest, *(sum(len(rows) for rows, _ in kept) for kept in self._kept.values()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowGradients, "keep", watched)
        (got,) = torch.autograd.grad(torch.stack(several).sum(), table)
    assert largest <= USERS + ITEMS
    expected = torch.autograd.grad(66 * (plain["item rows"] + plain["item rows 1"]).sum(), table)[0]
    torch.testing.assert_close(got, expected)


def test_rows_that_were_not_in_an_earlier_loss_leave_no_gradient_in_a_later_one() -> None:
    graph, table = _graph(), _table()
    pooled = PooledLayers(SymmetricPropagation(graph.to_sparse_coo()), table, 1, USERS)
    first = pooled.item_rows(1, SOME).sum()
    torch.autograd.grad(pooled.item_rows(0, SOME).sum(), table, retain_graph=True)
    (got,) = torch.autograd.grad(first, table)
    (expected,) = torch.autograd.grad((graph @ table)[USERS + SOME].sum(), table)
    torch.testing.assert_close(got, expected)


def test_rows_with_a_gradient_are_known_until_they_are_added_up() -> None:
    gradients = RowGradients(USERS + ITEMS)
    assert len(gradients.rows(1, torch.device("cpu"))) == 0
    gradients.keep(1, SOME, torch.ones(3, WIDTH))
    gradients.keep(1, SOME + 1, torch.ones(3, WIDTH))
    gradients.keep(0, SOME + 5, torch.ones(3, WIDTH))
    assert gradients.rows(1, torch.device("cpu")).tolist() == [1, 2, 3, 4]
    for _ in range(4):
        gradients.keep(1, SOME, torch.ones(3, WIDTH))
    assert gradients.rows(1, torch.device("cpu")) is None


@pytest.mark.parametrize(("mkl", "kind"), [(True, Tensor), (False, sparse.csr_matrix)])
def test_with_and_without_mkl_the_product_is_the_same(mkl: bool, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    graph, table = _graph(), _table()
    propagate = SymmetricPropagation(graph.to_sparse_coo())
    assert isinstance(propagate.matrix, kind)
    torch.testing.assert_close(propagate.product(table.detach()), graph @ table.detach())


def test_half_precision_is_multiplied_in_single() -> None:
    graph, table = _graph(), _table().detach().bfloat16()
    product = SymmetricPropagation(graph.to_sparse_coo()).product(table)
    torch.testing.assert_close(product, graph @ table.float())
