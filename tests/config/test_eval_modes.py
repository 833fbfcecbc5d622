"""`eval_args.mode` in words: what is sampled is never called a full ranking, in a run, in a comparison, on a page."""

from pathlib import Path

import pytest
from made import make_comparison

from recbole_dtlns import cli
from recbole_dtlns.comparison.run import campaign
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.config.eval_modes import ranking_text, sampled_name, sampled_warning
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.closing import closing_text
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.quick_start import run_recbole_dtlns

SMALL = {"epochs": 1, "embedding_size": 8, "train_batch_size": 64, "data_path": "data", "neg_sampler": "uniform"}
SAYS = "do not compare with those of a full ranking and may order models otherwise (Krichene and Rendle, KDD 2020)."


@pytest.mark.parametrize(
    ("mode", "text", "name", "warns_of"),
    [
        ("full", "full ranking of all items", "", None),
        ({"valid": "full", "test": "full"}, "full ranking of all items", "", None),
        (
            "uni20",
            "sampled ranking, 20 items drawn uniformly for each held-out one (uni20)",
            "sampled ranking (uni20)",
            "eval_args.mode=uni20: ",
        ),
        (
            {"valid": "pop5", "test": "full"},
            "valid: sampled ranking, 5 items drawn by popularity for each held-out one (pop5); "
            "test: full ranking of all items",
            "",
            "eval_args.mode.valid=pop5: ",
        ),
        ("labeled", "no ranking, held-out interactions are scored one by one (labeled)", "", None),
    ],
)
def test_modes_in_words(mode, text: str, name: str, warns_of: str | None) -> None:
    arguments = {"mode": mode}
    assert ranking_text(arguments) == text
    assert sampled_name(arguments) == name
    warning = sampled_warning(arguments)
    if warns_of is None:
        assert warning is None
    else:
        assert warning is not None
        assert warning.startswith(warns_of)
        assert warning.endswith(SAYS)


@pytest.mark.parametrize("nothing", [None, {}, {"mode": None}])
def test_nothing_is_said_of_what_is_not_known(nothing) -> None:
    assert (ranking_text(nothing), sampled_name(nothing), sampled_warning(nothing)) == ("", "", None)


@pytest.mark.parametrize("mode", ["full", "uni5"])
def test_a_run_warns_and_names_it_beside_its_numbers(toy: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_recbole_dtlns("BPR", "toy", config_dict={**SMALL, "run_dir": "r", "eval_args": {"mode": mode}})
    told, result = capsys.readouterr().err, read_result(Path("r"))
    sampled = mode != "full"
    assert (SAYS in told) == (SAYS in (toy / "r/run.log").read_text()) == sampled
    assert ("BPR on toy, sampled ranking (uni5), best epoch" in told) == sampled
    assert ("sampled" in closing_text(Path("r"), result, False)) == sampled
    assert result["config"]["eval_args"]["mode"] == {"valid": mode, "test": mode}


@pytest.mark.parametrize("mode", ["full", "uni5"])
def test_a_comparison_warns_before_it_starts(
    toy: Path, mode: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each warning once, also of several rows."""
    words = ["--datasets=toy", "--models=BPR", "--samplers=uniform,dns,mixgcf", "--data_path=data", "--epochs=1"]
    assert cli.main(["compare", *words, f"--eval_args={{'mode': '{mode}'}}", "--dry_run"]) == 0
    assert capsys.readouterr().out.count(SAYS) == (mode != "full")

    def stopped(*_: object, **__: object) -> None:
        raise UserError("as far as the first run")

    monkeypatch.setattr(campaign, "carry_out", stopped)
    assert cli.main(["compare", *words, f"--eval_args={{'mode': '{mode}'}}", "--run_dir=c"]) == 2
    assert capsys.readouterr().err.count(SAYS) == (mode != "full")
    assert (toy / "c/compare.log").read_text().count(SAYS) == (mode != "full")


@pytest.mark.parametrize("mode", ["full", "uni20"])
def test_the_page_and_the_console_tell_it(tmp_path: Path, mode: str) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    from report_parts import change_results, sections

    from recbole_dtlns.comparison.report.standings import standings_text

    few = {"models": ("BPR",), "noise": (0.0,), "trials": 0, "judges": ("rule",), "failed": None}
    folder = make_comparison(tmp_path / "c", **few)
    eval_args = {"mode": {"valid": mode, "test": mode}}
    change_results(folder, "*/*", lambda result, _: result["config"].update(eval_args=eval_args))
    sampled = mode != "full"
    for path in (folder, folder / "runs/ml-100k/BPR/dns/seed-2020"):
        parts = sections(path)
        assert any(warning.endswith(SAYS) for warning in parts["summary"].warnings) == sampled
    text = sections(folder)["accuracy"].text[0]
    assert text.startswith("Sampled ranking, 20 items" if sampled else "Full ranking of all items; early stopping")
    assert ("Full ranking" in text) != sampled
    assert standings_text(read_comparison(folder)).startswith(
        "BPR on ml-100k, sampled ranking (uni20):" if sampled else "BPR on ml-100k:"
    )
