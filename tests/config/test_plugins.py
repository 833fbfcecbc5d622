"""Plugins are loaded once each, whatever their paths look like."""

import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from recbole_dtlns.config.parsers import Key, whole
from recbole_dtlns.config.plugins import content_of, load_plugins, loaded_content
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import BaseSampler


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


def test_a_plugin_that_has_changed_in_a_process_is_refused(tmp_path: Path, loaded: list[str]) -> None:
    write(tmp_path / "a" / "mine.py")
    load_plugins("a/mine.py")
    with (tmp_path / "a" / "mine.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(UserError, match=r"a/mine.py has changed since this process loaded it.*Start a new process"):
        load_plugins("a/mine.py")


def test_what_runs_is_what_was_hashed(tmp_path: Path, loaded: list[str]) -> None:
    """Python's own compiled copy goes by size and second of the change, so an edit may go unseen there."""
    path = tmp_path / "mine.py"
    for number in (1, 2):
        path.write_text(f"import builtins\nbuiltins.loaded_plugins.append({number})\nclass Mine: pass\n")
        os.utime(path, (1, 1))
        before = set(sys.modules)
        load_plugins(path)
        (module,) = set(sys.modules) - before
        kind = vars(sys.modules.pop(module))["Mine"]
        assert content_of(kind) == sha256(path.read_bytes()).hexdigest() == dict(loaded_content(path))[str(path)]
        assert content_of(type("Derived", (kind, int), {})) == content_of(kind)
    assert loaded == [1, 2]
    assert content_of(int) is None


@pytest.mark.parametrize("key", ["learning_rate", "embedding_size", "neg_candidates"])
def test_a_key_that_is_read_already_is_no_key_of_a_sampler(key: str, toy: Path) -> None:
    class Mine(BaseSampler):
        """Declares one key."""

    Mine.keys = {key: Key(1, whole(1), "mine")}
    SAMPLERS["mine"] = Mine
    with pytest.raises(UserError, match=f"Mine.keys declares {key}, which .* reads already.*another name"):
        Config("BPR", "toy", config_dict={"data_path": "data", "neg_sampler": "mine"})
    Mine.keys = {f"mine_{key}": Key(1, whole(1), "mine")}
    assert Config("BPR", "toy", config_dict={"data_path": "data", "neg_sampler": "mine"})[f"mine_{key}"] == 1


def test_an_instance_in_place_of_a_class_is_named(toy: Path) -> None:
    class Mine(BaseSampler):
        """As a class it would do."""

    SAMPLERS["mine"] = Mine()  # type: ignore[assignment]
    with pytest.raises(
        UserError, match=r"sampler 'mine' of a plugin is .* must be a class.*= Mine, without calling it"
    ):
        Config("BPR", "toy", config_dict={"data_path": "data", "neg_sampler": "mine"})


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
