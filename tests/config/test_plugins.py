"""Plugins are loaded once each, whatever their paths look like."""

import os
import sys
from pathlib import Path

import pytest

from recbole_dtlns.config.plugins import load_plugins
from recbole_dtlns.errors import UserError


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that the plugins of a test write to, in `builtins`; the working directory is the test's own."""
    names: list[str] = []
    monkeypatch.setattr("builtins.loaded_plugins", names, raising=False)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield names
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"import builtins\nbuiltins.loaded_plugins.append({str(path)!r})\n")


def test_one_file_is_loaded_once_however_it_is_named(tmp_path: Path, loaded: list[str]) -> None:
    write(tmp_path / "a" / "mine.py")
    load_plugins("a/mine.py")
    load_plugins(f"{tmp_path}/a/mine.py a{os.sep}..{os.sep}a/mine.py")
    assert len(loaded) == 1


def test_two_files_of_one_name_are_two_plugins(tmp_path: Path, loaded: list[str]) -> None:
    write(tmp_path / "a" / "mine.py")
    write(tmp_path / "b" / "mine.py")
    load_plugins("a/mine.py,b/mine.py")
    assert loaded == [str(tmp_path / "a" / "mine.py"), str(tmp_path / "b" / "mine.py")]


def test_what_a_plugin_is_refused_for_is_said_in_our_words(tmp_path: Path) -> None:
    old = "from recbole_dtlns.false_negatives.judges import Judge\n\n\nclass Old(Judge):\n    margins = True\n"
    (tmp_path / "old.py").write_text(old)
    with pytest.raises(UserError, match=r"^plugins: .*old.py: Old.margins is called gives_log_odds now. Rename it.$"):
        load_plugins(tmp_path / "old.py")


def test_a_plugin_that_fails_is_tried_again(tmp_path: Path, loaded: list[str]) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise KeyError('no')\n")
    for _ in range(2):
        with pytest.raises(UserError, match=r"importing .* raised KeyError"):
            load_plugins("broken.py")
    write(broken)
    load_plugins("broken.py")
    assert loaded == [str(broken)]


def test_a_blank_in_a_path_is_named(tmp_path: Path, loaded: list[str]) -> None:
    write(tmp_path / "my plugins" / "mine.py")
    with pytest.raises(UserError, match=r'plugins="my plugins/mine.py": blanks separate files, .* Rename'):
        load_plugins("my plugins/mine.py")
    with pytest.raises(UserError, match=r"there is no file my\. Blanks and commas separate files"):
        load_plugins("my plugins/other.py")
    assert not loaded
