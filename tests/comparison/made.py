"""A made-up comparison on disk: folders as `compare` leaves them, filled by a seeded generator without any training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from fake_result import fake_result

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.rows import make_row
from recbole_dtlns.comparison.run.records import CHOSEN, FAILED, PLAN, RUNS
from recbole_dtlns.comparison.run.runs import Run, runs_of
from recbole_dtlns.files.result_schema import Result

ROWS = ("recbole:uniform", "dns", "mixgcf", "dtl_ns", "EASE")
REFERENCE_MARK = "reference protocol (uses test labels)"
FAILED_RUN = "ml-100k/BPR/dns/seed-2022"
_GAIN = {"recbole:uniform": 0.0, "dns": 0.02, "mixgcf": 0.021, "mixgcf+pos": 0.035, "dtl_ns": 0.035, "EASE": 0.01}
_METRICS = ("recall", "mrr", "ndcg", "hit", "precision")
PROMPT = {"name": "compact", "version": 1, "digest": "0123abcd"}
_USERS, _EPOCHS = 200, 12


def made_plan(**changes: Any) -> ComparisonPlan:
    """Two models, six rows (mixgcf+pos comes by itself), two judges of which one runs the reference protocol."""
    plan: dict[str, Any] = {
        "datasets": ("ml-100k",),
        "models": ("BPR", "LightGCN"),
        "rows": tuple(make_row(name) for name in ROWS),
        "judges": ("rule", "llm"),
        "seeds": (2020, 2021, 2022),
        "trials": 2,
        "noise": (0.0, 0.1, 0.3),
        "judge_keys": {"llm": {"llm_model": "made/Tiny-1B"}},
        "fixed": {"learning_rate": 0.003},
    }
    return ComparisonPlan(**{**plan, **changes})


def make_comparison(folder: Path, seed: int = 0, failed: str | None = FAILED_RUN, **changes: Any) -> Path:
    """Write the folder of a comparison; returns it."""
    plan = made_plan(**changes)
    folder.mkdir(parents=True)
    (folder / PLAN).write_text(yaml.safe_dump(plan.as_dict()), encoding="utf-8")
    (folder / "fixed.yaml").write_text(yaml.safe_dump(dict(plan.fixed)), encoding="utf-8")
    generator = np.random.default_rng(seed)
    for cell in plan.cells():
        for run in runs_of(plan, cell):
            home = folder / RUNS / run.run_id
            if run.run_id == failed:
                home.mkdir(parents=True)
            else:
                write_run(home, run, generator)
        home = folder / RUNS / cell.folder
        if (home / "trial-0").is_dir():
            chosen = {"trial": 1, "keys": {"neg_candidates": 20}, "scores": []}
            (home / CHOSEN).write_text(json.dumps(chosen), encoding="utf-8")
    reasons = {} if failed is None else {failed: "MemoryError: out of | memory & <time>"}
    (folder / FAILED).write_text(json.dumps(reasons), encoding="utf-8")
    return folder


def write_run(home: Path, run: Run, generator: np.random.Generator) -> None:
    """One run folder: result.json and, but for a trial, per_user.npz; epochs.csv and hardness.csv where it trains."""
    home.mkdir(parents=True)
    cell, trained = run.cell, run.cell.row.model is None
    level = 0.25 + _GAIN[cell.row.name] + 0.05 * (cell.model == "LightGCN") - 0.2 * cell.noise
    seen = level * (1.3 if cell.judge == "llm" else 1.0)  # the mask of the reference protocol
    users = _per_user(seen + generator.normal(0, 0.003))
    test = {name: round(float(values.mean()), 4) for name, values in users.items()}
    for k in (10, 20):
        test |= {f"itemcoverage@{k}": round(0.2 + level / 2, 4), f"averagepopularity@{k}": round(200 - 300 * level, 4)}
        test |= {f"giniindex@{k}": round(0.95 - level / 3 + generator.normal(0, 0.002), 4)}
    result = _result(run, level, test, generator)
    (home / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (home / "config.yaml").write_text(yaml.safe_dump(result["config"]), encoding="utf-8")
    if run.trial is None:
        tokens = np.array([f"u{number}" for number in range(_USERS)])
        np.savez_compressed(home / "per_user.npz", users=tokens, **users)
    if trained:
        _write_epochs(home, level, generator)
        if not cell.row.name.startswith("recbole:"):
            _write_hardness(home, generator)


def _per_user(level: float) -> dict[str, np.ndarray]:
    """Users differ much, rows little: the same users are good ones in every run."""
    ease = np.random.default_rng(1).normal(0, 0.12, _USERS)
    values = {}
    for place, name in enumerate(_METRICS):
        for k in (10, 20):
            noise = np.random.default_rng(int(1e6 * level) + place).normal(0, 0.03, _USERS)
            values[f"{name}@{k}"] = np.clip(level * (0.8 + k / 100) + ease + noise, 0, 1).astype(np.float32)
    return values


def _result(run: Run, level: float, test: dict[str, float], generator: np.random.Generator) -> Result:
    cell = run.cell
    judged, reference = cell.judge != "none", cell.judge == "llm"
    llm = {"llm_model": "made/Tiny-1B", "llm_quantization": "nf4"} if reference else {}
    config = {"valid_metric": "NDCG@20", "topk": [10, 20], "epochs": 300, "stopping_step": 10, "learning_rate": 0.003}
    config |= {"train_batch_size": 2048, "eval_mask": "train_valid", "neg_sampler": cell.row.name, "judge": cell.judge}
    config |= {"llm_prompt": "compact", "seed": run.seed, "noise_rate": cell.noise, **llm}
    seconds = {"trees": 4.1, "candidates": 1.2, "judging": 0.4} if judged else {}
    both = {
        "honest": {name: value / 1.3 for name, value in test.items()},
        "reference": test,
    }
    return fake_result(
        model=cell.model,
        dataset=cell.dataset,
        neg_sampler=cell.row.name,
        neg_sampler_effective=cell.row.name,
        judge=cell.judge,
        protocol="reference" if reference else "honest",
        seed=run.seed,
        split_seed=2020,
        best_epoch=int(generator.integers(3, _EPOCHS)),
        best_valid_result={name: round(value * 0.85, 4) for name, value in test.items()},
        test_result=None if run.trial is not None else test,
        data=_data(cell.noise, 4715 if judged else None),
        identification={"pairs": 18860, "llm_calls": 590, "prompt_tokens": 650_000, "unreadable": 3, "unjudged": 0}
        | {"accepted": 4715}
        if judged
        else None,
        judging=_judging(reference) if judged else None,
        candidate_source="EASE" if judged else None,
        trees={"items": 1682, "leaves_co": 64, "leaves_se": 60, "depth_co": 3, "depth_se": 5, "item_vectors": "svd"}
        | {"agreement": 0.187}
        if judged
        else None,
        overlap={"valid": 946, "valid_chance": 31.8, "test": 970, "test_chance": 31.8} if judged else None,
        precision=_precision() if judged else None,
        hardness={"score_gap": 1.2, "hardest_share": 0.6, "similarity_co": None, "valid_share": 0.05}
        | {"valid_chance": 0.012, "test_share": 0.06, "test_chance": 0.012}
        if cell.row.model is None and not cell.row.name.startswith("recbole:")
        else None,
        marks=[REFERENCE_MARK] if reference else [],
        masks=both if reference and run.trial is None else None,
        noise={"kind": "false_positives", "rate": cell.noise, "seed": 2020, "pairs": 100} if cell.noise else None,
        checks=[
            {"when": "before", "name": "no pair in two parts", "passed": True, "found": "0 shared pairs"},
            {"when": "after", "name": "mask is the real split's", "passed": True, "found": "80808 pairs, the same"},
        ],
        seconds={
            "training": 20 + 900 * level + generator.normal(0, 3),
            "sampling": 4.2,
            "evaluation": 3.0,
            **seconds,
        },
        peak_memory_mb=812.4,
        versions={"python": "3.11.7", "recbole_dtlns": "0.5", "torch": "2.13.0", "bitsandbytes": None},
        config=config,
    )


def _data(noise: float, inferred: int | None) -> dict[str, Any]:
    counts = {"users": 943, "items": 1682, "train": 80808, "valid": 9596, "test": 9596, "inferred_positives": inferred}
    return {**counts, "train_hash": f"trainhash{noise}", "split_hash": "abcdef0123456789"}


def _judging(language_model: bool) -> dict[str, Any]:
    rows = [
        {"name": name, "auc": auc, "error": 0.019, "within_users": auc - 0.01, "pairs": 960, "note": ""}
        for name, auc in (("llm", 0.508), ("rule", 0.579), ("popularity", 0.5), ("candidate score", 0.681))
    ]
    report = {"rows": rows, "pairs": 960, "held_in": 480, "dropped": 0, "calibration": None, "notes": []}
    asked = {"model": "made/Tiny-1B", "quantization": "nf4", "answers": "label scores", "prompt": PROMPT}
    about = {"judge": "llm", "revision": "abc123", "settings": asked} if language_model else None
    mass = 0.003 if language_model else None
    return {"judge": about, "report": report if language_model else None, "label_mass": mass}


def _precision() -> list[dict[str, Any]]:
    return [
        {"low": low / 10, "high": (low + 1) / 10, "pairs": 400, "valid": 20 + 4 * low, "test": 5 * low}
        for low in range(10)
    ]


def _write_epochs(home: Path, level: float, generator: np.random.Generator) -> None:
    lines = ["epoch,train_loss,seconds,recall@20,ndcg@20"]
    for epoch in range(_EPOCHS):
        value = level * 0.85 * (1 - np.exp(-(epoch + 1) / 4)) + generator.normal(0, 0.001)
        lines.append(f"{epoch},{0.69 * np.exp(-epoch / 8):.6g},{1.5 * (epoch + 1):.6g},{value * 1.1:.6g},{value:.6g}")
    (home / "epochs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_hardness(home: Path, generator: np.random.Generator) -> None:
    lines = ["epoch,score_gap,hardest_share,similarity_co,similarity_se,valid_share,valid_chance"]
    for epoch in range(_EPOCHS):
        gap, share = 3 - epoch / 8 + generator.normal(0, 0.05), 0.02 + epoch / 300
        lines.append(f"{epoch},{gap:.6g},{0.5 + epoch / 40:.6g},{0.2 + epoch / 90:.6g},,{share:.6g},0.012")
    (home / "hardness.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
