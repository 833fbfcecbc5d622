"""Two processes train one run: what they compute, and that it is what one process computes."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_parts import SMALL
from cut_off import cut_off_in_epoch
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.loading import load_run
from recbole_dtlns.evaluation.result import metrics
from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs
from recbole_dtlns.files.run_folder import CHECKPOINT, read_result
from recbole_dtlns.files.saved_state import read_state
from recbole_dtlns.processes import launch
from recbole_dtlns.processes.gradients import averaging, require_equal, share_values
from recbole_dtlns.processes.group import decided_by_first, gathered, require_same_run, this_rank
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.training.shared_trainer import SharedTraining

TWO = launch.Processes(2, 2, 0, "localhost", None)
SAMPLED = ("--judge=none", "--neg_sampler=srns")


BASE = ["--model=BPR", "--dataset=toy", "--data_path=data", "--run_dir=run"]


def train(*flags: str, run_dir: str = "run", model: str = "BPR", n: int = 2) -> int:
    base = [f"--model={model}", "--dataset=toy", "--data_path=data", "--epochs=3", f"--run_dir={run_dir}", *SMALL]
    return main([*base, f"--nproc={n}", *flags])


pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def even(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data/toy, whose training part has an even number of pairs."""
    split = toy_split()
    split["train"] = split["train"][: len(split["train"]) // 2 * 2]
    write_pairs(tmp_path / "data" / "toy", split)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Next(BaseSampler):
    """No chance: the negative is the item after the positive."""

    def propose(self, users: torch.Tensor, n: int) -> torch.Tensor:
        self.users = users
        return torch.ones(len(users), n, dtype=torch.int64)

    def choose(self, batch: Any, picked: torch.Tensor, scores: torch.Tensor) -> Any:
        choice = super().choose(batch, picked, scores)
        choice.ids.copy_((batch.positives % 40 + 1).unsqueeze(1))
        return choice


def parameters_of(run: str) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_state(Path(run) / CHECKPOINT)["state_dict"]
    return state


def keep_of_all_ranks(monkeypatch: pytest.MonkeyPatch, path: Path, wanted: Callable[[Any, Any], Any]) -> None:
    """Write what every rank has after training: `wanted` of its trainer and its training loader."""
    stock = SharedTraining.fit

    def fit(self: Any, train_data: Any, *arguments: Any, **options: Any) -> Any:
        result = stock(self, train_data, *arguments, **options)
        ranks = gathered(wanted(self, train_data))
        if this_rank().is_first:
            torch.save(ranks, path)
        return result

    monkeypatch.setattr(SharedTraining, "fit", fit)


def test_two_processes_train_what_one_trains_on_the_same_batches(even: Path) -> None:
    SAMPLERS["next"] = Next
    # plain steps: Adam divides small gradients by their size, and their rounding with them
    same = ("--reg_weight=0", "--neg_sampler=next", "--judge=none", "--shuffle=false", "--learner=sgd")
    assert [train(*same, model="LightGCN", run_dir=run, n=n) for run, n in (("one", 1), ("two", 2))] == [0, 0]
    alone, together = parameters_of("one"), parameters_of("two")
    for name, values in alone.items():
        torch.testing.assert_close(together[name], values, rtol=1e-4, atol=1e-6)
    left, right = (read_epochs(Path(run) / EPOCHS) for run in ("one", "two"))
    assert [row["train_loss"] for row in right.values()] == pytest.approx([row["train_loss"] for row in left.values()])
    assert read_result(Path("one"))["test_result"] == read_result(Path("two"))["test_result"]


def test_all_ranks_end_with_the_same_parameters_and_metrics_are_those_of_one_process(
    even: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_of_all_ranks(
        monkeypatch, even / "ranks.pt", lambda trainer, _: [parameter.detach() for parameter in trainer._parameters]
    )
    assert train("--judge=keep_all", "--positives_loss=list", "--neg_sampler=dens") == 0
    first, second = torch.load(even / "ranks.pt")
    assert len(first) > 2  # the gates of the sampler are among them
    assert all(map(torch.equal, first, second))
    loaded, result = load_run("run"), read_result(Path("run"))
    evaluate = functools.partial(loaded.prepared.trainer.evaluate, load_best_model=False)
    assert metrics(evaluate(loaded.prepared.valid_data)) == result["best_valid_result"]
    assert metrics(evaluate(loaded.prepared.test_data)) == result["test_result"]
    log = Path("run/run.log").read_text()
    assert log.count("Interactions: ") == 1  # rank 0 alone writes it
    assert sorted(path.name for path in Path().iterdir()) == ["data", "ranks.pt", "run", "saved"]


def test_ranks_have_generators_of_their_own_and_share_the_rows(even: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawing(trainer: Any, loader: Any) -> Any:
        loader.sampler.set_epoch(1)
        seeds = [owner.initial_seed() for owner in (trainer.step.generator, loader.generator)]
        of_lists = trainer.step.lists.generator.initial_seed()
        return seeds, of_lists, list(loader.sampler), len(next(iter(loader))), trainer.best_valid_result

    keep_of_all_ranks(monkeypatch, even / "ranks.pt", drawing)
    rows = []
    for seed in (7, 8):
        keys = ("--judge=keep_all", "--positives_loss=list", "--eval_args={'mode': 'uni5'}", f"--seed={seed}")
        assert train(*keys, run_dir=f"run{seed}") == 0
        ranks = torch.load(even / "ranks.pt", weights_only=False)
        (first, of_lists, own, size, score), (second, of_other_lists, others, other_size, other_score) = ranks
        assert score == other_score  # of one draw of the items that are ranked
        assert (first, second) == ([seed, seed], [seed + 1, seed + 1])
        assert of_lists != of_other_lists
        assert size == other_size == 50  # halves of a batch
        assert sorted([*own, *others]) == list(range(576))
        rows.append(own)
    assert rows[0] != rows[1]  # RecBole deals rows out alike for all seeds


def test_a_run_of_two_processes_goes_on_where_it_was_cut_off(even: Path) -> None:
    keys = (*SAMPLED, "--checkpoint_seconds=0")
    assert train(*keys, run_dir="whole") == 0
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 1)
        assert train(*keys, run_dir="broken") == 130
    assert train(*keys, run_dir="broken") == 0
    assert "Resumed at epoch 1" in Path("broken/run.log").read_text()
    whole, broken = parameters_of("whole"), parameters_of("broken")
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_gradients_are_averaged_after_the_backward_pass() -> None:
    first, second, third = launch.run_in_processes(TWO, _gradients, ())
    assert first.tolist() == [4.0, 4.0]  # (2 + 6) / 2
    assert second.tolist() == [0.5, 0.5]  # a gradient of 1 on rank 0 alone
    assert third is None  # no rank has one: the optimiser leaves the parameter out


def _gradients() -> list[Any]:
    rank = this_rank().number
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
    loss = parameters[0].square().sum() * (1 if rank == 0 else 3)
    if rank == 0:
        loss = loss + parameters[1].sum()
    (loss + averaging(parameters, torch.device("cpu"))).backward()
    return [parameter.grad for parameter in parameters]


def test_rank_0_decides_and_parameters_that_drift_apart_are_seen() -> None:
    decided, shared, message = launch.run_in_processes(TWO, _decisions, ())
    assert decided == [0, 0]
    assert shared == [1.0, 1.0]
    assert "drifted apart" in message


def test_another_run_on_another_machine_is_refused() -> None:
    with pytest.raises(UserError, match="Process 1 has other keys or other data"):
        launch.run_in_processes(TWO, _other_runs, ())


def _other_runs() -> None:
    require_same_run("the same")
    require_same_run(f"run {this_rank().number}")


def _decisions() -> Any:
    rank = this_rank().number
    decided = gathered(decided_by_first(lambda: rank))
    values = torch.nn.Parameter(torch.full((1,), 1.0 + rank))
    message = ""
    try:
        require_equal([values])
    except RuntimeError as error:
        message = str(error)
    share_values([values.data])
    require_equal([values])
    return decided, gathered(values.item()), message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--nproc=2", "--world_size=1"], "more than world_size=1"),
        (["--nproc=2", "--world_size=3", "--group_offset=2"], "group_offset=2"),
        (["--nproc=2", "--judge=rule", "--judge_refresh=1"], "judge_refresh=1"),
        (["--nproc=0"], "nproc='0': expected a whole number from 1"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    toy: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main([*BASE, *flags]) == 2
    assert message in capsys.readouterr().err
    assert not Path("run").exists()


def test_a_model_without_gradients_is_refused(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model=Pop", *BASE[1:], "--nproc=2"]) == 2
    assert "learns nothing by gradients" in capsys.readouterr().err
