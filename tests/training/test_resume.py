"""A run that is cut off and started again ends where an undisturbed one ends."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from cut_off import cut_off_in_epoch, losses
from toy import toy_split, write_pairs
from without_times import without_times

from recbole_dtlns.cli import main
from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs
from recbole_dtlns.files.run_folder import CHECKPOINT, read_result
from recbole_dtlns.files.saved_state import read_state, write_state
from recbole_dtlns.training.resume import RESUME
from recbole_dtlns.training.trainer import RunTrainer


def command(folder: Path, *flags: str) -> list[str]:
    return [
        *("--dataset=toy", f"--data_path={folder / 'data'}", f"--cache_dir={folder / 'cache'}"),
        *("--tree_leaf_size=4", "--embedding_size=8", "--train_batch_size=200", "--learning_rate=0.01"),
        *("--epochs=5", "--checkpoint_seconds=0", *flags),
    ]


def equal(first: Any, second: Any) -> bool:
    """Whether two nested states hold the same numbers; seconds do not count."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            equal(first[key], second[key]) for key in first if key != "sampling_seconds"
        )
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


SAMPLER = """
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import BaseSampler


class Worst(BaseSampler):
    def score(self, batch):
        return -batch.scores


SAMPLERS["worst"] = Worst
"""
NGCF = ["--model=NGCF", "--hidden_size_list=[8,8]"]  # it has dropout, so global random states matter


@pytest.mark.parametrize(
    "flags",
    [
        ["--model=BPR", "--neg_sampler=dtl_ns", "--judge=rule"],
        ["--model=BPR", "--neg_sampler=recbole:uniform"],
        [*NGCF, "--neg_sampler=dtl_ns", "--judge=rule"],
        [*NGCF, "--neg_sampler=recbole:uniform"],
        [*NGCF, "--neg_sampler=srns", "--judge=rule", "--judge_refresh=2"],
        [*NGCF, "--neg_sampler=divns", "--judge=rule", "--judge_refresh=2"],
        [*NGCF, "--neg_sampler=dtl_ns", "--judge=rule", "--positives_loss=list", "--list_users=20"],
        [*NGCF, "--neg_sampler=dens"],
        [*NGCF, "--neg_sampler=ans", "--num_negatives=2"],
    ],
    ids=" ".join,
)
def test_resumed_equals_undisturbed(tmp_path: Path, flags: list[str]) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    assert main(command(tmp_path, *flags, f"--run_dir={tmp_path / 'whole'}")) == 0
    broken = command(tmp_path, *flags, f"--run_dir={tmp_path / 'broken'}")
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 3)
        assert main(broken) == 130
    assert (tmp_path / "broken" / RESUME).is_file()
    assert main(broken) == 0
    assert "Resumed at epoch 3" in (tmp_path / "broken" / "run.log").read_text()
    assert without_times(tmp_path / "whole") == without_times(tmp_path / "broken")
    states = [torch.load(tmp_path / name / CHECKPOINT, weights_only=False) for name in ("whole", "broken")]
    for name, value in states[0]["state_dict"].items():
        assert torch.equal(value, states[1]["state_dict"][name]), name
    assert equal(*(state["other_parameter"].get("dtlns_sampler_state") for state in states))
    assert losses(tmp_path / "broken")[-3:] == losses(tmp_path / "whole")[-3:]  # also where the best epoch is earlier
    assert not (tmp_path / "broken" / RESUME).exists()


def test_seconds_since_the_run_began_go_on_where_it_was_cut_off(tmp_path: Path) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    run_dir = tmp_path / "run"
    arguments = command(tmp_path, "--model=BPR", "--judge=none", f"--run_dir={run_dir}")
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 3)
        assert main(arguments) == 130
    state = read_state(run_dir / RESUME)
    assert 0 < state["elapsed"] < 1000
    write_state(run_dir / RESUME, {**state, "elapsed": 1000.0})
    assert main(arguments) == 0
    elapsed = [row["elapsed"] or 0 for row in read_epochs(run_dir / EPOCHS).values()]
    assert elapsed[2] < 1000 < elapsed[3] < elapsed[4]


