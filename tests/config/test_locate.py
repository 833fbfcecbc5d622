"""The order of look-up, and what is said where nothing is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_dtlns.config.locate import DOWNLOAD_ALIASES, DataLocation, known_downloads, locate
from recbole_dtlns.errors import UserError

TEXT = ("train.txt", "valid.txt", "test.txt")


def folder(root: Path, name: str, *files: str) -> Path:
    path = root / name
    path.mkdir(parents=True)
    for file in files:
        (path / file).write_text("")
    return path


@pytest.mark.parametrize(
    ("files", "kind", "presplit"),
    [
        (("yelp.inter", "yelp.item"), "atomic", False),
        (("yelp.train.inter", "yelp.valid.inter", "yelp.test.inter"), "atomic", True),
        (("yelp.inter", "yelp.train.inter", "yelp.valid.inter", "yelp.test.inter"), "atomic", False),
        (TEXT, "text", True),
        (("train.txt",), "text", True),
        ((*TEXT, "yelp.train.inter", "yelp.valid.inter", "yelp.test.inter"), "atomic", True),
    ],
)
@pytest.mark.parametrize("explicit", [True, False])
def test_a_folder_comes_before_a_download(tmp_path, files, kind, presplit, explicit):
    path = folder(tmp_path, "yelp", *files)
    location = locate("yelp", str(tmp_path), "elsewhere") if explicit else locate("yelp", None, str(tmp_path))
    assert location == DataLocation(kind, "yelp", path, presplit)


def test_the_default_path_is_not_searched_where_data_path_is_set(tmp_path):
    folder(tmp_path / "default", "own", *TEXT)
    (tmp_path / "set").mkdir()
    assert locate("own", None, str(tmp_path / "default")).kind == "text"
    with pytest.raises(UserError, match="own was not found"):
        locate("own", str(tmp_path / "set"), str(tmp_path / "default"))


def test_ml_100k_is_bundled_unless_data_path_holds_one(tmp_path):
    folder(tmp_path, "ml-100k", *TEXT)
    (tmp_path / "empty").mkdir()
    for location in (locate("ml-100k", None, str(tmp_path)), locate("ml-100k", str(tmp_path / "empty"))):
        assert (location.kind, location.name, location.presplit) == ("bundled", "ml-100k", False)
        assert (location.folder / "ml-100k.inter").is_file()
    assert locate("ml-100k", str(tmp_path)) == DataLocation("text", "ml-100k", tmp_path / "ml-100k", True)


def test_downloads_go_under_the_path_in_force(tmp_path):
    assert locate("yelp", str(tmp_path)) == DataLocation("download", "yelp", tmp_path / "yelp", False)
    assert locate("yelp", None, str(tmp_path / "d")).folder == tmp_path / "d" / "yelp"
    assert locate("yelp", None) == DataLocation("download", "yelp", Path("dataset/yelp"), False)
    assert not (tmp_path / "d").exists()


def test_aliases_stand_in_recbole_s_table(tmp_path):
    assert set(DOWNLOAD_ALIASES.values()) <= set(known_downloads())
    assert not set(DOWNLOAD_ALIASES) & set(known_downloads())
    location = locate("amazon-toys", str(tmp_path))
    assert location == DataLocation("download", "amazon-toys-games", tmp_path / "amazon-toys-games", False)
    done = folder(tmp_path, "amazon-toys-games", "amazon-toys-games.inter")
    assert locate("amazon-toys", str(tmp_path)) == DataLocation("atomic", "amazon-toys-games", done, False)
    own = folder(tmp_path, "amazon-toys", *TEXT)
    assert locate("amazon-toys", str(tmp_path)) == DataLocation("text", "amazon-toys", own, True)


def test_parts_named_by_the_user(tmp_path):
    path = folder(tmp_path, "own", "own.inter", "own.a.inter", "own.b.inter", "train.txt")
    assert locate("own", str(tmp_path), benchmark_filename=["a", "b", "b"]) == DataLocation("atomic", "own", path, True)
    with pytest.raises(UserError, match=r"expected own\.a\.inter, own\.c\.inter \(benchmark_filename\)"):
        locate("own", str(tmp_path), benchmark_filename=["a", "c"])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((), ("found nothing", "expected yelp.inter; or yelp.train.inter", "train.txt, valid.txt", "download again")),
        (("yelp.zip",), ("found yelp.zip", "delete the folder to download again")),
        (("Yelp.inter", "readme"), ("found Yelp.inter, readme", "Rename")),
        (("yelp.train.inter", "yelp.test.inter"), ("found yelp.test.inter, yelp.train.inter", "yelp.valid.inter")),
        (("yelp.train.inter", *TEXT), ("expected yelp.inter",)),
        ([f"f{n:02}" for n in range(30)], ("f09 ...",)),
    ],
)
def test_a_folder_without_usable_files_is_described(tmp_path, files, expected):
    folder(tmp_path, "yelp", *files)
    with pytest.raises(UserError) as caught:
        locate("yelp", str(tmp_path))
    for part in expected:
        assert part in str(caught.value)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "yelp").write_text("")
    with pytest.raises(UserError, match="is no folder"):
        locate("yelp", str(tmp_path))


def test_the_home_of_a_user_who_is_not_there_is_no_folder(tmp_path):
    with pytest.raises(UserError, match="data_path=~no-such-user/data: there is no such folder"):
        locate("ml-100k", "~no-such-user/data")


def test_an_unknown_name_lists_near_names_and_what_to_do(tmp_path):
    folder(tmp_path, "yelpp2", *TEXT)
    with pytest.raises(UserError) as caught:
        locate("yelpp", str(tmp_path))
    for part in (
        f"no folder {tmp_path / 'yelpp'}",
        "yelpp2",
        "yelp, ",
        "--data_path=DATA --dataset=yelpp",
        "train.txt",
    ):
        assert part in str(caught.value)
    with pytest.raises(UserError, match=r"\(.*nowhere does not exist\)") as caught:
        locate("qqqqqq", str(tmp_path / "nowhere"))
    assert "Near names" not in str(caught.value)
    with pytest.raises(UserError, match=r"data_path is not set.*amazon-sports"):
        locate("amazon-sport", None, str(tmp_path))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("data/yelp", "--data_path=data --dataset=yelp"),
        ("/srv/yelp/", "--data_path=/srv --dataset=yelp"),
        ("", "NAME"),
        ("..", "no name"),
    ],
)
def test_a_path_is_no_name(name, advice):
    with pytest.raises(UserError, match="is no name") as caught:
        locate(name, None)
    assert advice in str(caught.value)


@pytest.mark.parametrize("name", ["yelp", "other"])
def test_a_data_path_that_is_the_folder_itself_downloads_nothing(tmp_path, name):
    path = folder(tmp_path, "mine", *TEXT)
    with pytest.raises(UserError, match="expected the folder above") as caught:
        locate(name, str(path))
    assert f"--data_path={tmp_path} --dataset=mine" in str(caught.value)
    assert locate("ml-100k", str(path)).kind == "bundled"
