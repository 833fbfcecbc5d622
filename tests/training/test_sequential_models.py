"""docs/compatibility.md on sequential models: each trains a step with our negatives and inferred positives."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import write_timed

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.training.assemble import prepare
from recbole_dtlns.training.sequences import SequenceScores

DOC = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
BY_OUTPUT, BY_PREDICT = (
    cells.split(", ") for cells in re.findall(r"^\| sequential, `loss_type=BPR` \| ([^|]+) \|", DOC, re.M)
)
COLUMNS = {"inter": ["user_id", "item_id", "rating", "timestamp"]}
SMALL = {"load_col": COLUMNS, "MAX_ITEM_LIST_LENGTH": 6, "train_batch_size": 32}
SHAPES: dict[str, dict[str, Any]] = {"SHAN": {"short_item_length": 2}, "HRM": {"high_order": 2}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: Any) -> Path:
    return write_timed(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("model", [*BY_OUTPUT, *BY_PREDICT])
def test_one_step_with_scores_from_where_the_table_says(model: str, data: Path) -> None:
    keys = {**SMALL, **SHAPES.get(model, {}), **({} if model in {"FPMC", "TransRec"} else {"loss_type": "BPR"})}
    keys |= {"data_path": str(data), "neg_sampler": "softmax_rho", "judge": "keep_all", "tree_leaf_size": 4}
    config = Config(model, "timed", config_dict={**keys, "checkpoint_dir": str(data / "saved")})
    split = build_split(config, data / "cache")
    identified = identify(split.view, config.settings, config.method, data / "cache")
    prepared = prepare(config, split, identified.inferred, identified.trees)
    step = prepared.trainer.step
    assert isinstance(step.source, SequenceScores) == (model in BY_OUTPUT)
    loss = step(prepared.model.calculate_loss, next(iter(prepared.train_data)))
    total = sum(loss) if isinstance(loss, tuple) else loss
    assert np.isfinite(total.item())
    total.backward()
    touched = [value.grad for value in prepared.model.parameters() if value.grad is not None]
    assert any(gradient.abs().sum() > 0 for gradient in touched)
