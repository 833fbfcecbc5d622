import sqlite3
import struct
import threading

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges import JudgeContext
from recbole_dtlns.false_negatives.judges import store as store_module
from recbole_dtlns.false_negatives.judges.store import VerdictStore


class Named:
    revision = "1"

    def __init__(self, name="judge", revision="1", **settings):
        self.name, self.revision, self._settings = name, revision, settings

    def settings(self):
        return self._settings


def context_of(histories, co, se):
    """Users 1, 2, ... with these items; codes of items 1, 2, ... as lists."""
    rows = [user for user, items in enumerate(histories, start=1) for _ in items]
    columns = [item for items in histories for item in items]
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(histories) + 1, len(co) + 1))
    tables = [np.array([[-1] * len(codes[0]), *codes], dtype=np.int16) for codes in (co, se)]
    return JudgeContext(matrix, *tables)


KEYS = [bytes([number]) * 16 for number in range(5)]


def test_put_get_and_second_open(tmp_path):
    path = tmp_path / "deep" / "verdicts.sqlite"
    with VerdictStore(path) as store:
        store.put(KEYS[:2], np.array([0.1, -3.5]), np.array([0.9, np.nan]))
        store.put(KEYS[2:3], np.array([1.0]))
    with VerdictStore(path) as store:
        raw, mass = store.get([KEYS[2], KEYS[4], KEYS[0], KEYS[1], KEYS[0]])
        assert len(store) == 3
    np.testing.assert_array_equal(raw, [1.0, np.nan, 0.1, -3.5, 0.1])
    np.testing.assert_array_equal(mass, [np.nan, np.nan, 0.9, np.nan, 0.9])


def test_more_keys_than_a_statement_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_AT_ONCE", 7)
    keys = [number.to_bytes(16, "big") for number in range(50)]
    with VerdictStore(tmp_path / "v") as store:
        store.put(keys[::2], np.arange(0.0, 50.0, 2.0))
        raw, _ = store.get(keys)
    np.testing.assert_array_equal(raw, [number if number % 2 == 0 else np.nan for number in range(50)])


def test_nothing_to_get_or_put(tmp_path):
    with VerdictStore(tmp_path / "v") as store:
        store.put([], np.zeros(0))
        assert store.get([])[0].shape == (0,)


def test_no_answer_is_not_kept_and_a_new_one_replaces(tmp_path):
    with VerdictStore(tmp_path / "v") as store:
        store.put(KEYS[:2], np.array([np.nan, 0.2]))
        store.put(KEYS[1:2], np.array([0.4]))
        np.testing.assert_array_equal(store.get(KEYS[:2])[0], [np.nan, 0.4])


def test_a_failing_put_leaves_nothing(tmp_path):
    with VerdictStore(tmp_path / "v") as store:
        with pytest.raises(ValueError, match="zip"):
            store.put(KEYS[:3], np.array([1.0, 2.0]))
        store.put(KEYS[:1], np.array([0.5]))
        assert len(store) == 1


def test_keys_depend_on_codes_and_judge_alone(tmp_path):
    co, se = [[0, 1], [0, 1], [1, -1], [1, 0]], [[0], [0], [1], [1]]
    context = context_of([[1, 3], [3, 2], [1, 2], [1], [1, 4]], co, se)
    users, items = np.array([1, 2, 3, 4, 5]), np.array([4, 4, 4, 4, 4])
    with VerdictStore(tmp_path / "v") as store:
        keys = store.keys(context, Named(), users, items)
        assert keys[0] == keys[1]  # items 1 and 2 have the same codes, and order does not matter
        assert len({*keys}) == 4  # another history, a shorter one, one code of two being longer
        assert store.keys(context, Named(), np.array([1, 1, 1]), np.array([1, 2, 3]))[0] != keys[0]
        first, second, third = store.keys(context, Named(), np.array([1, 1, 1]), np.array([1, 2, 3]))
        assert first == second != third
        assert all(len(key) == 16 for key in keys)
        for other in (Named("other"), Named(revision="2"), Named(prompt="p"), Named(prompt="q"), Named(temperature=0)):
            assert store.keys(context, other, users[:1], items[:1])[0] not in keys


def test_keys_outlive_other_items_and_users(tmp_path):
    co, se = [[0, 1], [1, 0], [0, 0]], [[0], [1], [1]]
    before = context_of([[1, 2]], co, se)
    after = context_of([[3], [2, 3]], [[7, 7], [0, 1], [1, 0], [0, 0]], [[5], [0], [1], [1]])
    with VerdictStore(tmp_path / "v") as store:
        first = store.keys(before, Named(), np.array([1]), np.array([3]))
        assert store.keys(after, Named(), np.array([2]), np.array([4])) == first


