"""judge=llm on the real command line, with a tiny language model of random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.false_negatives.judges.llm import LlmJudge
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.llm.generation import Generator

for package in ("transformers", "accelerate"):
    pytest.importorskip(package)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data/toy in it."""
    write_pairs(tmp_path / "data" / "toy", toy_split(30, 24))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def identify(tiny_llama: Path, toy: Path) -> Any:
    """`identify(name, *flags)`: the offline stage in the folder `name`; returns its exit status."""

    def call(name: str, *flags: str) -> int:
        start = ["--dataset=toy", "--data_path=data", "--tree_leaf_size=4", "--judge=llm", "--candidate_topk=4"]
        start += [f"--llm_model={tiny_llama}", "--positives_per_user=2", "--cache_dir=cache", f"--run_dir={name}"]
        given = {flag.partition("=")[0] for flag in flags}
        return main(["identify", *(flag for flag in start if flag.partition("=")[0] not in given), *flags])

    return call


def rows(folder: str) -> list[str]:
    """The inferred positives without the header."""
    return Path(folder, "inferred_positives.tsv").read_text().splitlines()[1:]


def keys(cache: str = "cache") -> int:
    """How many verdicts are kept."""
    with VerdictStore(Path(cache, "verdicts.sqlite")) as store:
        return len(store)


def test_a_run_from_judging_to_training(toy: Path, identify: Any, tiny_llama: Path) -> None:
    assert identify("first", "--judge_decision=rate", "--judge_rate=0.25") == 0
    first = read_result(toy / "first")
    counts = first["identification"]
    assert counts["pairs"] == 120
    assert counts["accepted"] == 30 == len(rows("first"))
    assert counts["prompt_tokens"] > counts["llm_calls"] > 0
    assert (counts["unreadable"], counts["unjudged"]) == (0, 0)
    table = first["judging"]["report"]["rows"]
    assert [row["name"] for row in table] == ["llm", "student", "rule", "popularity", "candidate score"]
    assert 0 < first["judging"]["label_mass"] < 1
    assert first["seconds"]["judging"] > 0
    flags = ["--dataset=toy", "--data_path=data", "--tree_leaf_size=4", "--candidate_topk=4", "--cache_dir=cache"]
    flags += ["--judge=llm", f"--llm_model={tiny_llama}", "--judge_decision=rate", "--judge_rate=0.25"]
    assert main(["--model=BPR", "--epochs=1", "--embedding_size=8", "--run_dir=second", *flags]) == 0
    second = read_result(toy / "second")
    assert second["identification"]["llm_calls"] == 0
    assert "judging" in second["cached"]
    assert rows("second") == rows("first")
    assert second["judging"] == first["judging"]
    assert second["data"]["inferred_positives"] == 30


