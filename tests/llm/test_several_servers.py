"""Several addresses with one model: the questions are shared, and a server that dies loses none."""

import contextlib
import json
import socket
import threading

import numpy as np
import pytest
from fake_server import FakeServer, send

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.server import Client, Session, addresses, connect, connect_all, servers
from recbole_dtlns.llm.server import client as client_module

USERS, EACH = 30, 4
ANSWER = [(" positive", -1.0), (" negative", -2.0)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_WAIT", 0.001)
    for name in client_module.KEY_NAMES:
        monkeypatch.delenv(name, raising=False)


class Clock:
    """The time by which servers rest; it stands still unless a test moves it."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def pass_by(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(servers, "time", made)
    return made


@contextlib.contextmanager
def fakes(*models, kind="completions"):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(FakeServer(kind, model=model)) for model in models]


def session(fake_servers, concurrency=2, retries=0):
    clients = [Client(fake.url, 5.0, retries) for fake in fake_servers]
    made = Session(connect_all(clients, lambda client: connect(client, Prompt.read("compact"))), concurrency)
    for fake in fake_servers:
        fake.asked.clear()
        fake.most_at_once = 0
    return made


def questions(users=USERS):
    return [[f"History:\n{user}\nCandidate:\n{user}-{item} 0" for item in range(EACH)] for user in range(users)]


def margins(replies):
    return np.array([[np.nan if reply is None else reply.margin for reply in of_user] for of_user in replies])


def after(server, count, then):
    """Good answers to the first `count` questions; `then()` is called for each later one."""
    lock, answered = threading.Lock(), [0]

    def bearing(prompt, names, most):
        with lock:
            answered[0] += 1
            late = answered[0] > count
        if late:
            then()
        return ANSWER

    server.bearing = bearing


def die():
    raise BrokenPipeError  # the connection ends without an answer


def test_servers_share_the_users_and_none_gets_more_at_once_than_asked_for():
    barrier = threading.Barrier(4, timeout=5)

    def together(*_):
        barrier.wait()  # passes only when both servers are asked about two users at once
        return ANSWER

    with fakes("m", "m") as both:
        asked = session(both)
        for fake in both:
            fake.bearing = together
        replies = asked.ask(questions(8))
        assert [fake.most_at_once for fake in both] == [2, 2]
        assert sorted(both[0].asked + both[1].asked) == sorted(set(both[0].asked + both[1].asked))
        assert len(both[0].asked) + len(both[1].asked) == 8 * EACH
    assert (margins(replies) == 1).all()


@pytest.mark.parametrize("kind", ["completions", "vllm"])
def test_a_server_that_dies_half_way_loses_no_answer(kind, caplog):
    with fakes("m", "m", kind=kind) as both:
        asked = session(both)
        expected = margins(asked.ask(questions()))
        both[0].asked.clear()
        both[0].handle = dies_after(both[0], 20)
        replies = asked.ask(questions())
    np.testing.assert_array_equal(margins(replies), expected)
    assert not np.isnan(expected).any()
    assert "the other addresses go on" in caplog.text


def dies_after(server, count):
    handle = server.handle

    def dying(request, body):
        if len(server.asked) >= count:
            request.close_connection = True
            return request.connection.close()
        return handle(request, body)

    return dying


def test_a_server_that_refuses_is_left_out_and_the_other_one_answers():
    with fakes("m", "m") as both:
        asked = session(both)
        both[0].faults.extend([404] * 9)
        replies = asked.ask(questions())
        assert len(both[0].faults) >= 7  # a question of each of two threads
    assert not np.isnan(margins(replies)).any()


def test_a_prompt_that_all_servers_refuse_stops_none_of_them():
    refused = "\n3-1 0"
    with fakes("m", "m") as both:
        asked = session(both)
        asked.ask(questions(2))
        for fake in both:
            fake.handle = refuses(fake, refused)
        replies = margins(asked.ask(questions()))
        assert all(server.living for server in asked._servers)
    assert np.argwhere(np.isnan(replies)).tolist() == [[3, 1], [3, 2], [3, 3]]  # of one user, from that question on


def refuses(server, words):
    handle = server.handle

    def refusing(request, body):
        if json.dumps(words)[1:-1] in json.dumps(body):
            return send(request, 400, {"error": {"message": "this prompt is refused"}})
        return handle(request, body)

    return refusing


def test_a_server_comes_back_after_a_rest_that_grows(clock):
    with fakes("m", "m") as both:
        asked = session(both)
        after(both[0], 0, die)
        asked.ask(questions(6))
        (dead, _), alive = asked._servers, both[0].handle
        both[0].handle = dies_after(both[0], 0)
        for rest in (5, 10, 20):
            assert [dead.due(), clock.pass_by(rest - 1), dead.due()] == [False, None, False]
            clock.pass_by(1)
            assert [dead.due(), dead.due()] == [True, False]  # for one thread
            assert not dead.try_again(asked.connection)
        both[0].handle, both[0].bearing, both[1].bearing = alive, lambda *_: ANSWER, slow(both[1])
        clock.pass_by(40)
        replies = asked.ask(questions())
        assert dead.living
        assert any("History" in prompt for prompt in both[0].asked)
        after(both[0], 0, die)
        asked.ask(questions(6))
        clock.pass_by(5)
        assert dead.due()  # it answered meanwhile, so the rest is short again
    assert not np.isnan(margins(replies)).any()


def slow(server):
    def bearing(*_):
        server.release.wait(0.02)
        return ANSWER

    return bearing


def test_a_server_with_another_model_does_not_come_back(clock):
    with fakes("m", "m") as both:
        asked = session(both)
        after(both[0], 0, die)
        asked.ask(questions(6))
        assert not asked._servers[0].living
        both[0].model, both[0].bearing, both[1].bearing = "another", lambda *_: ANSWER, slow(both[1])
        both[0].asked.clear()
        clock.pass_by(5)
        replies = asked.ask(questions())
        assert "must have one model" in str(asked._servers[0].problem)
        assert all("History" not in prompt for prompt in both[0].asked)
    assert not np.isnan(margins(replies)).any()


def test_all_dead_is_the_error_of_one_server_and_keeps_what_came(caplog):
    with fakes("m", "m") as both:
        asked = session(both)
        for fake in both:
            after(fake, 6, die)
        replies = asked.ask(questions())
        assert np.isfinite(margins(replies)).sum() == 12
        assert "gives no answer" in caplog.text
        assert "12 answers were received before and are kept" in caplog.text
        with pytest.raises(UserError, match=r"gives no answer.*is kept; start again"):
            asked.ask(questions())


def test_a_question_that_fails_everywhere_is_given_up_and_the_others_are_answered():
    def fails_for_one(prompt, *_):
        return die() if "\n7-1 0" in prompt else ANSWER

    with fakes("m", "m") as both:
        asked = session(both)
        for fake in both:
            fake.bearing = fails_for_one
        missing = np.isnan(margins(asked.ask(questions())))
    assert missing[7].tolist() == [False, True, True, True]
    assert missing.sum() == 3


def test_different_models_are_refused():
    with fakes("m", "other") as both, pytest.raises(UserError, match=r"must have one model.*has m by.*has other by"):
        session(both)


def test_an_address_that_is_down_at_the_start_is_left_out(caplog):
    with fakes("m") as (there,):
        with FakeServer("completions") as gone:
            pass
        clients = [Client(url, 5.0, 0) for url in (gone.url, there.url)]
        asked = Session(connect_all(clients, lambda client: connect(client, Prompt.read("compact"))), 2)
        assert not np.isnan(margins(asked.ask(questions(4)))).any()
        assert "The other addresses begin without it." in caplog.text


def test_where_none_answers_at_the_start_each_address_is_named_and_nothing_is_said_to_be_kept():
    with FakeServer("completions") as first, FakeServer("completions") as second:
        pass
    with pytest.raises(UserError) as error:
        session([first, second])
    assert first.url in str(error.value)
    assert second.url in str(error.value)
    assert "kept" not in str(error.value)


def test_addresses_are_tried_at_once():
    meeting = threading.Barrier(2, timeout=5)  # broken if the second address is tried after the first

    def find(client):
        meeting.wait()
        return connect(client, Prompt.read("compact"))

    with fakes("m", "m") as both:
        assert all(server.connection for server in connect_all([Client(fake.url, 5.0, 0) for fake in both], find))


def test_ctrl_c_does_not_wait_for_an_address_that_gives_no_answer(ctrl_c):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", 30.0, 0)
        ctrl_c(0.3)
        before = set(threading.enumerate())
        with pytest.raises(KeyboardInterrupt):
            connect_all([client], lambda client: connect(client, Prompt.read("compact")))
        assert [thread.daemon for thread in set(threading.enumerate()) - before if "connect" in thread.name] == [True]


def test_addresses_are_separated_by_commas_and_named_once():
    assert addresses("http://a:1, http://b:2/v1/") == ["http://a:1", "http://b:2"]
    with pytest.raises(UserError, match="names an address twice"):
        addresses("http://a:1,http://a:1/v1")
    with pytest.raises(UserError, match="server_url should be"):
        addresses("http://a:1,")
