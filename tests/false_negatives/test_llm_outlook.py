"""Before the night's work: a missing model is found first, and `doctor` tells what a model will take."""

from pathlib import Path

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.false_negatives.judges import outlook
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.files.run_folder import read_result

for package in ("transformers", "accelerate"):
    pytest.importorskip(package)

DATA = ["--dataset=toy", "--data_path=data", "--tree_leaf_size=4", "--candidate_topk=4"]


@pytest.mark.parametrize("command", [["identify"], ["--model=BPR", "--epochs=1"], ["doctor"]])
@pytest.mark.parametrize("judge", [["--judge=llm"], ["--judge=student"], ["--judge=learned", "--learned_from=llm"]])
def test_a_missing_model_is_found_before_data_and_trees(
    toy: Path, command: list[str], judge: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("encoder").mkdir()
    Path("encoder", "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    where = [] if command == ["doctor"] else ["--run_dir=run", "--cache_dir=cache"]
    for name, message in (("surely/not-there", "cannot be loaded"), ("encoder", "not a causal language model")):
        flags = [*DATA, *judge, f"--llm_model={name}", "--llm_offline=true"]
        assert main([*command, *flags, *where]) == 2
        assert message in capsys.readouterr().err
    assert not Path("run").exists()
    assert not Path("cache").exists()
    assert not Path("saved").exists()


def lines(text: str) -> dict[str, str]:
    """The value behind each name; of a repeated one the last."""
    return {line[:14].strip(): line[15:] for line in text.splitlines()}


def test_doctor_counts_the_questions_that_a_run_asks(
    toy: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outlook, "PROBE_SECONDS", 0.1)
    write_pairs(toy / "data" / "toy", toy_split(30, 24))
    model = f"--llm_model={tiny_llama}"
    assert main(["doctor", *DATA, "--judge=llm", model, "--judge_report_pairs=20"]) == 0
    told = lines(capsys.readouterr().out)
    assert "tiny-llama" in told["language model"]
    for quantization in ("none", "int8", "nf4"):
        assert told[f"in {quantization}"].split(": ")[1].startswith("fits")
    assert "this one would be used" in told["in none"]
    assert told["questions"] == "120 pairs of train; 20 pairs of the judge's report"
    per_pair = float(told["probe"].split(", ")[2].split()[0])
    assert float(told["tokens"].split()[1]) == pytest.approx(140 * per_pair / 1e6, abs=0.01)
    assert not Path("saved").exists()  # nothing is built
    flags = ["--judge=llm", model, "--judge_report=false", "--run_dir=run"]
    assert main(["identify", *DATA, *flags]) == 0
    counts = read_result(Path("run"))["identification"]
    assert counts["pairs"] == 120
    assert counts["prompt_tokens"] / counts["llm_calls"] == pytest.approx(per_pair, rel=0.5)
    learned = ["--judge=learned", "--learned_from=llm", "--llm_budget=10%", "--candidate_topk=10"]
    assert main(["doctor", *[flag for flag in DATA if "topk" not in flag], *learned, model]) == 0
    told = lines(capsys.readouterr().out)
    assert told["questions"] == "30 pairs of train; 30 pairs of the held-in split"


def test_doctor_tells_of_a_model_without_a_data_set(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--judge=llm", f"--llm_model={tiny_llama}"]) == 0
    assert "fits" in lines(capsys.readouterr().out)["in nf4"]
    assert main(["doctor", f"--llm_model={tiny_llama}", "--epochs=3"]) == 2
    assert "epochs mean nothing without a data set" in capsys.readouterr().err


def test_the_probe_leaves_loading_out_and_asks_more_at_once_where_that_is_quick(monkeypatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(outlook.time, "perf_counter", lambda: clock[0])
    asked: list[int] = []

    class Fake:
        usage = Usage()

        def answer(self, context: object, users: np.ndarray, items: np.ndarray) -> None:
            assert len(users) == len(items)
            asked.append(len(users))
            self.usage.prompt_tokens += 10 * len(users)
            clock[0] += 0.1 if len(asked) > 1 else 100.0

    items = np.ones((6, 3), dtype=np.int64)
    probed = outlook.probe(Fake(), None, np.arange(1, 7), items, seconds=1.0)
    assert asked[:4] == [3, 3, 6, 12]
    assert max(asked) == 3 * 32
    assert probed.pairs == sum(asked[1:])
    assert probed.tokens == 10 * probed.pairs
    assert probed.seconds == pytest.approx(1.0, abs=0.11)
