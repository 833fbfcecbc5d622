"""What answers at once: no torch, no RecBole. And RecBole is fixed all the same, whoever imports it."""

import subprocess
import sys
from pathlib import Path

import pytest

from recbole_dtlns import recbole_import
from recbole_dtlns.cli import main
from recbole_dtlns.commands.completion import script
from recbole_dtlns.commands.keys import key_lines
from recbole_dtlns.commands.pages import PAGES, SUBCOMMANDS
from recbole_dtlns.config.choices import LAYERED_MODELS
from recbole_dtlns.config.declared import all_judges, sampler_names, table
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.false_negatives.judges import JUDGES, OTHER_JUDGES
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.version import __version__

ROOT = Path(__file__).resolve().parent.parent


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_keys_pages_and_completion_import_nothing_heavy() -> None:
    words = [["--help"], ["-h"], ["--version"], ["--help_keys"], ["completion", "bash"], ["completion", "zsh"]]
    words += [[name, "--help"] for name in SUBCOMMANDS]
    heavy = {"torch", "recbole", "scipy", "pandas", "matplotlib", "sklearn"}
    code = "import sys; from recbole_dtlns.cli import main\n"
    code += f"for words in {words}: assert main(words) == 0\n"
    code += f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    python(code)


def test_recbole_is_fixed_when_it_is_imported_after_us_and_ray_never_is() -> None:
    code = (
        "import recbole_dtlns, sys; assert 'torch' not in sys.modules\n"
        "from recbole.config import Config; from recbole.data.dataset import Dataset\n"
        "assert Config.compatibility_settings.__module__ == 'recbole_dtlns.compat.packages'\n"
        "assert Dataset._load_feat._recbole_dtlns\n"
        "import recbole_dtlns.quick_start, recbole_dtlns.evaluation.loading, recbole_dtlns.commands.offline\n"
        "assert 'ray' not in sys.modules and 'recbole.quick_start' not in sys.modules"
    )
    python(code)


def test_the_finder_looks_for_recbole_alone_and_does_not_go_away() -> None:
    finder = recbole_import._RecBoleFinder()
    assert finder.find_spec("json", None) is None
    assert finder.find_spec("recbole.config", None) is None
    spec = finder.find_spec("recbole", None)
    assert spec is not None
    assert spec.submodule_search_locations


def test_help_keys_tells_every_key_with_its_start_value() -> None:
    start = Settings().as_dict()
    lines = {key: value for key, value, _ in key_lines()}
    assert set(lines) == set(start)
    assert {key: str(value) for key, value in lines.items()} == {key: str(value) for key, value in start.items()}
    assert all(meaning for _, _, meaning in key_lines())


def test_names_for_completion_are_those_that_run() -> None:
    assert set(all_judges()) == {*JUDGES, *OTHER_JUDGES}
    assert set(sampler_names()) == set(SAMPLERS)
    assert set(LAYERED_MODELS) == set(table("models with layers"))


def complete(*words: str) -> list[str]:
    listed = " ".join(f"'{word}'" for word in words)
    code = f"{script('bash')}\nCOMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; _recbole_dtlns\n"
    code += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


def test_bash_completes_subcommands_keys_and_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("recbole-dtlns", "comp") == ["compare", "completion"]
    assert complete("recbole-dtlns", "--neg_cand") == ["--neg_candidates="]
    assert complete("recbole-dtlns", "--stopping") == ["--stopping_step="]
    assert complete("recbole-dtlns", "--model", "=", "LightG") == ["LightGCN"]
    assert set(complete("recbole-dtlns", "--judge", "=")) == set(all_judges())
    assert set(complete("recbole-dtlns", "--judge", "=", "")) == set(all_judges())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    assert complete("recbole-dtlns", "report", "mi") == ["mine.yaml"]
    assert complete("recbole-dtlns", "--config_files", "=", "mi") == ["mine.yaml"]


def test_each_subcommand_has_its_own_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(PAGES) == set(SUBCOMMANDS)
    for name in SUBCOMMANDS:
        for word in ("--help", "-h"):
            assert main([name, word]) == 0
            assert capsys.readouterr().out.startswith(f"usage: recbole-dtlns {name} ")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"recbole-dtlns {__version__}\n"
    assert main(["comapre"]) == 2
    assert "nearest: compare" in capsys.readouterr().err
    assert main(["completion", "fish"]) == 2
    assert "bash or zsh; found fish" in capsys.readouterr().err
