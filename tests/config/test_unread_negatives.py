"""Models whose loss reads no negative of its batch: no run may say that it trained with some."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import recbole.model
import torch
from cli_parts import SMALL
from recbole.data.interaction import Interaction
from recbole.utils import InputType, ModelType, get_model
from toy import write_timed

from recbole_dtlns.cli import main
from recbole_dtlns.config.model_kinds import UNREAD_NEGATIVES
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training.assemble import prepare

COLUMNS = {"inter": ["user_id", "item_id", "rating", "timestamp"]}
SEQUENCES = {"MAX_ITEM_LIST_LENGTH": 6}
SMALLEST = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1}
DECLARED: list[tuple[str, dict[str, Any]]] = [
    ("NCEPLRec", {"rank": 5}),
    ("RepeatNet", {**SEQUENCES, "embedding_size": 8, "hidden_size": 8}),
    ("SINE", {**SEQUENCES, "embedding_size": 8, "loss_type": "CE"}),
    ("SINE", {**SEQUENCES, "embedding_size": 8, "loss_type": "NLL"}),
    ("BERT4Rec", {**SEQUENCES, **SMALLEST, "loss_type": "BPR"}),
]
READING: dict[str, dict[str, Any]] = {
    "NeuMF": {},
    "SINE": {**SEQUENCES, "embedding_size": 8, "loss_type": "BPR"},
    "SASRec": {**SEQUENCES, **SMALLEST, "loss_type": "BPR"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_timed(tmp_path_factory.mktemp("data"))


def configured(model: str, keys: dict[str, Any], data: Path) -> Config:
    stock = {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}}
    return Config(model, "timed", config_dict={"load_col": COLUMNS, "data_path": str(data), **stock, **keys})


def losses(config: Config, data: Path) -> Iterator[float]:
    """The loss of one batch as RecBole's loader gives it, and with other negatives and labels."""
    split = build_split(config, data / "cache")
    prepared = prepare(config, split, None, None, for_training=False)
    batch = next(iter(prepared.train_data))
    rows = batch[0] if isinstance(batch, tuple) else batch
    others = {"neg_item_id": lambda old: old % 5 + 1, "label": lambda old: 1 - old}
    changed = {name: others[name](old) for name, old in rows.interaction.items() if name in others}
    assert changed, "the loader draws no negatives"
    for values in (rows.interaction, {**rows.interaction, **changed}):
        torch.manual_seed(0)  # dropout
        loss = prepared.model.calculate_loss(Interaction(dict(values)))
        yield float(torch.as_tensor(sum(loss) if isinstance(loss, tuple) else loss).detach())


@pytest.mark.parametrize(("model", "keys"), DECLARED)
def test_the_loss_of_a_declared_model_reads_no_negative(model: str, keys: dict[str, Any], data: Path) -> None:
    config = configured(model, keys, data)
    first, second = losses(config, data)
    assert first == second
    assert (config.method.sampler, config.method.effective) == (None, None)
    assert UNREAD_NEGATIVES[model].why in config.method.notes[0]


@pytest.mark.parametrize("model", READING)
def test_the_loss_of_another_model_reads_them(model: str, data: Path) -> None:
    config = configured(model, READING[model], data)
    first, second = losses(config, data)
    assert first != second
    assert config.method.effective == "recbole:uniform"


def test_every_model_whose_code_names_neither_negatives_nor_labels_says_none() -> None:
    silent = []
    for path in Path(recbole.model.__path__[0]).glob("*_recommender/*.py"):
        code = path.read_text(encoding="utf-8")
        if path.parent.name == "exlib_recommender" or re.search(r"NEG_ITEM_ID|self\.LABEL", code):
            continue
        for name in re.findall(r"^class (\w+)\(.*Recommender", code, flags=re.MULTILINE):
            kind = get_model(name)
            if kind.type != ModelType.TRADITIONAL and getattr(kind, "input_type", None) in list(InputType):
                silent.append(name)
    assert {"NCEPLRec", "RepeatNet", "MultiVAE"} <= set(silent)
    assert not [name for name in silent if Config(name, "ml-100k").method.effective is not None]


def test_a_run_says_that_it_has_no_negatives(toy: Path) -> None:
    keys = [flag for flag in SMALL if "embedding" not in flag]
    flags = ["--model=NCEPLRec", "--dataset=toy", "--data_path=data", "--epochs=1", "--rank=5", *keys]
    for judge in ("none", "keep_all"):
        assert main([*flags, f"--judge={judge}", f"--run_dir=by_{judge}"]) == 0
    result, judged = read_result(toy / "by_none"), read_result(toy / "by_keep_all")
    assert (result["neg_sampler"], result["neg_sampler_effective"]) == (None, None)
    log = (toy / "by_none" / "run.log").read_text()
    assert "negatives by none" in log
    assert "reads no batch" in log
    assert "drawn in proportion" not in (toy / "by_keep_all" / "run.log").read_text()
    assert judged["best_valid_result"] != result["best_valid_result"]  # it is computed from the inferred positives too


def test_samplers_of_ours_are_refused_where_nothing_reads_them(data: Path) -> None:
    with pytest.raises(UserError, match="SINE is none of them"):
        Config("SINE", "timed", config_dict={"data_path": str(data), "neg_sampler": "dns"})
    without = {"data_path": str(data), "train_neg_sample_args": None}
    assert Config("SINE", "timed", config_dict=without).method.effective is None
