"""What is tried on valid."""

import importlib.util
import math
import random
from collections.abc import Callable

import pytest
import yaml

from recbole_dtlns.cli import main
from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.plan_file import make_plan
from recbole_dtlns.comparison.plan.rows import make_row
from recbole_dtlns.comparison.search.optuna_trials import OptunaTrials
from recbole_dtlns.comparison.search.search import (
    Range,
    number_of_trials,
    parse_range,
    ranges_of,
    trial_keys,
)
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES
from recbole_dtlns.samplers import SAMPLERS


def plan(**entries) -> ComparisonPlan:
    given = {"datasets": ("ml-100k",), "models": ("BPR",), "rows": (make_row("dns"),), "trials": 4, **entries}
    return ComparisonPlan(**given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choice [1,2]", Range("choice", (1, 2))),
        ("choice['a', 'b']", Range("choice", ("a", "b"))),
        ("choice [[64],[64,64]]", Range("choice", ([64], [64, 64]))),
        ("uniform 0.1,0.9", Range("uniform", (0.1, 0.9))),
        ("loguniform -9, -3", Range("loguniform", (-9, -3))),
        ("quniform 1,9,2", Range("quniform", (1, 9, 2))),
    ],
)
def test_ranges_are_read_as_recbole_writes_them(text: str, expected: Range) -> None:
    assert parse_range("key", text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("choice []", "empty"),
        ("choice 5", "expected a list"),
        ("choice [a,b]", "words in quotes"),
        ("choice [", "cannot be read"),
        ("normal 0,1", "cannot be read"),
        ("", "cannot be read"),
        ([1, 2], "cannot be read"),
        ("uniform 1", "expected 2 numbers"),
        ("uniform 1,2,3", "expected 2 numbers"),
        ("uniform 'a','b'", "expected 2 numbers"),
        ("uniform 2,1", "low < high"),
        ("uniform 1,1", "low < high"),
        ("quniform 1,9", "expected 3 numbers"),
        ("quniform 1,9,0", "step above 0"),
        ("quniform 1,9,10", "no multiple of 10 between the bounds"),
        ("uniform __import__('os').getcwd(),1", "cannot be read"),
    ],
)
def test_a_range_that_cannot_be_read_is_refused(text: object, message: str) -> None:
    with pytest.raises(UserError, match=f"Range of key.*{message}"):
        parse_range("key", text)


def test_draws_lie_in_the_range_and_fill_it() -> None:
    generator = random.Random(0)
    draws = {
        text: [parse_range("key", text).draw(generator) for _ in range(2000)]
        for text in ("uniform 0.1,0.9", "loguniform -9,-3", "quniform 1,9,2", "quniform 0,1,0.25")
    }
    assert all(0.1 <= value <= 0.9 for value in draws["uniform 0.1,0.9"])
    assert sum(draws["uniform 0.1,0.9"]) / 2000 == pytest.approx(0.5, abs=0.02)
    logs = [math.log(value) for value in draws["loguniform -9,-3"]]
    assert min(logs) > -9.001
    assert max(logs) < -2.999
    assert sum(logs) / 2000 == pytest.approx(-6, abs=0.15)
    assert set(draws["quniform 0,1,0.25"]) == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert set(draws["quniform 1,9,2"]) == {2, 4, 6, 8}
    assert all(type(value) is int for value in draws["quniform 1,9,2"])


def test_steps_are_multiples_that_lie_in_the_range() -> None:
    assert parse_range("key", "quniform 1,9,2").options() == [2, 4, 6, 8]
    assert parse_range("key", "quniform 5,15,10").options() == [10]
    assert parse_range("key", "quniform 0.1,0.3,0.1").options() == [0.1, 0.2, 0.3]


def test_a_row_under_the_tree_view_tries_the_weights_of_the_trees_and_its_own_keys() -> None:
    own, view = ranges_of(make_row("ahns"), plan()), ranges_of(make_row("dtl_ns"), plan())
    both = ranges_of(make_row("ahns+tree"), plan())
    assert both == {**own, "alpha_co": view["alpha_co"], "alpha_se": view["alpha_se"]}
    assert set(ranges_of(make_row("uniform+tree"), plan())) == {"alpha_co", "alpha_se"}
    assert ranges_of(make_row("mixgcf+pos"), plan()) == ranges_of(make_row("mixgcf"), plan())


