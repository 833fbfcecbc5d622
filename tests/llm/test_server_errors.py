import email.utils
import http.server
import logging
import threading
import time

import numpy as np
import pytest
from fake_server import FakeServer, listed

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.server import Client, Reply, Session, Unreachable, connect, connect_all
from recbole_dtlns.llm.server import client as client_module
from recbole_dtlns.llm.server.client import Refused
from recbole_dtlns.llm.server.labels import from_texts

BODY = {"prompt": "Candidate:\n1-1 2-2\n", "logprobs": 5}
PATH = "/v1/completions"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_WAIT", 0.001)
    for name in client_module.KEY_NAMES:
        monkeypatch.delenv(name, raising=False)


def session(server, retries=0, workers=1):
    prompt = Prompt.read("compact")
    made = Session(connect_all([Client(server.url, 5.0, retries)], lambda client: connect(client, prompt)), workers)
    server.asked.clear()
    server.seen.clear()
    return made


def questions(users, each):
    return [[f"History:\n{user}\nCandidate:\n{user}-{item} 0" for item in range(each)] for user in range(users)]


@pytest.mark.parametrize("fault", [500, 503, 429, 408, "garbage", "drop"])
def test_what_may_pass_is_asked_again(fault):
    with FakeServer("completions") as server:
        server.faults.extend([fault, fault])
        answer = Client(server.url, 5.0, 2).post(PATH, BODY)
        assert len(server.seen) == 3
        assert answer["choices"]
        server.faults.extend([fault] * 3)
        with pytest.raises(Unreachable, match="3 times"):
            Client(server.url, 5.0, 2).post(PATH, BODY)
        assert len(server.seen) == 6


def test_a_server_that_hangs_is_a_timeout_and_asked_again():
    with FakeServer("completions") as server:
        server.faults.append("hang")
        assert Client(server.url, 0.2, 1).post(PATH, BODY)["choices"]
        server.faults.append("hang")
        with pytest.raises(Unreachable, match="timed out"):
            Client(server.url, 0.2, 0).post(PATH, BODY)


def test_nobody_there_is_unreachable():
    with FakeServer("completions") as server:
        url = server.url
    with pytest.raises(Unreachable, match="refused"):
        Client(url, 5.0, 1).get("/v1/models")


@pytest.mark.parametrize("status", [400, 404, 405, 422])
def test_what_is_refused_is_not_asked_again(status):
    with FakeServer("completions") as server:
        server.faults.append((status, {"message": "too many options"}))
        with pytest.raises(Refused, match="too many options") as caught:
            Client(server.url).post(PATH, BODY)
        assert (caught.value.status, caught.value.too_long, len(server.seen)) == (status, False, 1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_names_the_environment_variable(status):
    with FakeServer("completions") as server:
        server.faults.append(status)
        with pytest.raises(UserError, match=rf"HTTP {status}.*RECBOLE_DTLNS_API_KEY"):
            Client(server.url).post(PATH, BODY)
        assert len(server.seen) == 1


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_honoured(date, monkeypatch):
    waits = []
    with FakeServer("completions") as server:
        client = Client(server.url, 5.0, 1)
        monkeypatch.setattr(client.stop, "wait", lambda seconds: waits.append(seconds))
        server.faults.append((429, {"Retry-After": email.utils.formatdate(time.time() + 60) if date else "60"}))
        client.post(PATH, BODY)
    assert 50 < waits[0] <= 60


def test_waits_double_with_jitter(monkeypatch):
    waits = []
    monkeypatch.setattr(client_module, "_FIRST_WAIT", 1.0)
    with FakeServer("completions") as server:
        client = Client(server.url, 5.0, 4)
        monkeypatch.setattr(client.stop, "wait", lambda seconds: waits.append(seconds))
        server.faults.extend([500] * 4)
        client.post(PATH, BODY)
    assert [0.75 * 2**n <= wait <= 1.25 * 2**n for n, wait in enumerate(waits)] == [True] * 4
    assert len({wait / 2**n for n, wait in enumerate(waits)}) > 1


def test_a_redirect_is_not_followed_so_that_no_other_host_sees_the_key(monkeypatch):
    monkeypatch.setenv("RECBOLE_DTLNS_API_KEY", "sk-secret")
    with FakeServer("completions") as other, FakeServer("completions") as server:
        server.faults.append((302, {"Location": other.url + PATH}))
        with pytest.raises(Refused, match="302"):
            Client(server.url).post(PATH, BODY)
        assert other.seen == []


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens",
        "request (15001 tokens) exceeds the available context size (2048 tokens)",
        "context_length_exceeded",
    ],
)
def test_a_full_context_is_known_by_what_servers_say(message):
    assert Refused(400, message).too_long
    assert not Refused(404, message).too_long


@pytest.mark.parametrize(
    "shape",
    [
        *({}, {"choices": []}, {"choices": [{"logprobs": {"top_logprobs": ["x"]}}]}, {"a": 1}),
        {"choices": [{"logprobs": {"top_logprobs": [{"like": 710.0}]}}]},  # no log-probability
    ],
)
def test_an_answer_of_another_shape_says_so(shape):
    with FakeServer("completions") as server:
        asked = session(server)
        server.faults.append(shape)
        with pytest.raises(UserError, match=r"form that is not known.*server_api"):
            asked.ask(questions(1, 1))


def test_a_refusal_in_the_middle_keeps_what_came_before(caplog):
    with FakeServer("completions") as server:
        asked = session(server)
        server.faults.extend([None, None, 404])
        replies = asked.ask(questions(2, 2))
        assert [reply is None for of_user in replies for reply in of_user] == [False, False, True, True]
        assert "HTTP 404" in caplog.text
        server.faults.append(404)
        with pytest.raises(UserError, match=r"HTTP 404.*server_url, server_model and server_api"):
            asked.ask(questions(1, 2))


