"""RecBole's download under a faked network: one message, nothing half-made left, other errors untouched."""

from __future__ import annotations

import io
import socket
import urllib.error
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from recbole.config import Config
from recbole.data import create_dataset

from recbole_dtlns.config.locate import DataLocation, locate
from recbole_dtlns.data.download import SECONDS_WITHOUT_ANSWER, clear_download_errors
from recbole_dtlns.errors import UserError

ROWS = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\ta\t5\t1\n2\tb\t4\t2\n"


class Answer(io.BytesIO):
    def __init__(self, content: bytes, claimed: int | None = None) -> None:
        super().__init__(content)
        self.claimed = len(content) if claimed is None else claimed

    def info(self) -> Message:
        message = Message()
        message["Content-Length"] = str(self.claimed)
        return message


def archive(name: str = "Amazon_Toys_and_Games.inter", content: str = ROWS) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        file.writestr(name, content)
    return memory.getvalue()


def load(location: DataLocation) -> object:
    """What a run does: stock Config and `create_dataset` under the guard."""
    given = {"data_path": str(location.folder.parent), "use_gpu": False, "state": "ERROR"}
    config = Config(model="BPR", dataset=location.name, config_dict=given)
    with clear_download_errors(location):
        return create_dataset(config)


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    return locate("amazon-toys", str(tmp_path / "not" / "there"))


def answers(monkeypatch: pytest.MonkeyPatch, *given: object) -> list[object]:
    left = list(given)

    def urlopen(url: str) -> object:
        assert url.startswith("https://")
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return left


def offline() -> urllib.error.URLError:
    return urllib.error.URLError(OSError(-2, "Name or service not known"))


class Broken(Answer):
    def __init__(self, error: BaseException) -> None:
        super().__init__(archive())
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((offline(),), "URLError: <urlopen error [Errno -2] Name or service not known>"),
        ((Answer(archive()), offline()), "URLError"),
        ((urllib.error.HTTPError("u", 403, "Forbidden", Message(), None),), "HTTP Error 403: Forbidden"),
        ((TimeoutError("timed out"),), "TimeoutError: timed out"),
        ((Answer(archive()), Broken(ConnectionResetError("reset"))), "ConnectionResetError: reset"),
        ((Answer(b"<html>"), Answer(b"<html>please log in</html>")), "BadZipFile"),
    ],
    ids=["offline", "offline half-way", "forbidden", "silent", "reset", "no archive"],
)
def test_a_failed_download_is_one_message_and_leaves_nothing(monkeypatch, tmp_path, place, given, expected):
    answers(monkeypatch, *given)
    before = socket.getdefaulttimeout()
    with pytest.raises(UserError) as caught:
        load(place)
    message = str(caught.value)
    for part in (expected, "amazon-toys-games is not at", str(place.folder), "--data_path=DATA", "train.txt"):
        assert part in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []
    assert socket.getdefaulttimeout() == before


def test_folders_of_the_user_stay(monkeypatch, tmp_path):
    (tmp_path / "yelp2").mkdir()
    answers(monkeypatch, Answer(b"x"), Answer(b"x"))
    with pytest.raises(UserError):
        load(locate("yelp", str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["yelp2"]


def test_a_download_that_works_is_read(monkeypatch, place):
    left = answers(monkeypatch, Answer(archive()), Answer(archive()))
    dataset = load(place)
    assert left == []
    assert dataset.inter_num == 2
    assert set(dataset.field2id_token["item_id"][1:]) == {"a", "b"}
    assert locate("amazon-toys", str(place.folder.parent)).kind == "atomic"


def test_errors_after_the_download_pass_unchanged(monkeypatch, place):
    answers(monkeypatch, Answer(archive()), Answer(archive(content="user_id:tokn\n1\n")))
    with pytest.raises(UserError, match=r"amazon-toys-games.inter, line 1: 'user_id:tokn' is no header"):
        load(place)
    assert (place.folder / "amazon-toys-games.inter").is_file()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), offline(), SystemExit(-1)])
def test_errors_of_other_code_pass_unchanged(tmp_path, place, error):
    atomic = DataLocation("atomic", "own", tmp_path, False)
    for location in (place, atomic):
        with pytest.raises(type(error)) as caught, clear_download_errors(location):
            raise error
        assert caught.value is error
    assert tmp_path.is_dir()


def test_a_folder_that_was_there_is_never_removed(tmp_path, place):
    place.folder.mkdir(parents=True)

    def _download() -> None:
        raise offline()

    with pytest.raises(urllib.error.URLError), clear_download_errors(place):
        _download()
    assert place.folder.is_dir()


def test_consent_that_nobody_can_give(monkeypatch, tmp_path, place):
    def nobody(prompt: str) -> str:
        raise EOFError("EOF when reading a line")

    answers(monkeypatch, Answer(b"", 3 << 30))
    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(UserError, match=r"larger than 1 GB.*nobody can answer.*echo y"):
        load(place)
    answers(monkeypatch, Answer(b"", 3 << 30))
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    with pytest.raises(UserError, match="larger than 1 GB and was declined"):
        load(place)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("early", [True, False])
def test_a_stop_by_the_user_stays_one(monkeypatch, tmp_path, place, early):
    answers(monkeypatch, *((KeyboardInterrupt(),) if early else (Answer(archive()), Broken(KeyboardInterrupt()))))
    with pytest.raises(KeyboardInterrupt):
        load(place)
    assert list(tmp_path.iterdir()) == []


def test_silence_is_not_waited_for_without_end(place, tmp_path):
    with clear_download_errors(place):
        assert socket.getdefaulttimeout() == SECONDS_WITHOUT_ANSWER
    assert socket.getdefaulttimeout() is None
    with clear_download_errors(DataLocation("text", "own", tmp_path, True)):
        assert socket.getdefaulttimeout() is None
