"""The list loss: known answers, what is left out, whom it chooses, and the scores it is given."""

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from scipy import sparse
from torch import Tensor, nn

from recbole_dtlns.samplers.parts.history import History
from recbole_dtlns.training.layers import LayerTables, concatenated, mean_pooled
from recbole_dtlns.training.list_loss import ListLoss, ListSettings
from recbole_dtlns.training.scores import joint_predictions

N_USERS, N_ITEMS = 5, 9
ITEMS = torch.tensor([[0, 0, 0], [4, 5, 6], [7, 0, 0], [0, 0, 0], [1, 2, 0]], dtype=torch.int32)
VALUES = torch.tensor([[0, 0, 0], [0.9, 0.6, 0.3], [0.5, 0, 0], [0, 0, 0], [0.2, 0.2, 0]])
TRAIN = {(1, 1), (1, 2), (2, 8), (3, 3), (4, 8)}


Pairs = set[tuple[int, int]]


def made(
    n_users: int = 9,
    n_drawn: int = 6,
    temperature: float = 1.0,
    weight: float = 1.0,
    seed: int = 0,
    train: Pairs = TRAIN,
) -> ListLoss:
    rows, columns = zip(*train, strict=True)
    history = History(sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(N_USERS, N_ITEMS)))
    settings = ListSettings(weight, temperature, n_users, n_drawn)
    return ListLoss(ITEMS, VALUES, history, N_ITEMS, settings, torch.Generator().manual_seed(seed))


class Table:
    """Gives scores from a table [U, I], and notes what it was asked."""

    def __init__(self, users: Tensor, seed: int = 3) -> None:
        self.users, self.asked = users, []
        self.scores = torch.randn(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(seed)).requires_grad_()

    def __call__(self, rows: Tensor, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        users = self.users[rows]
        self.asked.append((users, own, shared))
        return self.scores[users].gather(1, own), self.scores[users][:, shared]


def is_positive(user: int, item: int) -> bool:
    return (user, item) in TRAIN or item in ITEMS[user].tolist()


def plain_loss(table: Table, temperature: float) -> float:
    """The same by a loop over users and items."""
    users, _, shared = table.asked[-1]
    scores, losses = table.scores.detach().numpy() / temperature, []
    for user in users.tolist():
        listed = [item for item in ITEMS[user].tolist() if item]
        others = [item for item in shared.tolist() if not is_positive(user, item)]
        softmax = np.exp(scores[user, listed]) / np.exp(scores[user, listed + others]).sum()
        values = VALUES[user, : len(listed)].numpy()
        losses.append(-(values / values.sum() * np.log(softmax)).sum())
    return float(np.mean(losses))


def test_the_loss_of_one_user_by_hand() -> None:
    """Without drawn items: scores 0, log 2, log 4 give shares 1/7, 2/7, 4/7; the values' shares are 1/2, 1/3, 1/6."""
    table = Table(torch.tensor([1]))
    with torch.no_grad():
        table.scores[1, 4:7] = torch.log(torch.tensor([1.0, 2.0, 4.0]))
    loss = made(n_drawn=0)(torch.tensor([1]), table)
    by_hand = np.log(7) / 2 + np.log(7 / 2) / 3 + np.log(7 / 4) / 6
    assert loss.item() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.3, 5.0])
@pytest.mark.parametrize("n_drawn", [0, 1, 6, 40])  # of 40, all are drawn several times
def test_the_loss_is_that_of_a_plain_loop(temperature: float, n_drawn: int) -> None:
    users = torch.tensor([4, 1, 2, 3, 1])
    table = Table(users)
    loss = made(n_drawn=n_drawn, temperature=temperature)(users, table)
    assert loss.item() == pytest.approx(plain_loss(table, temperature), abs=1e-5)


def test_the_weight_is_a_factor_and_the_mean_goes_without_it() -> None:
    users = torch.tensor([1, 2])
    lists, heavy = made(), made(weight=3.0)
    first, second = lists(users, Table(users)), heavy(users, Table(users))
    assert second.item() == pytest.approx(3 * first.item())
    again = lists(users, Table(users))
    assert lists.mean() == pytest.approx((first.item() + again.item()) / 2)
    assert heavy.mean() == pytest.approx(first.item())
    lists.begin()
    assert lists.mean() is None


def test_training_items_listed_items_and_padding_are_never_pushed_down() -> None:
    users = torch.arange(1, N_USERS)
    for seed in range(5):
        table = Table(users)
        made(n_drawn=40, seed=seed)(users, table).backward()
        gradient = table.scores.grad
        assert gradient.isfinite().all()
        for user in range(N_USERS):
            for item in range(N_ITEMS):
                if (user, item) in TRAIN or item == 0 or user in (0, 3):
                    assert gradient[user, item] == 0
                elif item not in ITEMS[user].tolist():
                    assert gradient[user, item] > 0  # an unlisted item that was drawn
    _, own, _ = table.asked[-1]
    assert (own == 0).any()