def test_shared_ranges_are_tried_in_every_row_but_the_references_and_win() -> None:
    shared = plan(shared_search={"learning_rate": "choice [0.001,0.01]", "neg_candidates": "choice [3,4]"})
    assert set(ranges_of(make_row("uniform"), shared)) == {"learning_rate", "neg_candidates"}
    assert ranges_of(make_row("dns"), shared)["neg_candidates"].values == (3, 4)
    assert set(ranges_of(make_row("EASE"), shared)) == {"reg_weight"}
    assert ranges_of(make_row("Pop"), shared) == {}


def test_what_is_fixed_is_not_tried() -> None:
    assert set(ranges_of(make_row("ahns"), plan(fixed={"neg_candidates": 5}))) == {"ahns_alpha", "ahns_beta"}


def test_random_trials_begin_with_the_start_values_and_never_repeat() -> None:
    tried = trial_keys(make_row("ahns"), plan(trials=20))
    assert tried[0] == {}
    start = {key: Settings().as_dict()[key] for key in tried[1]}
    assert len(tried) == 20
    assert all(keys != other for i, keys in enumerate([start, *tried[1:]]) for other in [start, *tried[1:]][:i])
    ranges = ranges_of(make_row("ahns"), plan())
    assert all(value in ranges[key].values for keys in tried for key, value in keys.items())


def test_there_are_never_more_trials_than_combinations() -> None:
    # dns: five values of N, of which 10 is the start value
    tried = trial_keys(make_row("dns"), plan(trials=50))
    assert tried[0] == {}
    assert sorted(keys["neg_candidates"] for keys in tried[1:]) == [2, 5, 20, 50]
    assert number_of_trials(make_row("dns"), plan(trials=50)) == 5
    assert trial_keys(make_row("uniform"), plan(trials=50)) == [{}]
    assert trial_keys(make_row("dns"), plan(trials=0)) == trial_keys(make_row("dns"), plan(trials=1)) == [{}]


def test_draws_depend_on_the_row_and_the_split_alone() -> None:
    drawn = trial_keys(make_row("srns"), plan(trials=6))
    assert drawn == trial_keys(make_row("srns"), plan(trials=6, models=("LightGCN",), rows=(), seeds=(1, 2)))
    assert drawn == trial_keys(make_row("srns"), plan(trials=9))[:6]
    assert drawn != trial_keys(make_row("srns"), plan(trials=6, split_seed=1))


@pytest.mark.parametrize(
    ("ablation", "of"),
    [
        *(("shuffled_codes", "dtl_ns"), ("random_positives", "dtl_ns"), ("exclude_only", "dtl_ns")),
        *(("mixgcf+pos", "mixgcf"), ("mixgcf+tree+pos", "mixgcf+tree")),
    ],
)
def test_an_ablation_tries_what_the_row_tries_that_it_is_an_ablation_of(ablation: str, of: str) -> None:
    assert trial_keys(make_row(ablation), plan(trials=4)) == trial_keys(make_row(of), plan(trials=4))
    assert make_row("mixgcf+tree").drawn_as != make_row("mixgcf").drawn_as


@pytest.mark.parametrize(
    ("listed", "without"),
    [
        *(("dtl_ns", "judge=keep_all"), ("dtl_ns", "dtl_ns+pos"), ("dtl_ns", "dtl_ns+reference")),
        *(("mixgcf+list", "mixgcf"), ("mixgcf+list", "mixgcf+pos"), ("ahns+list", "ahns")),
    ],
)
def test_a_row_on_lists_tries_the_keys_of_the_list_loss_on_top_of_the_same_draws(listed: str, without: str) -> None:
    lists = {"list_weight", "list_temperature"}
    more, less = (trial_keys(make_row(name), plan(trials=4)) for name in (listed, without))
    assert len(more) == len(less) == 4
    assert [{key: value for key, value in keys.items() if key not in lists} for keys in more] == less
    assert all(lists < set(keys) for keys in more[1:])
    assert len({tuple(keys[key] for key in sorted(lists)) for keys in more[1:]}) > 1


@pytest.mark.parametrize(("name", "settings"), [("uniform+list", 9), ("mixgcf+list", 36)])
def test_where_a_rows_own_keys_end_the_keys_of_the_list_loss_go_on(name: str, settings: int) -> None:
    tried = trial_keys(make_row(name), plan(trials=100))
    assert len(tried) == number_of_trials(make_row(name), plan(trials=100)) == settings
    assert all(tried.count(keys) == 1 for keys in tried)
    assert tried[:7] == trial_keys(make_row(name), plan(trials=7))