def test_the_two_views_are_not_confused(tmp_path):
    with VerdictStore(tmp_path / "v") as store:
        a = store.keys(context_of([[1]], [[0, 1], [0, 2]], [[3], [4]]), Named(), np.array([1]), np.array([2]))
        b = store.keys(context_of([[1]], [[0], [0]], [[1, 3], [2, 4]]), Named(), np.array([1]), np.array([2]))
    assert a != b


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to be read as one" * 20, b"SQLite format 3\0rest"]
)
def test_a_damaged_file_is_named_and_kept(tmp_path, content):
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"verdicts\.sqlite is damaged: .*Move it away .* nothing has been deleted"):
        VerdictStore(path)
    assert path.read_bytes() == content


def test_damage_inside_is_reported_when_it_is_met(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    keys = [number.to_bytes(16, "big") for number in range(5000)]
    with VerdictStore(path) as store:
        store.put(keys, np.zeros(5000))
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with VerdictStore(path) as store, pytest.raises(UserError, match="is damaged"):
        store.get(keys)


def test_a_database_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(UserError, match=r"other\.sqlite is no verdict store of this version \(found 0, expected 2\)"):
        VerdictStore(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]
    connection.close()


def test_a_place_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be used"):
        VerdictStore(tmp_path / "file" / "v.sqlite")
    with pytest.raises(UserError, match="cannot be used"):
        VerdictStore(tmp_path)


def test_a_store_held_by_another_program_says_so(tmp_path, monkeypatch):
    path = tmp_path / "v"
    with VerdictStore(path):
        pass
    monkeypatch.setattr(store_module, "_WAIT_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    with VerdictStore(path) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match="cannot be used: database is locked"):
            store.put(KEYS[:1], np.zeros(1))
        other.execute("COMMIT")
        store.put(KEYS[:1], np.zeros(1))
    other.close()


def test_several_writers_at_once(tmp_path):
    """As many connections as writers, opened at the same moment: what processes do."""
    writers, rounds = 6, 10
    barrier, failures = threading.Barrier(writers), []

    def write(number):
        try:
            barrier.wait()
            with VerdictStore(tmp_path / "v") as store:
                for turn in range(rounds):
                    keys = [bytes([number, turn, place]) + bytes(13) for place in range(20)]
                    store.put(keys, np.full(20, float(number)))
                    assert (store.get(keys)[0] == number).all()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with VerdictStore(tmp_path / "v") as store:
        assert len(store) == writers * rounds * 20


def bits_of_numbers(path, value):
    """Places in a file where a number stands as SQLite writes it."""
    whole, wanted = path.read_bytes(), struct.pack(">d", value)
    return [at for at in range(len(whole)) if whole.startswith(wanted, at)]


@pytest.mark.parametrize("byte", range(8))
def test_a_flipped_bit_in_an_answer_is_noticed_and_the_answer_asked_for_again(tmp_path, caplog, byte):
    path = tmp_path / "verdicts.sqlite"
    with VerdictStore(path) as store:
        store.put([b"one", b"two"], np.array([0.123, 0.75]), np.array([0.9, np.nan]))
    whole = bytearray(path.read_bytes())
    (place,) = bits_of_numbers(path, 0.123)
    whole[place + byte] ^= 1
    path.write_bytes(whole)
    with VerdictStore(path) as store:
        raw, mass = store.get([b"one", b"two"])
        np.testing.assert_array_equal(raw, [np.nan, 0.75])
        assert np.isnan(mass).all()
        assert "1 answers in the verdict store" in caplog.text
        store.put([b"one"], np.array([0.123]))
        np.testing.assert_array_equal(store.get([b"one"])[0], [0.123])


def test_a_flipped_label_mass_is_noticed_too(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    with VerdictStore(path) as store:
        store.put([b"one"], np.array([1.0]), np.array([0.321]))
    whole = bytearray(path.read_bytes())
    whole[bits_of_numbers(path, 0.321)[0] + 3] ^= 16
    path.write_bytes(whole)
    with VerdictStore(path) as store:
        assert np.isnan(store.get([b"one"])[0]).all()


@pytest.mark.parametrize("raw", [0.0, -0.0, 1.0, 0.25, 1e-300, -7.0])
def test_every_number_passes_its_own_check(tmp_path, raw):
    with VerdictStore(tmp_path / "verdicts.sqlite") as store:
        for mass in (None, np.array([raw]), np.array([np.nan])):
            store.put([b"k"], np.array([raw]), mass)
            assert store.get([b"k"])[0] == raw


def test_a_store_without_checksums_is_brought_up_to_date(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE verdicts (key BLOB PRIMARY KEY, raw REAL NOT NULL, label_mass REAL) WITHOUT ROWID")
        old.execute("INSERT INTO verdicts VALUES (?, 0.5, NULL), (?, 1, 0.25)", (b"one", b"two"))
        old.execute("PRAGMA user_version = 1")
    old.close()
    for _ in range(2):
        with VerdictStore(path) as store:
            raw, mass = store.get([b"one", b"two"])
            np.testing.assert_array_equal(raw, [0.5, 1.0])
            np.testing.assert_array_equal(mass, [np.nan, 0.25])


def test_answers_are_looked_up_beside_and_saved_in_the_store_itself(tmp_path):
    shared, own = tmp_path / "shared.sqlite", tmp_path / "own.sqlite"
    with VerdictStore(shared) as store:
        store.put(KEYS[:2], np.array([0.1, 0.2]), np.array([0.9, np.nan]))
    before = shared.read_bytes(), sorted(tmp_path.iterdir())
    with VerdictStore(own, shared) as store:
        store.put(KEYS[1:3], np.array([7.0, 8.0]))
        raw, mass = store.get(KEYS[:4])
        assert len(store) == 2
    np.testing.assert_array_equal(raw, [0.1, 7.0, 8.0, np.nan])
    np.testing.assert_array_equal(mass, [0.9, np.nan, np.nan, np.nan])
    own.unlink()
    assert (shared.read_bytes(), sorted(tmp_path.iterdir())) == before


@pytest.mark.parametrize("content", [None, b""])
def test_a_store_beside_that_is_not_there_yet_answers_nothing(tmp_path, content):
    shared = tmp_path / "shared.sqlite"
    if content is not None:
        shared.write_bytes(content)
    with VerdictStore(tmp_path / "own.sqlite", shared) as store:
        assert np.isnan(store.get(KEYS)[0]).all()
    assert (shared.read_bytes() if shared.exists() else None) == content


def test_a_store_beside_that_is_damaged_is_refused_by_name_and_left_as_it_is(tmp_path):
    shared = tmp_path / "shared.sqlite"
    shared.write_bytes(b"no store" * 1000)
    with (
        VerdictStore(tmp_path / "own.sqlite", shared) as store,
        pytest.raises(UserError, match=r"shared\.sqlite is d"),
    ):
        store.get(KEYS)
    assert shared.read_bytes() == b"no store" * 1000


def test_answers_that_lie_in_the_log_of_a_store_beside_are_warned_of_once(tmp_path, caplog):
    shared = VerdictStore(tmp_path / "shared.sqlite")
    shared.put(KEYS[:1], np.array([0.5]))  # and is not closed, as after kill -9
    with VerdictStore(tmp_path / "own.sqlite", tmp_path / "shared.sqlite") as store:
        store.get(KEYS)
        store.get(KEYS)
    assert caplog.text.count("still in its log") == 1
    shared.close()
    with VerdictStore(tmp_path / "own.sqlite", tmp_path / "shared.sqlite") as store:
        assert store.get(KEYS[:1])[0] == [0.5]
    assert caplog.text.count("still in its log") == 1


def test_a_row_beside_that_is_damaged_is_reported_and_not_used(tmp_path, caplog):
    with VerdictStore(tmp_path / "shared.sqlite") as store:
        store.put(KEYS[:1], np.array([0.5]))
    with sqlite3.connect(tmp_path / "shared.sqlite") as connection:
        connection.execute("UPDATE verdicts SET raw = 0.6")
    connection.close()
    with VerdictStore(tmp_path / "own.sqlite", tmp_path / "shared.sqlite") as store:
        assert np.isnan(store.get(KEYS[:1])[0]).all()
    assert "1 answers in the verdict store" in caplog.text


def test_a_store_takes_up_another_whose_answers_are_the_newer_ones(tmp_path):
    with VerdictStore(tmp_path / "a.sqlite") as store, VerdictStore(tmp_path / "b.sqlite") as part:
        store.put(KEYS[:2], np.array([0.1, 0.2]))
        part.put(KEYS[1:4], np.array([7.0, 8.0, 9.0]), np.array([0.5, np.nan, 0.6]))
        store.take_up(part)
        raw, mass = store.get(KEYS)
        np.testing.assert_array_equal(raw, [0.1, 7.0, 8.0, 9.0, np.nan])
        np.testing.assert_array_equal(mass, [np.nan, 0.5, np.nan, 0.6, np.nan])
        assert len(part) == 3