def test_gradients_are_finite_where_every_drawn_item_is_left_out() -> None:
    users, all_others = torch.tensor([1]), {(1, item) for item in (1, 2, 3, 7, 8)}
    losses = []
    for n_drawn in (0, 3):
        table = Table(users)
        with torch.autograd.detect_anomaly(check_nan=True):  # users may look for NaN so
            loss = made(n_drawn=n_drawn, train=all_others)(users, table)
            loss.backward()
        assert table.scores.grad.isfinite().all()
        assert table.scores.grad[1, [1, 2, 3, 7, 8]].tolist() == [0] * 5
        losses.append(loss.item())
    assert losses[0] == losses[1]


def test_users_are_different_listed_and_at_most_so_many() -> None:
    batch = torch.tensor([3, 1, 1, 2, 4, 1, 0, 2])
    chosen = []
    lists = made(n_users=2)
    for _ in range(30):
        table = Table(batch)
        lists(batch, table)
        users = table.asked[0][0].tolist()
        assert len(set(users)) == len(users) == 2
        chosen += users
    assert set(chosen) == {1, 2, 4}  # each has its turn
    everyone = Table(batch)
    made()(batch, everyone)
    assert sorted(everyone.asked[0][0].tolist()) == [1, 2, 4]


def test_a_batch_without_a_listed_user_adds_nothing() -> None:
    lists, users = made(), torch.tensor([3, 3, 0])
    assert lists(users, Table(users)) is None
    assert lists.mean() is None


def test_drawn_items_are_uniform_over_all_items_and_follow_the_generator() -> None:
    users = torch.tensor([1, 2])
    draws = []
    for seed in (0, 0, 1):
        table = Table(users)
        made(n_drawn=4000, seed=seed)(users, table)
        draws.append(table.asked[0][2])
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    counts = torch.bincount(draws[0], minlength=N_ITEMS)
    assert counts[0] == 0
    assert (counts[1:] - 500).abs().max() < 100  # 4.8 standard deviations


def tables(pooled: bool) -> tuple[LayerTables, list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    layers = [torch.randn(N_USERS + N_ITEMS, 4, generator=generator).requires_grad_() for _ in range(3)]
    if pooled:
        return mean_pooled(layers, N_USERS), layers
    users, items = (torch.cat([layer[part] for layer in layers], 1) for part in (slice(N_USERS), slice(N_USERS, None)))
    return concatenated(users, items, (4, 4, 4)), layers


@pytest.mark.parametrize("pooled", [True, False])
def test_joint_scores_and_gradients_are_those_of_the_layers(pooled: bool) -> None:
    users, rows = torch.tensor([3, 1, 4, 2]), torch.tensor([2, 0])
    own, shared = torch.tensor([[1, 2], [3, 0]]), torch.tensor([5, 5, 8])
    gradients = []
    for joint in (True, False):
        made_tables, layers = tables(pooled)
        batch = made_tables.batch(users)
        assert (batch.pooled_items is not None) == pooled
        if joint:
            scores = torch.cat(batch.joint_scores(rows, own, shared), 1)
        else:
            whole = (batch.queries @ batch.items.T)[rows]
            scores = torch.cat([whole.gather(1, own), whole[:, shared]], 1)
        (scores * torch.arange(1.0, 11).reshape(2, 5)).sum().backward()
        gradients.append((scores.detach(), *(layer.grad for layer in layers)))
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("pooled", [True, False])
def test_scores_of_items_and_their_gradients_are_those_of_their_layers(pooled: bool) -> None:
    users, ids = torch.tensor([3, 1, 4]), torch.tensor([[1, 2], [3, 0], [8, 8]])
    gradients = []
    for way in (lambda batch: batch.item_scores(ids), lambda batch: batch.scores(batch.rows(ids))):
        made_tables, layers = tables(pooled)
        scores = way(made_tables.batch(users))
        (scores * torch.arange(1.0, 7).reshape(3, 2)).sum().backward()
        gradients.append((scores.detach(), *(layer.grad for layer in layers)))
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # the loss compares them with the positive's
        scores = tables(pooled)[0].batch(users).item_scores(ids)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores.detach(), gradients[0][0])


class Keeping(nn.Module):
    """A model that keeps its table for evaluation, as SGL does."""

    USER_ID, ITEM_ID = "user_id", "item_id"

    def __init__(self) -> None:
        super().__init__()
        self.table, self.kept = nn.Parameter(torch.randn(N_USERS, N_ITEMS)), None

    def predict(self, rows: Interaction) -> Tensor:
        if self.kept is None:
            self.kept = self.table * 2
        return self.kept[rows["user_id"], rows["item_id"]]


def test_scores_by_predict_have_a_gradient_and_leave_nothing_behind() -> None:
    model, users = Keeping(), torch.tensor([3, 1])
    own, shared = torch.tensor([[1, 2], [3, 0]]), torch.tensor([5, 8, 8])
    first, second = joint_predictions(model, users, own, shared)
    expected = 2 * model.table.detach()[users]
    torch.testing.assert_close(first.detach(), expected.gather(1, own))
    torch.testing.assert_close(second.detach(), expected[:, shared])
    assert model.kept is None
    (first.sum() + second.sum()).backward()
    assert model.table.grad[1, 8] == 4
    assert model.table.grad[2].abs().sum() == 0