@pytest.mark.parametrize("search", ["random", "grid"])
def test_no_trial_has_a_view_without_weight_or_more_picks_than_candidates(search: str) -> None:
    views = trial_keys(make_row("uniform+tree"), plan(trials=100, search=search))
    assert len(views) == 8  # 3 x 3, without (0, 0); start values among them
    assert not any(keys and keys["alpha_co"] == keys["alpha_se"] == 0 for keys in views)
    ranges = {"dns_mn_m": "choice [1,2,10]", "neg_candidates": "choice [5,20]"}
    picks = trial_keys(make_row("dns_mn"), plan(trials=100, search=search, shared_search=ranges))[1:]
    assert len(picks) == 5
    assert all(keys["dns_mn_m"] <= keys["neg_candidates"] for keys in picks)
    fixed = plan(trials=100, search=search, fixed={"neg_candidates": 5})
    assert [keys["dns_mn_m"] for keys in trial_keys(make_row("dns_mn"), fixed)[1:]].count(10) == 0


def test_a_grid_has_every_combination_in_order_and_the_start_values_first() -> None:
    ranges = {"neg_candidates": "choice [5,10]", "learning_rate": "choice [0.01,0.001]"}
    grid = plan(trials=9, search="grid", shared_search=ranges)
    expected = [{"neg_candidates": n, "learning_rate": r} for n, r in ((5, 0.01), (5, 0.001), (10, 0.01))]
    assert trial_keys(make_row("uniform"), grid) == [{}, *expected]  # (10, 0.001) are the start values
    assert number_of_trials(make_row("uniform"), grid) == 4
    capped = plan(trials=2, search="grid", shared_search=ranges)
    assert trial_keys(make_row("uniform"), capped) == [{}, expected[0]]


def test_a_fixed_value_and_a_configuration_file_are_start_values(tmp_path) -> None:
    (tmp_path / "c.yaml").write_text("neg_candidates: 20\n")
    files = plan(trials=9, search="grid", config_files=(str(tmp_path / "c.yaml"),))
    assert [keys.get("neg_candidates") for keys in trial_keys(make_row("dns"), files)] == [None, 2, 5, 10, 50]


def test_a_grid_over_a_uniform_range_is_refused() -> None:
    for text in ("uniform 0,1", "loguniform -3,0"):
        with pytest.raises(UserError, match="no end of values"):
            trial_keys(make_row("uniform"), plan(search="grid", shared_search={"learning_rate": text}))
    stepped = plan(trials=9, search="grid", shared_search={"neg_candidates": "quniform 4,8,2"})
    assert [keys["neg_candidates"] for keys in trial_keys(make_row("dns"), stepped)[1:]] == [4, 6, 8]


@pytest.mark.parametrize("name", [*sorted(SAMPLERS), "EASE", "ItemKNN"])
def test_every_shipped_range_can_be_drawn_from_and_enumerated(name: str) -> None:
    tried = trial_keys(make_row(name), plan(trials=100, search="grid"))
    assert len(tried) > 1 or name == "uniform"
    assert trial_keys(make_row(name), plan(trials=3))[0] == {}


def test_reference_rows_search_recboles_own_keys() -> None:
    for name, keys in (("EASE", {"reg_weight"}), ("ItemKNN", {"k", "shrink"})):
        assert set(yaml.safe_load((PROPERTIES / "model" / f"{name}.yaml").read_text())) == {"search"}
        assert set(ranges_of(make_row(name), plan())) == keys
    tried = [keys.get("reg_weight") for keys in trial_keys(make_row("EASE"), plan(trials=9, search="grid"))]
    assert tried == [None, 1.0, 10.0, 100.0, 500.0, 1000.0]  # 250 is the start value


def test_a_key_for_all_runs_does_not_end_the_search_of_a_reference_row_that_has_its_own() -> None:
    fixed = {"reg_weight": 0.0001, "k": 3, "neg_candidates": 5}
    shared = plan(trials=9, search="grid", fixed=fixed)
    tried = [keys.get("reg_weight") for keys in trial_keys(make_row("EASE"), shared)]
    assert tried == [None, 1.0, 10.0, 100.0, 500.0, 1000.0]
    assert set(ranges_of(make_row("ItemKNN"), shared)) == {"k", "shrink"}
    assert ranges_of(make_row("dns"), shared) == {}


