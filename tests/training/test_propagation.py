"""Propagation with hand-written backward passes, against plain autograd on dense matrices."""

import pytest
import torch
from scipy import sparse
from torch import Tensor

from recbole_dtlns.training.propagation import PooledLayers, SymmetricPropagation, side_by_side

USERS, ITEMS, WIDTH = 7, 5, 3


def _graph() -> Tensor:
    links = (torch.rand(USERS, ITEMS, generator=torch.Generator().manual_seed(0)) < 0.5).float() * 0.4
    both = torch.zeros(USERS + ITEMS, USERS + ITEMS)
    both[:USERS, USERS:], both[USERS:, :USERS] = links, links.T
    return both


def _table() -> Tensor:
    return torch.randn(USERS + ITEMS, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()


def _plain(graph: Tensor, table: Tensor, n_layers: int) -> PooledLayers:
    layers = [table]
    for _ in range(n_layers):
        layers.append(graph @ layers[-1])
    means = torch.stack(layers).mean(0)
    items = torch.cat([layer[USERS:] for layer in layers], dim=1)
    return PooledLayers(means[:USERS], means[USERS:], items, tuple(layers))


@pytest.mark.parametrize("n_layers", [0, 1, 3])
@pytest.mark.parametrize("used", ["users", "items", "side_by_side", "layers", "all"])
def test_pooled_layers_and_their_gradients_are_those_of_autograd(n_layers: int, used: str) -> None:
    graph, table = _graph(), _table()
    ours = PooledLayers.of(SymmetricPropagation(graph.to_sparse_coo()), table, n_layers, USERS)
    plain = _plain(graph, table, n_layers)

    def loss(pooled: PooledLayers) -> Tensor:
        parts = {"users": pooled.users, "items": pooled.items, "side_by_side": pooled.side_by_side}
        parts["layers"] = torch.cat(pooled.layers)
        chosen = list(parts.values()) if used == "all" else [parts[used]]
        return sum(((part + 1) ** 3).sum() for part in chosen)

    torch.testing.assert_close(ours.users, plain.users)
    torch.testing.assert_close(ours.items, plain.items)
    torch.testing.assert_close(ours.side_by_side, plain.side_by_side)
    torch.testing.assert_close(ours.layers, plain.layers)
    (got,) = torch.autograd.grad(loss(ours), table)
    (expected,) = torch.autograd.grad(loss(plain), table)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_side_by_side_and_its_gradients_are_those_of_cat() -> None:
    layers = [_table(), torch.randn(USERS + ITEMS, 2, requires_grad=True)]
    ours = torch.cat(side_by_side(layers, USERS))
    plain = torch.cat(layers, dim=1)
    assert torch.equal(ours, plain)
    got = torch.autograd.grad((ours**3).sum(), layers)
    torch.testing.assert_close(got, torch.autograd.grad((plain**3).sum(), layers))
    (alone,) = torch.autograd.grad((side_by_side(layers, USERS)[1] ** 2).sum(), layers[:1])
    assert not alone[:USERS].any()
    torch.testing.assert_close(alone[USERS:], 2 * layers[0][USERS:].detach())


@pytest.mark.parametrize(
    ("threads", "mkl", "kind"), [(1, True, sparse.csr_matrix), (2, True, Tensor), (2, False, sparse.csr_matrix)]
)
def test_one_core_and_several_give_the_same_product_and_gradient(
    threads: int, mkl: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    graph, table = _graph(), _table()
    propagate = SymmetricPropagation(graph.to_sparse_coo())
    assert isinstance(propagate.matrix, kind)
    torch.testing.assert_close(propagate(table), graph @ table)
    (got,) = torch.autograd.grad((propagate(table) ** 3).sum(), table)
    torch.testing.assert_close(got, torch.autograd.grad(((graph @ table) ** 3).sum(), table)[0])