@pytest.mark.parametrize(("sampler", "fused"), [("dns", True), ("recbole:uniform", None)])
def test_a_state_of_plain_adam_goes_on_as_a_fresh_run_would(tmp_path: Path, sampler: str, fused: bool | None) -> None:
    """As a version before the fused one has saved it."""
    write_pairs(tmp_path / "data" / "toy", toy_split())
    run_dir, seen = tmp_path / "run", []
    arguments = command(tmp_path, "--model=BPR", "--judge=none", f"--neg_sampler={sampler}", f"--run_dir={run_dir}")
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 3)
        assert main(arguments) == 130
    state = read_state(run_dir / RESUME)
    for group in state["optimizers"]["optimizer"]["param_groups"]:
        group["fused"] = None
    write_state(run_dir / RESUME, state)
    stock = RunTrainer._train_epoch

    def looking(self: RunTrainer, *args: Any, **keys: Any) -> Any:
        seen.append([group["fused"] for group in self.optimizer.param_groups])
        return stock(self, *args, **keys)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunTrainer, "_train_epoch", looking)
        assert main(arguments) == 0
    assert seen == [[fused]] * 2


def test_a_state_of_another_configuration_or_a_damaged_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    run_dir = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 2)
        assert main(command(tmp_path, "--model=BPR", "--judge=rule", f"--run_dir={run_dir}")) == 130
    assert main(command(tmp_path, "--model=BPR", "--judge=rule", f"--run_dir={run_dir}", "--neg_candidates=3")) == 2
    output = capsys.readouterr().err
    assert "saved under another configuration" in output
    assert "differs in neg_candidates." in output
    assert "neg_candidates: 10" in (run_dir / "config.yaml").read_text()  # still that of the run which began here
    data = tmp_path / "data" / "toy"
    swapped = {name: [(f"u{59 - int(user[1:])}", item) for user, item in rows] for name, rows in toy_split().items()}
    write_pairs(data, swapped)
    assert main(command(tmp_path, "--model=BPR", "--judge=rule", f"--run_dir={run_dir}")) == 2
    assert "with other data" in capsys.readouterr().err
    write_pairs(data, toy_split())
    (run_dir / RESUME).write_bytes(b"half a file")
    assert main(command(tmp_path, "--model=BPR", "--judge=rule", f"--run_dir={run_dir}")) == 2
    assert "damaged" in capsys.readouterr().err


def test_a_run_does_not_go_on_with_a_changed_plugin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    plugin, program = tmp_path / "mine.py", SAMPLER
    plugin.write_text(program)
    flags = ["--model=BPR", "--neg_sampler=worst", f"--plugins={plugin}", "--judge=none"]
    broken = command(tmp_path, *flags, f"--run_dir={tmp_path / 'broken'}")
    with monkeypatch.context() as patch:
        cut_off_in_epoch(patch, 3)
        assert main(broken) == 130
    state = (tmp_path / "broken" / RESUME).read_bytes()

    def started_with(content: str) -> int:
        plugin.write_text(content)
        for name in [name for name in sys.modules if name.startswith("recbole_dtlns_plugin_")]:
            monkeypatch.delitem(sys.modules, name)  # as in a new process
        return main(broken)

    assert started_with(program.replace("-batch", "+batch")) == 2
    assert "another content of a file or plugin" in capsys.readouterr().err
    assert (tmp_path / "broken" / RESUME).read_bytes() == state
    assert started_with(program) == 0


def test_a_finished_run_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    arguments = command(tmp_path, "--model=BPR", "--judge=rule", f"--run_dir={tmp_path / 'run'}")
    assert main(arguments) == 0
    before = (tmp_path / "run" / "result.json").read_bytes()
    assert main(arguments) == 2
    assert "already holds a finished run" in capsys.readouterr().err
    assert (tmp_path / "run" / "result.json").read_bytes() == before


def test_same_seed_same_result_and_split_seed_apart(tmp_path: Path) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    results = []
    for number, seed in enumerate((1, 1, 2)):
        run_dir = tmp_path / str(number)
        flags = [f"--seed={seed}", "--split_seed=5", "--model=BPR", "--judge=rule", f"--run_dir={run_dir}"]
        assert main(command(tmp_path, *flags)) == 0
        results.append(read_result(run_dir))
    assert results[0]["test_result"] == results[1]["test_result"]
    assert results[0]["data"] == results[2]["data"]
    weights = [torch.load(tmp_path / str(n) / CHECKPOINT, weights_only=False)["state_dict"] for n in (0, 1, 2)]
    assert torch.equal(weights[0]["user_embedding.weight"], weights[1]["user_embedding.weight"])
    assert not torch.equal(weights[0]["user_embedding.weight"], weights[2]["user_embedding.weight"])


def test_identify_does_not_write_over_a_run_that_is_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    flags = command(tmp_path, "--model=BPR", "--judge=rule", f"--run_dir={tmp_path / 'run'}")
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 1)
        assert main(flags) == 130
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    assert main(["identify", *command(tmp_path, "--judge=rule", f"--run_dir={tmp_path / 'run'}")]) == 2
    assert "a training run that is not finished" in capsys.readouterr().err
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before
    assert main([*flags, "--torch_threads=1"]) == 0