def test_no_model_is_named_before_any_work(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["identify"], ["--model=BPR", "--epochs=1"]):
        for judge in ("llm", "student"):
            flags = ["--dataset=toy", "--data_path=data", f"--judge={judge}", "--run_dir=run", "--cache_dir=cache"]
            assert main([*command, *flags]) == 2
            error = capsys.readouterr().err
            assert "Traceback" not in error
            assert "--llm_model" in error
            assert "GB" in error  # models by memory
            assert "instruct" in error.lower()
            assert {path.name for path in toy.iterdir()} == {"data"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--llm_prompt=nowhere.yaml"], "nowhere.yaml"),
        (["--llm_model=./absent"], "absent"),
        (["--llm_method=telepathy"], "llm_method='telepathy'"),
        (["--shard=4/3"], "shard='4/3'"),
        (["--llm_quantization=nf5"], "llm_quantization='nf5'"),
        (["--judge_rate=2"], "judge_rate"),
    ],
)
def test_wrong_keys_are_status_2(
    toy: Path, identify: Any, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert identify("run", *flags) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert message in error


def test_a_shard_is_for_identify(toy: Path, tiny_llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--dataset=toy", "--data_path=data", "--judge=llm", f"--llm_model={tiny_llama}", "--shard=1/2"]
    assert main(["--model=BPR", "--run_dir=run", *flags]) == 2
    assert "shard is for `identify`" in capsys.readouterr().err
    assert not (toy / "run").exists()


def test_all_methods_of_scoring_share_their_verdicts(toy: Path, identify: Any) -> None:
    flags = ["--llm_compute_dtype=float32", "--judge_decision=rate", "--judge_rate=0.3"]
    assert identify("shared", *flags, "--llm_method=shared") == 0
    kept = keys()
    for method in ("packed", "single", "auto"):
        assert identify(method, *flags, f"--llm_method={method}") == 0
        assert read_result(toy / method)["identification"]["llm_calls"] == 0
        fresh = ["--judge_report=false", f"--cache_dir=fresh_{method}", f"--run_dir=run_{method}"]
        assert identify(method, *flags, f"--llm_method={method}", *fresh) == 0
        assert read_result(toy / f"run_{method}")["identification"]["llm_calls"] > 0
        assert [row.split("\t")[:2] for row in rows(f"run_{method}")] == [row.split("\t")[:2] for row in rows("shared")]
    assert keys() == kept


def test_generated_answers_are_words_and_other_verdicts(toy: Path, identify: Any, monkeypatch: Any) -> None:
    assert identify("scored", "--judge_report=false") == 0
    kept = keys()
    answers = [1.0, 0.0, float("nan")]
    asked: list[str] = []
    stock = Generator._answers

    def noted(self: Generator, prompts: Any) -> list[str]:
        texts: list[str] = []
        for prompt in prompts:  # one at a time, so that every answer has a number
            texts += stock(self, [prompt])
        return texts

    def read(text: str, prompt: Any) -> float:
        asked.append(text)
        return answers[len(asked) % 3]

    monkeypatch.setattr(Generator, "_answers", noted)
    monkeypatch.setattr("recbole_dtlns.llm.generation.read_label", read)
    flags = ["--llm_method=generate", "--judge_report=false", "--llm_max_pairs=24", "--judge_decision=threshold"]
    assert identify("words", *flags, "--export_verdicts=v.tsv") == 0
    counts = read_result(toy / "words")["identification"]
    assert counts["unreadable"] == pytest.approx(len(asked) / 3, abs=2)
    assert counts["unreadable"] > 0
    assert counts["unjudged"] == 120 - 24
    assert counts["llm_calls"] == len(asked) <= 24
    verdicts = [line.split("\t") for line in Path("v.tsv").read_text().splitlines()[1:]]
    assert {row[4] for row in verdicts} == {"0.0", "1.0"}
    assert counts["accepted"] == sum(row[4] == "1.0" for row in verdicts)
    assert keys() > kept  # scores and words are different questions
    assert read_result(toy / "words")["judging"]["label_mass"] is None


def test_another_quantisation_asks_anew(toy: Path, identify: Any) -> None:
    pytest.importorskip("bitsandbytes")
    flags = ["--judge_report=false", "--llm_max_pairs=40"]
    asked = []
    for number, quantization in enumerate(("none", "nf4", "nf4")):
        assert identify(f"run{number}", *flags, f"--llm_quantization={quantization}") == 0
        asked.append(read_result(toy / f"run{number}")["identification"]["llm_calls"])
    assert asked[0] > 0
    assert asked[1] == asked[0]
    assert asked[2] == 0
    about = read_result(toy / "run1")["config"]
    assert about["llm_quantization"] == "nf4"


def test_ctrl_c_is_status_130_and_the_same_command_goes_on(toy: Path, identify: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(LlmJudge, "block_users", 6)
    flags = ["--judge_report=false", "--judge_decision=threshold", "--judge_threshold=0"]
    assert identify("whole", *flags, "--cache_dir=other") == 0
    stock, calls = LlmJudge.score, []

    def dying(self: LlmJudge, *pairs: Any) -> Any:
        calls.append(len(pairs[0]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return stock(self, *pairs)

    with monkeypatch.context() as patch:
        patch.setattr(LlmJudge, "score", dying)
        assert identify("broken", *flags) == 130
    assert len(rows("broken")) == 2 * 6 * 4
    assert not (toy / "broken" / "result.json").exists()
    assert "72 pairs were not judged" in (toy / "broken" / "run.log").read_text()
    assert identify("broken", *flags) == 0  # the same command, the same folder
    assert rows("broken") == rows("whole")
    assert (
        read_result(toy / "broken")["identification"]["llm_calls"] + calls[0] + calls[1]
        == (read_result(toy / "whole")["identification"]["llm_calls"])
    )


def test_ctrl_c_in_a_training_run_ends_before_training(
    toy: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=1", "--embedding_size=8", "--run_dir=run"]
    flags += ["--tree_leaf_size=4", "--judge=llm", f"--llm_model={tiny_llama}", "--candidate_topk=4"]
    with monkeypatch.context() as patch:
        patch.setattr(LlmJudge, "score", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(flags) == 130  # in the report
    assert rows("run") == []
    assert not (toy / "run" / "checkpoint.pth").exists()
    assert main(flags) == 0
    assert read_result(toy / "run")["identification"]["unjudged"] == 0


def test_held_out_pairs_change_neither_verdicts_nor_report(toy: Path, tiny_llama: Path) -> None:
    parts = toy_split(30, 24)
    write_pairs(toy / "two" / "toy", {**parts, "valid": [("new", "i1"), ("u3", "aaa")], "test": [("u4", "other")]})
    for name, data in (("one", "data"), ("other", "two")):
        flags = ["--model=BPR", "--dataset=toy", f"--data_path={data}", "--epochs=1", "--embedding_size=8"]
        flags += ["--tree_leaf_size=4", "--judge=llm", f"--llm_model={tiny_llama}", "--candidate_topk=4"]
        flags += ["--judge_decision=rate", f"--cache_dir=cache_{name}", f"--run_dir={name}"]
        assert main(flags) == 0
    assert rows("one") == rows("other") != []
    first, second = read_result(toy / "one"), read_result(toy / "other")
    assert first["judging"] == second["judging"]
    assert first["identification"] == second["identification"]
    assert first["data"]["split_hash"] != second["data"]["split_hash"]


def test_shared_verdicts_say_what_made_them_and_name_no_folder(toy: Path, identify: Any, tiny_llama: Path) -> None:
    assert identify("run", "--export_verdicts=v.tsv", "--judge_report=false") == 0
    about = json.loads(Path("v.tsv.json").read_text())
    assert about["judge"] == "llm"
    assert about["revision"].startswith("sha256:")
    assert about["settings"]["model"] == tiny_llama.name
    assert about["settings"]["quantization"] == "none"
    assert {"prompt", "compute_dtype", "answers"} <= set(about["settings"])
    assert str(tiny_llama) not in Path("v.tsv.json").read_text()
    assert identify("file", "--judge=file", "--judge_file=v.tsv") == 0
    assert rows("file") == rows("run")
    result = read_result(toy / "file")
    assert (result["identification"]["llm_calls"], result["judging"]) == (0, None)


def test_a_student_of_the_language_model(toy: Path, identify: Any) -> None:
    flags = ["--judge=student", "--student_users=10", "--student_share=0.1", "--judge_report=false"]
    assert identify("run", *flags) == 0
    result = read_result(toy / "run")
    assert 0 < result["identification"]["llm_calls"] <= 10 * 4 + 12
    assert result["judging"]["student"]["labelled_users"] == 10
    assert result["identification"]["unjudged"] == 0
    assert identify("whole", "--judge_report=false") == 0  # the student's labels are the language model's verdicts
    whole = read_result(toy / "whole")["identification"]["llm_calls"]
    assert whole + result["identification"]["llm_calls"] <= 120


def test_stored_answers_are_decided_upon_without_loading_the_weights(identify: Any, monkeypatch: Any) -> None:
    from recbole_dtlns.llm.loading import OpenedModel

    assert identify("first", "--judge_decision=rate") == 0
    monkeypatch.setattr(OpenedModel, "load", lambda *_: pytest.fail("the weights are loaded"))
    assert identify("second", "--judge_decision=rate", "--judge_rate=0.5") == 0
    assert len(rows("second")) > len(rows("first"))


def test_prompts_that_the_model_cannot_read_have_no_verdict(toy: Path, identify: Any, monkeypatch: Any) -> None:
    from recbole_dtlns.false_negatives.judges.engine import Engine

    init = Engine.__init__
    lengths: list[int] = []

    def short(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        encode = self._encoder.encode

        def measured(history: Any, candidates: Any) -> Any:
            prompts = encode(history, candidates)
            lengths.extend(map(len, prompts))
            return prompts

        self._encoder.encode = measured
        self._longest = 132

    monkeypatch.setattr(Engine, "__init__", short)
    assert identify("run", "--judge_report=false") == 0
    counts = read_result(toy / "run")["identification"]
    assert min(lengths) <= 132 < max(lengths)
    assert counts["unreadable"] > 0
    assert counts["llm_calls"] == sum(length <= 132 for length in lengths)


def test_a_memory_limit_bounds_the_batches_of_a_large_gpu(monkeypatch: Any) -> None:
    import torch
    from transformers import LlamaConfig

    from recbole_dtlns.llm.scoring import default_batch_tokens

    class Shape:
        config = LlamaConfig(
            hidden_size=4096,
            intermediate_size=14336,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
        )

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (60 * 2**30, 80 * 2**30))
    gpu = torch.device("cuda:0")
    assert default_batch_tokens(Shape, gpu) == 65536
    limited = default_batch_tokens(Shape, gpu, room_gb=2.3)
    assert limited * 2 * 2 * 32 * 8 * 128 * 2 < 2.3 * 2**30  # keys and values, twice, within the room
    assert default_batch_tokens(Shape, gpu, room_gb=-1.0) == 1024
