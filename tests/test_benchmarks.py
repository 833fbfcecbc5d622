"""What benchmarks make of their runs; the runs themselves are too slow for a test."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def time_to_quality(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import time_to_quality

    return time_to_quality


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    return gpu


def test_reading_every_pair_changes_neither_the_rate_nor_the_models_of_the_learned_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import learned_judge

    values = np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32)
    fitted = []

    def fake_run(*_: object, **__: object) -> dict:
        positive = np.arange(4000) % 80 < 2
        fitted.extend(learned_judge.learning.fit_folds(values, positive, np.arange(4000) // 80 % 4)[0].boosters)
        return {"best_valid_result": {"recall@20": 0.5, "ndcg@20": 0.25}}

    monkeypatch.setattr(learned_judge, "run", fake_run)
    for name in ("today", "every pair is read"):
        learned_judge.valid_result("any", None, "cache", learned_judge.VARIATIONS[name], 0)
    rates = {booster.model.learning_rate for booster in fitted}
    assert (len(fitted), rates) == (16, {learned_judge.model.RATE_OF_RARE})
    assert {booster.share < 1 for booster in fitted[:8]} == {True}
    assert {booster.share for booster in fitted[8:]} == {1.0}


def test_time_to_quality_counts_to_the_first_epoch_above_the_best_of_recbole(
    time_to_quality: ModuleType, tmp_path: Path
) -> None:
    def points(*rows: tuple[float, str]) -> list:
        lines = [f"{epoch},1.0,0,{seconds},{value}" for epoch, (seconds, value) in enumerate(rows)]
        (tmp_path / "epochs.csv").write_text("\n".join(["epoch,train_loss,seconds,elapsed,ndcg@20", *lines, ""]))
        return time_to_quality.curve(tmp_path)

    stock = {
        "recbole:uniform": points((10, "0.1"), (20, "0.2"), (30, "0.2")),
        "recbole:dynamic": points((10, "0.3"), (40, "0.4"), (50, "0.35")),
    }
    ratios = time_to_quality.ratios(stock, points((5, ""), (8, "0.25"), (16, "0.4"), (30, "0.41"), (99, "0.6")))
    assert ratios["goal"] == {"sampler": "recbole:dynamic", "epoch": 1, "seconds": 40, "value": 0.4}
    assert ratios["ratio"] == 0.75  # equal is not above
    assert ratios["ratio_to"] == {"recbole:uniform": 0.4, "recbole:dynamic": 0.75}
    assert ratios["ours"] == {"epoch": 3, "seconds": 30, "value": 0.41}
    lost = time_to_quality.ratios(stock, points((1, "0.3")))
    assert lost["ratio"] is None
    assert lost["ours"] is None
    assert lost["ratio_to"]["recbole:uniform"] == 0.05


def test_a_part_that_hangs_fails_or_says_nothing_is_noted(gpu: ModuleType) -> None:
    def carried(program: str, seconds: float = 30, read=gpu.last_json) -> dict:
        return gpu.carry_out(gpu.Part(["-c", program], seconds, read))

    assert carried("print('x'); print('{\"a\": 1}')")["a"] == 1
    assert carried("print('{}'); raise SystemExit(3)")["failed"] == "exit status 3"
    assert "not an object" in carried("print(1)")["failed"]
    assert "cannot be read" in carried("print('no JSON')")["failed"]
    hanging = "print('tests/a.py::test_b[x y] PASSED', flush=True); import time; time.sleep(60)"
    cut = carried(hanging, 1.0, gpu.read_tests)
    assert cut["failed"] == "not done after 1 s"
    assert cut["passed"] == 1
    assert cut["seconds"] < 20


def test_tests_that_did_not_pass_are_named(gpu: ModuleType) -> None:
    text = "tests/a.py::test_b[x y] PASSED [ 5%]\ntests/a.py::test_c FAILED\ntests/a.py::test_d ERROR\n1 passed\n"
    assert gpu.read_tests(text) == {
        **{"passed": 1, "failed": 1, "error": 1},
        "not_passed": ["tests/a.py::test_c", "tests/a.py::test_d"],
    }


def test_the_limits_of_all_parts_stay_below_eight_minutes(gpu: ModuleType) -> None:
    assert sum(part.seconds for part in gpu.parts("cuda").values()) <= 8 * 60


def test_without_a_gpu_nothing_runs(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", f"--out={tmp_path / 'gpu.json'}"])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 2
    assert "sees no NVIDIA GPU" in capsys.readouterr().err
    assert not (tmp_path / "gpu.json").exists()


def test_figures_of_a_cpu_are_called_so(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    part = gpu.Part(["-c", "print('{\"a\": 1}')"], 30, gpu.last_json)
    monkeypatch.setattr(gpu, "parts", lambda device: {"tests": part})
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device=cpu", "--parts=tests", f"--out={tmp_path / 'gpu.json'}"])
    gpu.main()
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed == json.loads((tmp_path / "gpu.json").read_text())
    assert printed["device"].startswith("cpu")
    assert printed["card"] is None
    assert printed["tests"]["a"] == 1


def test_a_random_llama_is_loaded_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("bitsandbytes")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import judging
    from random_llama import random_llama

    loaded, whole = random_llama("tiny", "nf4", "cpu"), random_llama("tiny", "none", "cpu")
    assert not [name for name, value in loaded.model.named_parameters() if value.is_meta]
    assert loaded.memory_mb < 0.6 * whole.memory_mb
    figures = judging.measure(loaded, 3, 2, ["packed", "one JSON prompt a pair"])
    assert all(row["pairs_per_second"] > 0 for row in figures.values())