def test_a_plugins_sampler_brings_its_ranges(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "mine", SAMPLERS["dns"])
    monkeypatch.chdir(tmp_path)
    assert ranges_of(make_row("mine"), plan()) == {}
    (tmp_path / "sampler").mkdir()
    (tmp_path / "sampler" / "mine.yaml").write_text("search:\n  neg_candidates: choice [3,7]\n")
    assert ranges_of(make_row("mine"), plan())["neg_candidates"].values == (3, 7)


def score(keys: dict) -> float:
    return -abs(keys.get("learning_rate", 0.001) - 0.02) - abs(keys.get("neg_candidates", 10) - 20) / 100


OPTUNA = {
    "learning_rate": "loguniform -8,-2",
    "neg_candidates": "quniform 4,32,4",
    "alpha_co": "choice [0.0,0.1]",
    "alpha_se": "choice [0.0,0.3]",
}


def test_optuna_goes_on_where_it_was_interrupted() -> None:
    pytest.importorskip("optuna")
    asked = plan(trials=14, search="optuna", shared_search=OPTUNA)
    row = make_row("uniform")
    whole = OptunaTrials(row, asked)
    tried = []
    while (keys := whole.ask()) is not None:
        tried.append(keys)
        whole.tell(None if len(tried) == 4 else score(keys))  # the fourth failed
    assert len(tried) == number_of_trials(row, asked) == 14
    assert tried[0] == {}
    assert all(set(keys) == set(OPTUNA) for keys in tried[1:])
    assert all(keys != other for i, keys in enumerate(tried) for other in tried[:i])
    assert not any(keys and keys["alpha_co"] == keys["alpha_se"] == 0 for keys in tried)
    again = OptunaTrials(row, asked)
    for number, keys in enumerate(tried[:9], 1):
        assert again.ask() == keys
        again.tell(None if number == 4 else score(keys))
    assert again.ask() == tried[9]


def test_optuna_learns_from_scores() -> None:
    pytest.importorskip("optuna")
    asked = plan(trials=25, search="optuna", shared_search={"learning_rate": "uniform 0,1"})

    def late(score_of: Callable[[float], float | None]) -> list[float]:
        trials, rates = OptunaTrials(make_row("uniform"), asked), []
        for _ in range(25):
            keys = trials.ask()
            assert keys is not None
            rates.append(keys.get("learning_rate", 0.001))
            trials.tell(score_of(rates[-1]))
        return rates[15:]

    assert sum(abs(value - 0.8) < 0.2 for value in late(lambda rate: -abs(rate - 0.8))) > 5
    # Half of the range fails, for instance for want of memory; scores below 0 are of a metric of which less is better.
    failing = late(lambda rate: None if rate >= 0.5 else -0.5 - abs(rate - 0.2))
    assert sum(value < 0.5 for value in failing) > 5


def test_what_optuna_proposes_depends_on_the_split_and_is_the_same_for_an_ablation() -> None:
    pytest.importorskip("optuna")

    def proposed(name: str, **changes) -> list[dict]:
        trials = OptunaTrials(make_row(name), plan(trials=5, search="optuna", shared_search=OPTUNA, **changes))
        tried = []
        while (keys := trials.ask()) is not None:
            tried.append(keys)
            trials.tell(0.5)
        return tried

    assert proposed("shuffled_codes") == proposed("dtl_ns", seeds=(1, 2))
    assert proposed("mixgcf+pos") == proposed("mixgcf")
    assert proposed("mixgcf", split_seed=1) != proposed("mixgcf")


def test_optuna_ends_where_a_small_space_does() -> None:
    pytest.importorskip("optuna")
    asked = plan(trials=40, search="optuna")
    trials, proposed = OptunaTrials(make_row("dns"), asked), []
    while (keys := trials.ask()) is not None:
        proposed.append(keys.get("neg_candidates"))
        trials.tell(0.5)
    assert proposed[0] is None
    assert sorted(proposed[1:]) == [2, 5, 20, 50]
    nothing = OptunaTrials(make_row("uniform"), asked)
    assert nothing.ask() == {}
    nothing.tell(0.5)
    assert nothing.ask() is None


def test_optuna_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'recbole-dtlns\[tune\]'"):
        OptunaTrials(make_row("dns"), plan(search="optuna"))


def test_optuna_is_needed_to_compare_but_not_to_read_a_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "optuna" else find(name))
    flags = {"datasets": "ml-100k", "models": "BPR", "samplers": "dns", "search": "optuna", "trials": "2"}
    assert make_plan(flags).search == "optuna"
    assert main(["compare", *(f"--{key}={value}" for key, value in flags.items())]) == 2
    assert "recbole-dtlns[tune]" in capsys.readouterr().err
