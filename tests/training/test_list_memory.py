"""A list loss that would not fit into memory is refused before training, with the key to set."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from recbole.data.interaction import Interaction
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.errors import UserError
from recbole_dtlns.training import list_memory

WIDTH = 1000
BYTES = 2 * 4 * WIDTH  # of a pair: what exp keeps, and its gradient


class Wide(torch.nn.Module):
    """A model whose `predict` keeps a thousand numbers of each pair for the backward pass."""

    USER_ID, ITEM_ID = "user", "item"
    n_users, n_items, device = 40, 50, torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def predict(self, interaction: Interaction) -> torch.Tensor:
        pairs = (interaction["user"] + interaction["item"]).float().unsqueeze(1)
        return (self.scale * pairs / 100).expand(-1, WIDTH).exp().sum(1)


Free = Callable[[float], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    return lambda size: monkeypatch.setattr(list_memory, "_free_bytes", lambda device: int(size))


def test_what_does_not_fit_is_refused_with_a_number_of_users_that_fits(free: Free) -> None:
    free(10 * 60 * BYTES)  # ten users of sixty items
    with pytest.raises(UserError, match="Wide about 256 users x 60 items") as error:
        list_memory.check_list_memory(Wide(), 256, 60)
    (fitting,) = re.findall(r"--list_users=(\d+)", str(error.value))
    assert 9 <= int(fitting) <= 10
    list_memory.check_list_memory(Wide(), int(fitting), 60)
    with pytest.raises(UserError):
        list_memory.check_list_memory(Wide(), int(fitting) + 1, 60)


def test_pairs_are_named_where_not_even_a_user_fits(free: Free) -> None:
    free(30 * BYTES)
    with pytest.raises(UserError, match="--positives_loss=pairs"):
        list_memory.check_list_memory(Wide(), 1, 60)


def test_much_memory_is_warned_of(free: Free, caplog: pytest.LogCaptureFixture) -> None:
    free(2**40)
    with caplog.at_level(logging.WARNING):
        list_memory.check_list_memory(Wide(), 100, 60)
        assert not caplog.messages
        list_memory.check_list_memory(Wide(), 100_000, 60)
    assert "44.7 GB" in caplog.text


def test_measuring_changes_nothing(free: Free) -> None:
    free(2**40)
    model = Wide().train()
    model.cached = None  # a table that a model may keep for evaluation
    state, random = dict(vars(model)), torch.random.get_rng_state()
    list_memory.check_list_memory(model, 256, 60)
    assert model.training
    assert model.scale.grad is None
    assert vars(model) == state
    assert torch.equal(torch.random.get_rng_state(), random)


@pytest.mark.parametrize("model", ["LINE", "BPR"])  # scored by `predict`, and by layers
def test_the_command_asks_before_it_trains(
    model: str, free: Free, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "toy", toy_split())
    free(0)
    flags = ["--dataset=toy", f"--data_path={tmp_path}", "--neg_sampler=dns", "--judge=keep_all", "--epochs=1"]
    lists = ["--positives_loss=list", f"--cache_dir={tmp_path / 'cache'}", f"--run_dir={tmp_path / 'run'}"]
    status = main([f"--model={model}", *flags, *lists])
    assert status == (2 if model == "LINE" else 0)
    assert ("asks LINE about" in capsys.readouterr().err) == (model == "LINE")