def test_one_question_that_fails_does_not_end_the_others(caplog):
    with FakeServer("completions") as server:
        asked = session(server, retries=1, workers=2)
        server.bearing = fails_for(server, "2-1 0")
        replies = asked.ask(questions(6, 3))
    missing = [
        (user, place) for user, of_user in enumerate(replies) for place, reply in enumerate(of_user) if reply is None
    ]
    assert missing == [(2, 1), (2, 2)]
    assert "gives no answer" in caplog.text


def test_failures_with_answers_between_them_do_not_end_the_block():
    with FakeServer("completions") as server:
        asked = session(server)
        server.bearing = fails_for(server, "1-0 0", "3-0 0", "5-0 0")
        replies = asked.ask(questions(7, 2))
    assert [of_user[0] is None for of_user in replies] == [False, True, False, True, False, True, False]


def fails_for(server, *texts):
    def bearing(prompt, names, most):
        if any(text in prompt for text in texts):
            raise BrokenPipeError
        return [(" positive", -1.0), (" negative", -2.0)]

    return bearing


def test_a_dead_server_ends_the_block_without_waiting_for_every_user():
    with FakeServer("completions") as server:
        asked = session(server, retries=1, workers=2)
        server.faults.extend(["drop"] * 10_000)
        with pytest.raises(UserError, match="gives no answer"):
            asked.ask(questions(50, 3))
        assert len(server.seen) <= 8


def test_no_more_users_at_once_than_asked_for():
    barrier = threading.Barrier(3, timeout=5)

    def together(prompt, names, most):
        barrier.wait()  # passes only when three questions are there at once
        return [(" positive", -1.0), (" negative", -2.0)]

    with FakeServer("completions") as server:
        asked = session(server, workers=3)
        server.most_at_once = 0
        server.bearing = together
        replies = asked.ask(questions(6, 2))
        assert server.most_at_once == 3
    assert {reply.margin for of_user in replies for reply in of_user} == {1.0}


def test_ctrl_c_waits_neither_for_the_server_nor_for_a_retry(ctrl_c):
    with FakeServer("completions") as server:
        asked = session(server, retries=9, workers=4)
        server.faults.extend(["hang", (429, {"Retry-After": "250"})] * 10)
        ctrl_c(0.3)
        replies = asked.ask(questions(8, 2))
        assert asked.interrupted
        assert len(replies) == 8
        waiting = [thread for thread in threading.enumerate() if thread.name.startswith("server-judge")]
        assert waiting  # for a server that still hangs
        assert all(thread.daemon for thread in waiting)  # so that they do not hold up the end of the program


def test_retries_are_logged_without_the_key(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("RECBOLE_DTLNS_API_KEY", "sk-secret")
    with FakeServer("completions") as server:
        server.faults.append(500)
        Client(server.url, 5.0, 1).post(PATH, BODY)
    assert "fault Bearer ***" in caplog.text
    assert "sk-secret" not in caplog.text


def test_a_server_of_another_kind_is_refused():
    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as page:
        threading.Thread(target=page.serve_forever, args=(0.02,), daemon=True).start()
        with pytest.raises(UserError, match="does not answer as OpenAI"):
            connect(Client(f"http://127.0.0.1:{page.server_port}", 5.0, 0), Prompt.read("compact"))
        page.shutdown()


def test_tokens_that_begin_one_label_are_summed():
    log = np.log
    reply = from_texts(
        [(" positive", log(0.3)), ("Pos", log(0.1)), ("▁neg", log(0.2)), ("x", log(0.05)), (" ", log(0.01))],
        " positive",
        " negative",
    )
    assert reply.margin == pytest.approx(log(0.4 / 0.2))
    assert reply.mass == pytest.approx(0.6)
    assert not reply.bounded


def test_a_token_that_begins_both_labels_speaks_for_neither():
    reply = from_texts([("l", -1.0), ("like", -2.0), ("lo", -3.0)], "like", "loathe")
    assert reply.margin == pytest.approx(1.0)
    assert from_texts([("positively", -1.0), ("", -2.0)], "positive", "negative") != Reply(0.0)
    assert np.isnan(from_texts([], "a", "b").margin)
    assert from_texts([("a", -1.0), ("x", -np.inf)], "a", "b").margin == 0  # what cannot come next is no bound
    for no_log_probability in (710.0, 0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="a log-probability of"):
            from_texts([("a", no_log_probability)], "a", "b")


@pytest.mark.parametrize("kind", ["llamacpp", "completions"])
@pytest.mark.parametrize("possible", [[], [("x", -np.inf), ("positive", -np.inf)]])
def test_a_list_in_which_nothing_is_possible_has_no_verdict_and_the_others_do(kind, possible):
    with FakeServer(kind) as server:
        asked = session(server)
        server.bearing = lambda prompt, *rest: possible if len(server.asked) == 2 else listed(prompt, *rest)
        first, second, third = asked.ask(questions(1, 3))[0]
    assert np.isnan(second.margin)
    assert np.isnan(second.mass)
    assert second.tokens == first.tokens > 0
    assert not np.isnan([first.margin, third.margin]).any()


def test_a_bound_errs_towards_zero():
    whole = [("positive", -0.1), ("maybe", -3.0), ("negative", -7.0)]
    full, cut = (from_texts(whole[:n], "positive", "negative") for n in (3, 2))
    assert (full.margin, cut.margin) == (pytest.approx(6.9), pytest.approx(2.9))
    assert (full.bounded, cut.bounded) == (False, True)
    assert cut.mass == pytest.approx(np.exp(-0.1))
