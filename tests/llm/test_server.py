import logging
import math
import threading

import numpy as np
import pytest
from fake_server import MASS, FakeServer, listed, logprobs_of, margin_of
from scipy import sparse

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.judges.judging import judge_pairs
from recbole_dtlns.false_negatives.judges.server import ServerJudge
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.server import client as client_module

N_USERS, N_ITEMS, EACH = 6, 24, 4
OPTIONS = {
    "server_model": None,
    "server_api": "auto",
    "server_concurrency": 3,
    "server_timeout": 5.0,
    "server_retries": 2,
    "llm_prompt": "compact",
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_WAIT", 0.001)
    for name in client_module.KEY_NAMES:
        monkeypatch.delenv(name, raising=False)


def context(url, **options):
    """Users 1 to 6 with histories of three items; every item has a path of its own in both trees."""
    rows = np.repeat(np.arange(1, N_USERS + 1), 3)
    columns = (rows * 3 + np.tile(np.arange(3), N_USERS)) % N_ITEMS + 1
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(N_USERS + 1, N_ITEMS + 1))
    numbers = np.arange(N_ITEMS + 1)
    co = np.stack([numbers // 5, numbers % 5], axis=1).astype(np.int16)
    se = np.stack([numbers % 7, numbers // 7], axis=1).astype(np.int16)
    co[0], se[0] = -1, -1
    return JudgeContext(matrix, co, se, {**OPTIONS, "server_url": url, **options})


def pairs():
    users = np.repeat(np.arange(1, N_USERS + 1), EACH)
    return users, (users * 5 + np.tile(np.arange(EACH), N_USERS)) % N_ITEMS + 1


def expected(items):
    """What the fake model thinks of items: its answer depends on their paths alone."""
    return [margin_of(f"Candidate:\n{i // 5}-{i % 5} {i % 7}-{i // 7}\n") for i in items]


def candidates():
    users, items = pairs()
    return Candidates(users, items, np.tile(np.arange(EACH), N_USERS), np.zeros(len(users)), "test")


KINDS = [
    ("llamacpp", "llamacpp", "template"),
    ("sglang", "score", "template"),
    ("vllm", "generative_scoring", "template"),
    ("completions", "completions", "plain"),
    ("chat", "chat", "chat"),
]


@pytest.mark.parametrize(("kind", "api", "form"), KINDS)
def test_every_kind_of_server_is_found_and_gives_the_models_own_log_odds(kind, api, form):
    with FakeServer(kind) as server:
        judge = ServerJudge(context(server.url))
        assert judge.settings() == {
            "model": "fake-model",
            "prompt": Prompt.read("compact").about(),
            "api": api,
            "form": form,
        }
        assert judge.revision == "fake-model"
        users, items = pairs()
        server.asked.clear()
        raw, mass = judge.score(users, items)
    np.testing.assert_allclose(raw, expected(items), atol=1e-9)
    np.testing.assert_allclose(mass, np.nan if api == "generative_scoring" else MASS, atol=1e-9)
    assert judge.summary() == {"answered": len(items), "bounded": 0, "unreadable": 0, "too_long": 0}
    assert len(server.asked) == len(items) == judge.usage.calls


@pytest.mark.parametrize(("kind", "tokens"), [("llamacpp", 7 * 24), ("vllm", 41 * 6), ("completions", 5 * 24)])
def test_tokens_are_those_that_the_server_read_and_not_found_in_its_cache(kind, tokens):
    with FakeServer(kind) as server:
        judge = ServerJudge(context(server.url))
        judge.score(*pairs())
    assert judge.usage.prompt_tokens == tokens


@pytest.mark.parametrize("kind", ["llamacpp", "sglang", "vllm"])
def test_a_prompt_is_the_template_with_the_beginning_of_the_answer(kind):
    prompt = Prompt.read("compact")
    with FakeServer(kind) as server:
        judge = ServerJudge(context(server.url))
        server.asked.clear()
        judge.score(np.array([1]), np.array([9]))
    history = "\n".join(f"{i // 5}-{i % 5} {i % 7}-{i // 7}" for i in (4, 5, 6))
    question = f"History:\n{history}\nCandidate:\n1-4 2-1"
    begin = f"<system>{prompt.system.strip()}</><user>{question}</><assistant>Label: "  # the blank that labels share
    assert server.asked == [begin]


@pytest.mark.parametrize(
    ("kind", "api"), [("llamacpp", "llamacpp"), ("sglang", "score"), ("completions", "completions")]
)
def test_without_a_template_the_plain_text_is_asked_and_is_another_setting(kind, api):
    with FakeServer(kind, template=False) as server:
        judge = ServerJudge(context(server.url))
        raw, _ = judge.score(*pairs())
        assert (judge.settings()["api"], judge.settings()["form"]) == (api, "plain")
    assert server.asked[-1].startswith(Prompt.read("compact").system.strip())
    assert server.asked[-1].rstrip().endswith("Label:")
    np.testing.assert_allclose(raw, expected(pairs()[1]), atol=1e-9)


def test_an_api_can_be_chosen_and_completions_on_vllm_use_its_template():
    with FakeServer("vllm") as server:
        judge = ServerJudge(context(server.url, server_api="completions"))
        raw, mass = judge.score(*pairs())
        assert (judge.settings()["api"], judge.settings()["form"]) == ("completions", "template")
        assert "<assistant>Label:" in server.asked[-1]
    np.testing.assert_allclose(raw, expected(pairs()[1]), atol=1e-9)
    np.testing.assert_allclose(mass, MASS)


def test_the_address_may_end_in_v1():
    with FakeServer("completions") as server:
        raw, _ = ServerJudge(context(server.url + "/v1/")).score(*pairs())
    assert not np.isnan(raw).any()


def test_a_users_questions_come_in_order_to_one_slot_and_no_more_users_than_slots_at_once():
    barrier = threading.Barrier(2, timeout=5)

    def in_step(*args):
        barrier.wait()  # so that both slots are in use
        return listed(*args)

    with FakeServer("llamacpp", slots=2, bearing=in_step) as server:
        judge = ServerJudge(context(server.url, server_concurrency=8))
        server.seen.clear()
        server.most_at_once = 0
        judge.score(*pairs())
        asked = [body for path, body, _, _ in server.seen if path == "/completion"]
        assert server.most_at_once <= 2
    slots = {}
    for body in asked:
        text = body["prompt"][0]
        slots.setdefault(text.split("Candidate:")[0], []).append((body["id_slot"], text))
    assert len(slots) == N_USERS
    for of_user in slots.values():
        assert len({slot for slot, _ in of_user}) == 1
    assert {body["id_slot"] for body in asked} == {0, 1}
    users, items = pairs()
    for user in range(1, N_USERS + 1):
        paths = [f"{i // 5}-{i % 5} {i % 7}-{i // 7}" for i in items[users == user]]
        (mine,) = [of_user for of_user in slots.values() if f"\n{paths[0]}<" in of_user[0][1]]
        assert [text.split("Candidate:\n")[1].split("<")[0] for _, text in mine] == paths


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_score_endpoints_get_a_users_pairs_in_one_request(kind):
    with FakeServer(kind) as server:
        judge = ServerJudge(context(server.url))
        server.seen.clear()
        judge.score(*pairs())
        bodies = [body for path, body, _, _ in server.seen if path in {"/generative_scoring", "/v1/score"}]
    assert sorted(len(body["items"]) for body in bodies) == [EACH] * N_USERS
    assert all(min(map(len, body["items"])) < 60 < len(body["query"]) for body in bodies)  # shared part sent once


def test_a_label_below_the_list_is_bounded_by_the_last_one_listed_and_counted(caplog):
    def without_negative(prompt, names, most):
        (first, _), (value, _) = names, logprobs_of(prompt)
        return [(first, value), ("other", -9.5)][:most]

    with FakeServer("completions", bearing=without_negative) as server:
        judge = ServerJudge(context(server.url))
        raw, mass = judge.score(*pairs())
    positive = [math.log(MASS / (1 + math.exp(-margin))) for margin in expected(pairs()[1])]
    np.testing.assert_allclose(raw, np.array(positive) + 9.5)
    np.testing.assert_allclose(mass, np.exp(positive))
    assert judge.summary()["bounded"] == len(raw)
    assert caplog.text.count("A label is missing") == 1


@pytest.mark.parametrize("kind", ["completions", "chat"])
@pytest.mark.parametrize(("most", "used"), [(1000, 200), (20, 20), (5, 5)])
def test_as_many_alternatives_are_asked_for_as_the_server_lists(kind, most, used):
    with FakeServer(kind) as server:
        server.most_listed = most
        judge = ServerJudge(context(server.url))
        server.seen.clear()
        judge.score(*pairs())
        name = "logprobs" if kind == "completions" else "top_logprobs"
        assert {body[name] for _, body, _, _ in server.seen} == {used}
        server.most_listed = 1
        with pytest.raises(UserError, match=rf"{kind}: HTTP 400: too many logprobs"):
            ServerJudge(context(server.url))


def test_llamacpp_is_asked_for_a_longer_list_until_the_labels_are_in_it():
    def far_down(prompt, names, most):
        others = [(chr(200 + number), -0.1 - number / 1000) for number in range(400)]
        return [*others, *listed(prompt, names, 3)][:most]

    with FakeServer("llamacpp", bearing=far_down) as server:
        judge = ServerJudge(context(server.url))
        raw, _ = judge.score(*pairs())
        sizes = [body["n_probs"] for path, body, _, _ in server.seen if path == "/completion"]
    np.testing.assert_allclose(raw, expected(pairs()[1]), atol=1e-9)
    assert set(sizes) == {100, 1000}
    assert sizes.count(100) <= 2  # once for each slot that had begun; the length is kept


def test_answers_without_a_label_have_no_verdict(caplog):
    with FakeServer("chat", bearing=lambda *_: [("I", -0.1), ("p", -5.0), ("", -6.0)]) as server:
        judge = ServerJudge(context(server.url))
        raw, mass = judge.score(np.array([1, 1]), np.array([9, 10]))
        assert raw[0] == pytest.approx(1.0)  # "p" begins one label alone; the other one is at most as likely as ""
    with FakeServer("chat", bearing=lambda *_: [("I", -0.1), ("maybe", -5.0)]) as server:
        judge = ServerJudge(context(server.url))
        raw, mass = judge.score(np.array([1, 1]), np.array([9, 10]))
    assert np.isnan(raw).all()
    assert np.isnan(mass).all()
    assert judge.summary()["unreadable"] == 2


def test_a_model_that_never_names_a_label_stops_the_run():
    with FakeServer("chat", bearing=lambda *_: [("I", -0.1)]) as server:
        judge = ServerJudge(context(server.url))
        for _ in range(8):  # 192 answers
            judge.score(*pairs())
        with pytest.raises(UserError, match=r"None of 216 answers of fake-model"):
            judge.score(*pairs())


@pytest.mark.parametrize("kind", ["llamacpp", "vllm"])
def test_a_prompt_that_is_too_long_has_no_verdict_and_the_others_do(kind):
    users, items = pairs()
    with FakeServer(kind) as server:
        shown = context(server.url, server_concurrency=1)
        shown.co[items[1]] = 9999  # a longer path
        judge = ServerJudge(shown)
        server.asked.clear()
        judge.score(users, items)
        lengths = np.array(list(map(len, server.asked)))
        server.context = int(max(lengths)) - (kind == "llamacpp")  # vLLM counts the answer too
        judge = ServerJudge(shown)
        raw, _ = judge.score(users, items)
    np.testing.assert_array_equal(np.isnan(raw), lengths == max(lengths))
    too_long = int(np.isnan(raw).sum())
    assert 0 < too_long < len(raw) / 2
    assert (judge.summary()["too_long"], judge.summary()["answered"]) == (too_long, len(raw) - too_long)


def test_several_models_need_a_choice_and_an_unknown_one_is_refused():
    with FakeServer("completions") as server:
        with pytest.raises(UserError, match=r"there is no 'other'.*fake-model"):
            ServerJudge(context(server.url, server_model="other"))
        server._routes = lambda routes=server._routes: {**routes(), "/v1/models": None}
        assert ServerJudge(context(server.url, server_model="fake-model")).revision == "fake-model"


def test_folders_of_a_model_file_are_no_part_of_its_name():
    with FakeServer("llamacpp", model="/home/me/models/small.Q4_1.gguf") as server:
        judge = ServerJudge(context(server.url))
        assert (judge.revision, judge.settings()["model"]) == ("small.Q4_1.gguf", "small.Q4_1.gguf")
        assert ServerJudge(context(server.url, server_model="small.Q4_1.gguf")).revision == "small.Q4_1.gguf"


def test_a_server_with_none_of_the_endpoints_is_refused_with_what_was_tried():
    with FakeServer("completions") as server:
        server._routes = lambda: {}
        with pytest.raises(UserError, match=r"completions: HTTP 404.*chat: HTTP 404.*server_api"):
            ServerJudge(context(server.url))
        with pytest.raises(UserError, match=r"score: HTTP 404"):
            ServerJudge(context(server.url, server_api="score"))


def test_an_unset_or_impossible_address_is_refused_before_any_work():
    with pytest.raises(UserError, match=r"vllm serve(.|\n)*sglang(.|\n)*llama-server"):
        ServerJudge.check({**OPTIONS, "server_url": None})
    impossible = ("http://[::1", "http://host:eighty", "http://a:1 http://b:2", "http://a;http://b")
    for url in ("localhost:8000", "ftp://x", "http://me:secret@host", "http://host/?api_key=secret", *impossible):
        with pytest.raises(UserError, match="server_url should be") as caught:
            ServerJudge.check({**OPTIONS, "server_url": url})
        assert "secret" not in str(caught.value)


def test_a_second_run_asks_nothing(tmp_path):
    with FakeServer("llamacpp") as server:
        shown = context(server.url)
        with VerdictStore(tmp_path / "v") as store:
            first = judge_pairs(ServerJudge(shown), shown, candidates(), store, 2)
            judge = ServerJudge(shown)
            server.asked.clear()
            second = judge_pairs(judge, shown, candidates(), store, 4)
    np.testing.assert_allclose(first.raw, expected(candidates().items), atol=1e-9)
    np.testing.assert_array_equal(second.raw, first.raw)
    assert (second.asked, server.asked, judge.usage.calls) == (0, [], 0)


def test_verdicts_of_several_addresses_are_those_of_the_model(tmp_path):
    with FakeServer("llamacpp") as first, FakeServer("llamacpp") as other, VerdictStore(tmp_path / "v") as store:
        both = context(f"{first.url},{other.url}")
        judged = judge_pairs(ServerJudge(both), both, candidates(), store, 3)
        alone = context(other.url)
        again = judge_pairs(ServerJudge(alone), alone, candidates(), store, 3)
    np.testing.assert_allclose(judged.raw, expected(candidates().items), atol=1e-9)
    assert (judged.asked, again.asked) == (N_USERS * EACH, 0)


def test_a_server_that_dies_leaves_what_it_answered_and_the_next_run_asks_for_the_rest(tmp_path, caplog):
    with VerdictStore(tmp_path / "v") as store:
        with FakeServer("completions") as server:
            shown = context(server.url, server_retries=0, server_concurrency=1)
            judge = ServerJudge(shown)
            server.asked.clear()
            server.bearing = dies_after(server, 7)
            with pytest.raises(UserError, match="gives no answer"):
                judge_pairs(judge, shown, candidates(), store, 3)
        assert "6 answers were received" in caplog.text
        with FakeServer("completions") as server:
            shown = context(server.url)
            judge = ServerJudge(shown)
            server.asked.clear()
            done = judge_pairs(judge, shown, candidates(), store, 3)
    np.testing.assert_allclose(done.raw, expected(candidates().items), atol=1e-9)
    assert len(server.asked) == done.asked == N_USERS * EACH - 6


def dies_after(server, questions):
    def bearing(*args):
        if len(server.asked) >= questions:
            server.faults.extend(["drop"] * 1000)
            raise BrokenPipeError
        return listed(*args)

    return bearing


def test_judges_on_other_histories_share_the_connection_and_the_counts():
    with FakeServer("completions") as server:
        judge = ServerJudge(context(server.url))
        before = len(server.seen)
        other = judge.on(context(server.url))
        other.score(*pairs())
        judge.score(*pairs())
    assert len(server.seen) == before + 2 * N_USERS * EACH
    assert other.usage is judge.usage
    assert judge.usage.calls == 2 * N_USERS * EACH


def test_the_key_comes_from_the_environment_and_shows_nowhere(monkeypatch, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("RECBOLE_DTLNS_API_KEY", "sk-secret")
    with FakeServer("completions", key="sk-secret") as server:
        judge = ServerJudge(context(server.url))
        server.faults.extend([500, 500, 500, 400])  # the fake server repeats the key in its messages
        shown = str(judge.settings()) + judge.revision
        with pytest.raises(UserError) as refused:
            ServerJudge(context(server.url, server_concurrency=1)).score(*pairs())
        monkeypatch.delenv("RECBOLE_DTLNS_API_KEY")
        with pytest.raises(UserError, match="RECBOLE_DTLNS_API_KEY") as wrong:
            ServerJudge(context(server.url))
        assert {key for _, _, key, _ in server.seen} == {"Bearer sk-secret", "Bearer sk-other"}
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(UserError, match="wants a key") as none:
            ServerJudge(context(server.url))
    for text in (shown, caplog.text, str(refused.value), str(wrong.value), str(none.value), repr(vars(judge))):
        assert "sk-" not in text


def test_ctrl_c_keeps_the_answers_that_came(tmp_path, ctrl_c):
    with FakeServer("completions") as server, VerdictStore(tmp_path / "v") as store:
        shown = context(server.url, server_concurrency=1)
        judge = ServerJudge(shown)
        server.faults.extend([None] * 8 + ["hang"] * 30)
        ctrl_c(1.0)
        verdicts = judge_pairs(judge, shown, candidates(), store)
        assert verdicts.interrupted
        assert 4 <= len(store) <= 8
