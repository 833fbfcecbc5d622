"""Samplers with parts of their own in real training, and what stops before any work."""

from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.model.general_recommender import BPR
from torch import nn
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.files.run_folder import CHECKPOINT
from recbole_dtlns.quick_start import run_recbole_dtlns
from recbole_dtlns.training.layers import LAYER_SOURCES, BPRLayers


class HingeBPR(BPR):
    """Matrix factorisation with a loss of its own, which cannot be given made-up negatives."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.loss = nn.MarginRankingLoss()


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Any]:
    write_pairs(tmp_path / "data" / "toy", toy_split())
    return {
        **{"data_path": str(tmp_path / "data"), "cache_dir": str(tmp_path / "cache"), "run_dir": str(tmp_path / "run")},
        **{"embedding_size": 8, "judge": "none", "epochs": 1, "show_progress": False},
    }


def gates(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / CHECKPOINT, weights_only=False)["other_parameter"]["dtlns_sampler_state"]
    modules: dict[str, torch.Tensor] = state["modules"]
    return modules


@pytest.mark.parametrize("name", ["dens", "ans"])
@pytest.mark.parametrize("model", ["BPR", "LightGCN"])
def test_every_gate_is_trained(name: str, model: str, keys: dict[str, Any], tmp_path: Path) -> None:
    states = []
    for epochs in (1, 2):
        folder = tmp_path / f"run-{epochs}"
        run_recbole_dtlns(
            model,
            "toy",
            # without a valid loader the last epoch is kept
            config_dict={**keys, "neg_sampler": name, "epochs": epochs, "eval_step": 0, "run_dir": str(folder)},
        )
        states.append(gates(folder))
    assert states[0].keys() == states[1].keys()
    for part, value in states[0].items():
        assert not torch.equal(value, states[1][part]), part


def test_made_up_layers_need_a_loss_that_takes_them(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYER_SOURCES, "HingeBPR", BPRLayers)
    with pytest.raises(Exception, match="no BPRLoss"):
        run_recbole_dtlns(HingeBPR, "toy", config_dict={**keys, "neg_sampler": "mixgcf"})


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--model=SASRec", "--loss_type=BPR"], "hold no order"),
        (["--model=SASRec"], "--loss_type=BPR"),
        (["--model=NGCF", "--neg_sampler=dens", "--hidden_size_list=[8,4]"], "hidden_size_list"),
        (["--model=BPR", "--neg_sampler=dns_mn", "--dns_mn_m=11"], "dns_mn_m=11"),
        (["--model=BPR", "--neg_sampler=ahns", "--ahns_p=1"], "ahns_p='1': expected a number from -10 to 0"),
        (["--model=BPR", "--neg_sampler=divns", "--divns_ratio=99999999999"], "from 1 to 10000"),
        (["--model=BPR", "--neg_sampler=stabcf", "--stabcf_alpha=1e300"], "stabcf_alpha"),
        (["--model=BPR", "--popularity_exponent=1000", "--neg_sampler=popularity"], "popularity_exponent"),
        (["--model=BPR", "--tree_exclude=2"], "tree_exclude"),
    ],
)
def test_bad_input_ends_with_2_and_a_reason(
    flags: list[str], says: str, keys: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"--{key}={value}" for key, value in keys.items() if key != "embedding_size" or "NGCF" in flags[0]]
    assert main(["--dataset=toy", *given, *flags]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("model", ["BPR", "LightGCN", "NGCF"])
def test_mixed_precision_trains(model: str, keys: dict[str, Any]) -> None:
    result = run_recbole_dtlns(model, "toy", config_dict={**keys, "neg_sampler": "dtl_ns", "enable_amp": True})
    assert 0 < result["best_valid_score"] <= 1
