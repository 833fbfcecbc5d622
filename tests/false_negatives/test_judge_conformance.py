"""What every judge must do, whatever it asks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_server import FakeServer
from scipy import sparse
from tiny_llama import save_tiny_llama

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.judges import JUDGES, Judge, JudgeContext
from recbole_dtlns.false_negatives.judges.judging import judge_pairs
from recbole_dtlns.false_negatives.judges.store import VerdictStore

NAMES = sorted(JUDGES)
N_USERS, N_ITEMS, EACH = 6, 24, 4
ROUNDING = 1e-3  # of a model in bfloat16, whose last digits depend on what is computed beside; answers differ by more


@pytest.fixture(scope="module")
def keys(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Keys under which every judge can answer: a tiny model and a server in this process."""
    with FakeServer("vllm") as server:
        model = {"llm_model": str(tiny_llama), "llm_quantization": "none", "llm_device": "cpu"}
        given = Settings.parse({"server_url": server.url, "server_retries": 0, **model}).as_dict()
        yield {**given, "cache_dir": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A model with other weights, and a server with a model of another name."""
    model = save_tiny_llama(tmp_path_factory.mktemp("other"), num_hidden_layers=1)
    with FakeServer("vllm", model="another") as server:
        yield {"llm_model": str(model), "server_url": server.url}


def context(keys: dict[str, Any], shift: int = 0, **changes: Any) -> JudgeContext:
    """Users 1 to 6 with three items each; every item has codes of its own. `shift` gives them other numbers."""
    rows = np.repeat(np.arange(1, N_USERS + 1), 3)
    columns = (rows * 3 + np.tile(np.arange(3), N_USERS) + shift) % N_ITEMS + 1
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(N_USERS + 1, N_ITEMS + 1))
    numbers = (np.arange(N_ITEMS + 1) - 1 - shift) % N_ITEMS
    co = np.stack([numbers // 5, numbers % 5], axis=1).astype(np.int16)
    se = np.stack([numbers % 7, numbers // 7], axis=1).astype(np.int16)
    co[0], se[0] = -1, -1
    return JudgeContext(matrix, co, se, {**keys, **changes})


def pairs(shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    users = np.repeat(np.arange(1, N_USERS + 1), EACH)
    return users, (users * 5 + np.tile(np.arange(EACH), N_USERS) + shift) % N_ITEMS + 1


def candidates() -> Candidates:
    users, items = pairs()
    return Candidates(users, items, np.tile(np.arange(EACH), N_USERS), np.zeros(len(users), np.float32), "test")


def made(name: str, keys: dict[str, Any], **changes: Any) -> Judge:
    if name == "llm":
        for package in ("transformers", "accelerate"):
            pytest.importorskip(package)
    return JUDGES[name](context(keys, **changes))


@pytest.fixture(scope="module", params=NAMES)
def judge(request: pytest.FixtureRequest, keys: dict[str, Any]) -> Judge:
    """One judge of each kind, made once: a language model is slow to load."""
    return made(request.param, keys)


def test_answers_are_a_number_for_each_pair_on_the_scale_that_the_judge_names(judge: Judge) -> None:
    users, items = pairs()
    raw, mass = judge.score(users, items)
    assert raw.shape == users.shape
    assert raw.dtype == np.float64
    assert np.isfinite(raw).all()
    if mass is not None:
        assert mass.shape == users.shape
        assert (np.isnan(mass) | ((mass > 0) & (mass <= 1))).all()  # NaN where a server does not tell
    if not judge.gives_log_odds:
        assert ((raw >= 0) & (raw <= 1)).all()
    if judge.name != "keep_all":
        assert len(set(raw.tolist())) > 1


def test_the_same_pairs_get_the_same_answers_whatever_their_order_and_company(judge: Judge) -> None:
    users, items = pairs()
    raw = judge.score(users, items)[0]
    np.testing.assert_allclose(judge.score(users, items)[0], raw, atol=ROUNDING)
    generator = np.random.default_rng(0)
    by_user = [user * EACH + generator.permutation(EACH) for user in generator.permutation(N_USERS)]
    order = np.concatenate(by_user)  # pairs of a user stay side by side, as the interface has it
    np.testing.assert_allclose(judge.score(users[order], items[order])[0], raw[order], atol=ROUNDING)
    few = np.array([1, 2, 13])
    np.testing.assert_allclose(judge.score(users[few], items[few])[0], raw[few], atol=ROUNDING)


def test_numbers_of_items_mean_nothing_beside_their_codes(judge: Judge, keys: dict[str, Any]) -> None:
    """Nothing but train and codes is known: the same histories and paths under other numbers are the same questions."""
    expected = judge.score(*pairs())[0]
    other = judge.on(context(keys, shift=7))
    np.testing.assert_allclose(other.score(*pairs(shift=7))[0], expected, atol=ROUNDING)


def test_the_codes_it_is_asked_about_are_those_of_its_context(judge: Judge, keys: dict[str, Any]) -> None:
    """`on` leaves the judge itself as it was."""
    if judge.name == "keep_all":
        pytest.skip("it answers 1 whatever the codes")
    expected = judge.score(*pairs())[0]
    start = context(keys)
    dealt = np.r_[0, np.random.default_rng(1).permutation(N_ITEMS) + 1]
    turned = JudgeContext(start.matrix, start.co[dealt], start.se[dealt], keys)
    assert not np.allclose(judge.on(turned).score(*pairs())[0], expected, atol=1e-3)
    np.testing.assert_allclose(judge.score(*pairs())[0], expected, atol=ROUNDING)


def test_a_pair_without_an_answer_stays_without_one_and_is_asked_again(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, pairs, score = [], candidates(), judge.score

    def silent(users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        asked.append(len(users))
        raw, mass = score(users, items)
        return np.where(items % 3 == 0, np.nan, raw), mass

    with VerdictStore(tmp_path / "verdicts") as store:
        monkeypatch.setattr(judge, "score", silent)
        first = judge_pairs(judge, context({}), pairs, store)
        np.testing.assert_array_equal(np.isnan(first.raw), pairs.items % 3 == 0)
        monkeypatch.setattr(judge, "score", score)
        second = judge_pairs(judge, context({}), pairs, store)
        third = judge_pairs(judge, context({}), pairs, store)
    assert sum(asked) == len(pairs)
    np.testing.assert_allclose(second.raw, score(pairs.users, pairs.items)[0], atol=ROUNDING)
    assert (second.asked, third.asked) == ((pairs.items % 3 == 0).sum(), 0)


def test_what_it_says_of_itself_can_be_stored(judge: Judge) -> None:
    about = judge.settings()
    assert json.loads(json.dumps(about)) == about
    assert judge.name in JUDGES
    assert judge.revision


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("llm", {"llm_prompt": "reference"}),
        ("llm", {"llm_model": "other"}),
        ("server", {"llm_prompt": "reference"}),
        ("server", {"server_url": "other"}),
    ],
    ids=str,
)
def test_keys_that_change_answers_are_part_of_where_they_are_kept(
    keys: dict[str, Any], others: dict[str, str], tmp_path: Path, name: str, changes: dict[str, str]
) -> None:
    changes = {key: others.get(key, value) for key, value in changes.items()}
    with VerdictStore(tmp_path / "verdicts") as store:
        assert judge_pairs(made(name, keys), context({}), candidates(), store).asked == N_USERS * EACH
        assert judge_pairs(made(name, keys), context({}), candidates(), store).asked == 0
        assert judge_pairs(made(name, keys, **changes), context({}), candidates(), store).asked == N_USERS * EACH
