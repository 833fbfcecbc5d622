"""The only `result.json` that tests make by hand: whole, and checked against the schema, so that it cannot drift."""

from pathlib import Path
from typing import Any, is_typeddict

from recbole_dtlns.files.result_schema import SCHEMA_VERSION, Result, check_result
from recbole_dtlns.files.typed_json import fields_of, options_of
from recbole_dtlns.version import __version__

DATA = {"users": 24, "items": 24, "train": 200, "valid": 24, "test": 24, "inferred_positives": None}


def fake_result(**changes: Any) -> Result:
    """An honest run of BPR on `toy` without a judge, with some fields changed; `data` is completed.

    A change that the schema does not know, or of another type, fails.
    """
    data = {**DATA, "train_hash": "t", "split_hash": "s", **changes.pop("data", {})}
    fields = {
        "schema_version": SCHEMA_VERSION,
        "model": "BPR",
        "dataset": "toy",
        "neg_sampler": "dns",
        "neg_sampler_effective": "dns",
        "judge": "none",
        "protocol": "honest",
        "eval_mask": "train_valid",
        "seed": 3,
        "split_seed": 3,
        "best_epoch": 1,
        "best_valid_result": {"recall@20": 0.1, "ndcg@20": 0.05},
        "test_result": {"recall@20": 0.1, "ndcg@20": 0.05},
        "data": data,
        "marks": [],
        "checks": [{"when": "before", "name": "no pair in two parts", "passed": True, "found": "0 shared pairs"}],
        "external": [],
        "cached": [],
        "seconds": {"training": 2.0, "sampling": 0.5, "evaluation": 1.0},
        "peak_memory_mb": 512.0,
        "versions": {"recbole_dtlns": __version__},
        "config": {"valid_metric": "NDCG@20", "epochs": 2, "topk": [10, 20]},
        **changes,
    }
    result = check_result(fields, Path("a fake"))
    _refuse_unknown(result, Result)
    return result


def _refuse_unknown(values: Any, kind: Any) -> None:
    fields = fields_of(kind)
    assert values.keys() <= fields.keys(), f"{kind.__name__} of the schema has no {values.keys() - fields.keys()}"
    for name, annotated in fields.items():
        for inner in filter(is_typeddict, options_of(annotated)):
            if values[name] is not None:
                _refuse_unknown(values[name], inner)
