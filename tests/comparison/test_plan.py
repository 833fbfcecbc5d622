"""A plan: its cells, and what is read from flags and files."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from plan_parts import plan, write

from recbole_dtlns.comparison.plan.cell_config import CellConfig, check_cells
from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.plan_file import DEFAULT_ROWS, make_plan, read_plan
from recbole_dtlns.comparison.plan.rows import make_row
from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers import SAMPLERS


def labels(samplers: str, **flags: str) -> list[str]:
    return [cell.label for cell in plan(samplers=samplers, **flags).cells()]


def test_without_more_than_a_data_set_it_compares_the_usual_rows_once_at_start_values() -> None:
    parsed = make_plan({"datasets": "ml-100k"})
    assert (parsed.models, parsed.judges) == (("LightGCN",), ("learned",))
    assert (parsed.seeds, parsed.split_seed) == ((2020,), 2020)
    assert (parsed.trials, parsed.search, parsed.noise) == (0, "random", (0.0,))
    expected = [*DEFAULT_ROWS[:-1], "dtl_ns@learned", "mixgcf+list@learned"]
    assert [cell.label for cell in parsed.cells()] == expected
    assert parsed.fixed == {
        "metrics": [
            *("Recall", "MRR", "NDCG", "Hit", "Precision"),
            *("ItemCoverage", "AveragePopularity", "GiniIndex"),
        ]
    }


def test_rows_with_inferred_positives_cross_with_the_judges_and_others_do_not() -> None:
    cells = plan(samplers="dns,dns+pos,shuffled_codes,Pop", judges="rule,keep_all").cells()
    assert [(cell.label, cell.judge) for cell in cells] == [
        ("dns", "none"),
        ("dns+pos@rule", "rule"),
        ("dns+pos@keep_all", "keep_all"),
        ("shuffled_codes@rule", "rule"),
        ("shuffled_codes@keep_all", "keep_all"),
        ("Pop", "none"),
    ]
    assert cells[1].keys() == {"neg_sampler": "dns", "positives_loss": "pairs", "judge": "rule"}


def test_dtl_ns_stands_beside_its_positives_without_the_view() -> None:
    def by_rule(samplers: str, **flags: str) -> list[str]:
        return labels(samplers, **{"judges": "rule", **flags})

    beside = ["dtl_ns@rule", "mixgcf+pos@rule"]
    assert by_rule("dtl_ns,dns") == [*beside, "dns"]
    assert by_rule("mixgcf+pos,dns,dtl_ns") == ["mixgcf+pos@rule", "dns", "dtl_ns@rule"]
    assert by_rule("dtl_ns,dns,mixgcf+pos") == ["dtl_ns@rule", "dns", "mixgcf+pos@rule"]  # where it was asked for
    assert by_rule("dtl_ns,augment_only") == beside
    assert by_rule("dtl_ns", judges="rule,keep_all") == [*beside, "dtl_ns@keep_all", "mixgcf+pos@keep_all"]
    assert by_rule("dtl_ns+pos") == ["dtl_ns+pos@rule", "mixgcf+pos@rule"]
    assert by_rule("dtl_ns+list") == ["dtl_ns+list@rule", "mixgcf+list@rule"]
    assert by_rule("dtl_ns+list", models="DGCF") == ["dtl_ns+list@rule", "dns+list@rule"]
    assert by_rule("dtl_ns", positives_loss="list") == ["dtl_ns@rule", "mixgcf+list@rule"]
    assert by_rule("judge=keep_all") == ["dtl_ns@keep_all", "mixgcf+pos@keep_all"]
    assert by_rule("dtl_ns", models="DGCF") == ["dtl_ns@rule", "dns+pos@rule"]  # no layers: the view is on dns
    assert by_rule("tree_only") == ["mixgcf+tree"]
    beside_other = ["mixgcf+pos@rule", "dtl_ns@keep_all", "mixgcf+pos@keep_all"]  # the one of another judge is no match
    assert by_rule("mixgcf+pos,judge=keep_all") == beside_other


def test_dtl_ns_of_the_learned_judge_stands_beside_its_lists_without_the_view_where_there_are_lists() -> None:
    beside = ["dtl_ns@learned", "mixgcf+list@learned"]
    assert labels("dtl_ns,dns") == [*beside, "dns"]
    assert labels("mixgcf+list,dtl_ns") == beside[::-1]
    assert labels("dtl_ns,augment_only") == [*beside, "mixgcf+pos@learned"]
    assert labels("dtl_ns", judges="learned,rule") == [*beside, "dtl_ns@rule", "mixgcf+pos@rule"]
    assert labels("dtl_ns+pos") == ["dtl_ns+pos@learned", "mixgcf+pos@learned"]
    assert labels("dtl_ns", models="DGCF") == ["dtl_ns@learned", "dns+list@learned"]
    assert labels("dtl_ns", positives_loss="pairs") == ["dtl_ns@learned", "mixgcf+pos@learned"]


def test_where_the_learned_judge_trains_on_pairs_the_row_beside_does_too(tmp_path: Path) -> None:
    """A row beside that cannot run would make the plan one that cannot run."""
    (tmp_path / "pairs.yaml").write_text("positives_loss: pairs\n")
    given = {"datasets": "ml-100k", "samplers": "dtl_ns"}
    for base, flags, files in (
        ("dns", {"models": "SASRec", "loss_type": "BPR"}, []),
        ("mixgcf", {"models": "BPR", "protocol": "reference"}, []),
        ("mixgcf", {"models": "BPR"}, [str(tmp_path / "pairs.yaml")]),
    ):
        parsed = make_plan({**given, **flags}, files)
        assert [cell.label for cell in parsed.cells()] == ["dtl_ns@learned", f"{base}+pos@learned"]
        assert [CellConfig(parsed, cell).method.positives_loss for cell in parsed.cells()] == ["pairs", "pairs"]
        check_cells(parsed)


def test_no_cell_is_there_twice() -> None:
    repeated = "dtl_ns,judge=rule,dtl_ns,augment_only,mixgcf+pos"
    assert labels(repeated, judges="rule") == ["dtl_ns@rule", "mixgcf+pos@rule"]
    repeated = "dtl_ns,judge=learned,dtl_ns,mixgcf+list,mixgcf+list"
    assert labels(repeated) == ["dtl_ns@learned", "mixgcf+list@learned"]
    assert labels("dtl_ns,judge=keep_all", judges="keep_all,keep_all") == ["dtl_ns@keep_all", "mixgcf+pos@keep_all"]


def test_reference_rows_run_once_a_data_set_whatever_the_models() -> None:
    parsed = ComparisonPlan(("a", "b"), ("BPR", "LightGCN"), (make_row("EASE"), make_row("dns")))
    assert [cell.folder.as_posix() for cell in parsed.cells()] == [
        *("a/BPR/dns", "a/LightGCN/dns", "a/EASE/EASE"),
        *("b/BPR/dns", "b/LightGCN/dns", "b/EASE/EASE"),
    ]


def test_folders_name_the_cell_and_differ() -> None:
    cells = plan(samplers="recbole:uniform,dtl_ns", noise="0,0.1", judges="rule").cells()
    folders = [cell.folder.as_posix() for cell in cells]
    assert folders[:4] == [
        "ml-100k/BPR/recbole-uniform",
        "ml-100k/BPR/recbole-uniform/noise-0.1",
        "ml-100k/BPR/dtl_ns@rule",
        "ml-100k/BPR/dtl_ns@rule/noise-0.1",
    ]
    assert len(set(folders)) == len(cells) == 6
    assert cells[0].label == cells[1].label == "recbole:uniform"
    assert [cell.keys().get("noise_rate") for cell in cells[:2]] == [None, 0.1]


@pytest.mark.parametrize(
    ("flags", "seeds", "split_seed"),
    [
        ({"seeds": "3"}, (2020, 2021, 2022), 2020),
        ({"seeds": "2", "seed": "7"}, (7, 8), 7),
        ({"seeds": "5,3"}, (5, 3), 5),
        ({"seeds": "9,"}, (9,), 9),
        ({"seed": "9"}, (9,), 9),
        ({"seeds": "2", "split_seed": "1"}, (2020, 2021), 1),
    ],
)
def test_seeds_are_counted_from_the_first_or_taken_as_given(flags, seeds, split_seed) -> None:
    parsed = plan(**flags)
    assert (parsed.seeds, parsed.split_seed) == (seeds, split_seed)
    assert "seed" not in parsed.fixed
    assert "split_seed" not in parsed.fixed


def test_flags_win_over_the_file_and_the_file_over_start_values(tmp_path: Path) -> None:
    flags = write(
        tmp_path,
        """
datasets: [toy, other]
models: NGCF
rows: [dns, EASE]
judges: [keep_all]
seeds: 3
trials: 5
search: grid
ranges: {learning_rate: "choice [0.1,0.2]"}
noise: [0.0, 0.2]
fixed: {seed: 11, learner: sgd, epochs: 7, candidate_topk: 50%}
judge_keys: {llm: {llm_model: some/name}}
config_files: [preset/paper.yaml]
""",
    )
    parsed = make_plan(flags)
    assert (parsed.datasets, parsed.models, parsed.judges) == (("toy", "other"), ("NGCF",), ("keep_all",))
    assert [row.name for row in parsed.rows] == ["dns", "EASE"]
    assert (parsed.seeds, parsed.split_seed, parsed.trials, parsed.search) == ((11, 12, 13), 11, 5, "grid")
    assert parsed.shared_search == {"learning_rate": "choice [0.1,0.2]"}
    assert parsed.judge_keys == {"llm": {"llm_model": "some/name"}}
    assert parsed.config_files == ("preset/paper.yaml",)
    assert parsed.noise == (0.0, 0.2)
    assert {**parsed.fixed, "metrics": 0} == {"learner": "sgd", "epochs": 7, "candidate_topk": "50%", "metrics": 0}
    over = make_plan({**flags, "datasets": "toy", "seeds": "4,5", "epochs": "9", "trials": "2", "samplers": "dns"}, [])
    assert (over.datasets, over.seeds, over.trials, over.fixed["epochs"]) == (("toy",), (4, 5), 2, 9)
    assert [row.name for row in over.rows] == ["dns"]
    assert over.models == ("NGCF",)
    assert make_plan({**flags, "seeds": "2"}).seeds == (11, 12)
    assert make_plan({**flags, "seed": "3"}).seeds == (3, 4, 5)
    assert make_plan(flags, ["dataset/amazon-sports.yaml"]).config_files == ("dataset/amazon-sports.yaml",)


def test_a_number_of_seeds_counts_from_the_first_of_the_list_that_is_gone_on_with(tmp_path: Path) -> None:
    flags = write(tmp_path, yaml.safe_dump(plan(seeds="2", seed="5").as_dict()))
    parsed = make_plan({**flags, "seeds": "3"})
    assert (parsed.seeds, parsed.split_seed) == ((5, 6, 7), 5)
    assert make_plan({**flags, "seeds": "3", "seed": "8"}).seeds == (8, 9, 10)
    assert make_plan({**flags, "seeds": "1,2"}).seeds == (1, 2)


def test_a_plan_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    flags = {"samplers": "dtl_ns,judge=keep_all,dns+tree,EASE", "noise": "0,0.1", "seeds": "3,1", "trials": "2"}
    written = plan(**flags, learning_rate="1e-3", metrics="['NDCG']", candidate_topk="5+50%")
    write(tmp_path, yaml.safe_dump(written.as_dict()))
    again = read_plan(tmp_path / "plan.yaml")
    assert again == written
    assert [cell.folder for cell in again.cells()] == [cell.folder for cell in written.cells()]
    assert written.fixed == {"learning_rate": 0.001, "metrics": ["NDCG"], "candidate_topk": "5+50%"}


def test_every_entry_of_a_plan_is_written_and_read_again(tmp_path: Path) -> None:
    text = """
datasets: [ml-100k]
models: [BPR]
samplers: [dns+pos]
judges: [rule, keep_all]
seeds: [4, 5]
split_seed: 9
trials: 3
search: grid
ranges: {learning_rate: "choice [0.1,0.2]"}
noise: [0.0, 0.1]
fixed: {epochs: 7}
judge_keys: {keep_all: {positives_per_user: 2}}
config_files: [preset/paper.yaml]
"""
    written = make_plan(write(tmp_path, text))
    left_out = ComparisonPlan(("toy",), ("NGCF",), ())
    assert [
        each.name
        for each in fields(written)
        if each.compare and getattr(written, each.name) == getattr(left_out, each.name)
    ] == []
    write(tmp_path, yaml.safe_dump(written.as_dict()))
    assert read_plan(tmp_path / "plan.yaml") == written


def test_metrics_of_the_user_stay(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("metrics: [MAP, NDCG]\n")
    assert "metrics" not in make_plan({"datasets": "ml-100k"}, [str(tmp_path / "m.yaml")]).fixed


def test_seeds_of_a_configuration_file_are_the_first(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("seed: 4\nsplit_seed: 9\n")
    parsed = make_plan({"datasets": "ml-100k", "seeds": "2"}, [str(tmp_path / "s.yaml")])
    assert (parsed.seeds, parsed.split_seed) == ((4, 5), 9)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"datasets": ""}, "datasets is empty"),
        ({"datasets": "a/b"}, "data_path"),
        ({"models": ""}, "models is empty"),
        ({"models": "BRP"}, "did you mean BPR"),
        ({"models": "EASE"}, "name it in samplers"),
        ({"samplers": ","}, "samplers is empty"),
        ({"samplers": "mixgfc"}, "did you mean mixgcf"),
        ({"judges": "ruel"}, "did you mean rule"),
        ({"judges": "none"}, "tree_only"),
        ({"seeds": "many"}, "seeds='many': expected a whole number from 1"),
        ({"seeds": "0"}, "expected a whole number from 1"),
        ({"seeds": "2020"}, "2020 runs of everything"),
        ({"seeds": "1,1"}, "twice"),
        ({"seeds": "1,-2"}, "seeds='-2': expected a whole number from 0"),
        ({"seeds": "1,2", "seed": "3"}, "Give one of them"),
        ({"seed": "x"}, "seed='x': expected a whole number"),
        ({"seeds": "2", "seed": "4294967295"}, "seed='4294967295': expected"),
        ({"split_seed": "-1"}, "split_seed='-1'"),
        ({"trials": "-1"}, "trials='-1': expected a whole number from 0"),
        ({"search": "bayes"}, "search='bayes': expected one of random, grid, optuna"),
        ({"noise": "0,2"}, "noise='2': expected a number from 0 to 1"),
        ({"neg_candidates": "many"}, "neg_candidates='many'"),
        ({"neg_sampler": "dns"}, "--samplers"),
        ({"judge": "rule"}, "--judges"),
        ({"llm_model": "m"}, r"llm_model: no judge of the plan \(learned\) reads it.*--judges"),
        ({"judge_file": "f", "judges": "llm"}, r"judge_file: no judge of the plan \(llm\) reads it"),
        ({"model": "BPR"}, "--models"),
        ({"dataset": "ml-100k"}, "--datasets"),
        ({"noise_rate": "0.1"}, "--noise"),
        ({"tree_view": "true"}, "NAME.tree"),
        ({"random_positives": "true"}, "--samplers=random_positives"),
        ({"shuffle_codes": "true"}, "--samplers=shuffled_codes"),
        ({"train_neg_sample_args": "{}"}, "--samplers=recbole:uniform"),
        ({"evaluate_test": "false"}, "trials never read test"),
        ({"shard": "1/2"}, "identify"),
        ({"rows": "dns", "samplers": "dns"}, "two names"),
        ({"ranges": "a"}, "no flag"),
        ({"search": "grid", "trials": "5", "samplers": "uniform,recbole:uniform"}, "grid is empty"),
        ({"search": "grid"}, "search=grid needs trials, .* --trials=20"),
        ({"plan": "missing.yaml"}, "no plan file missing.yaml"),
        ({"plugins": "missing.py"}, "missing.py"),
    ],
)
def test_wrong_flags_are_refused_with_what_to_give(flags: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(**flags)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [BPR]", "No data set was named"),
        ("datasets: [a, [b]]", "expected one or more names"),
        ("datasets: {a: b}", "expected one or more names"),
        ("datasets: [a]\nsampler: [dns]", "no entry 'sampler'; did you mean samplers"),
        ("datasets: [a]\nsamplers: []", "samplers is empty"),
        ("datasets: [a]\nrows: [dns]\nsamplers: [dns]", "two names"),
        ("datasets: [a]\nseeds: []", "seeds is empty"),
        ("datasets: [a]\nseeds: true", "expected a whole number"),
        ("datasets: [a]\nseeds: [1]\nfixed: {seed: 1}", "Give one of them"),
        ("datasets: [a]\ntrials: 1.5", "expected a whole number"),
        ("datasets: [a]\nfixed: [b]", "fixed: expected"),
        ("datasets: [a]\nfixed: {judge: rule}", "--judges"),
        ("datasets: [a]\nfixed: {split_seed: 1}", "split_seed"),
        ("datasets: [a]\nranges: {learning_rate: 'choice []'}", "choice is empty"),
        ("datasets: [a]\nranges: {learning_rate: 'choice [1,2]'}", "ranges .learning_rate. need trials"),
        (
            "datasets: [a]\ntrials:\nranges: {learning_rate: 'choice [1,2]'}",
            "--trials=10. Without a search say trials: 0",
        ),
        ("datasets: [a]\nranges: {learning_rate: fast}", "Range of learning_rate: 'fast' cannot be read"),
        ("datasets: [a]\nranges: {judge_rate: 'uniform 0.5,2'}", "judge_rate=2"),
        ("datasets: [a]\nranges: {neg_sampler: 'choice [1,2]'}", "cannot be set for a range"),
        ("datasets: [a]\nranges: {neg_candidates: 'choice [0,2]'}", "neg_candidates=0"),
        ("datasets: [a]\nranges: {epochs: 'choice [1,2]'}\nfixed: {epochs: 1}", "under fixed and under ranges"),
        ("datasets: [a]\nsearch: grid\nranges: {learning_rate: 'uniform 0,1'}", "no end of values"),
        ("datasets: [a]\njudge_keys: {lm: {llm_model: b}}", "no judge 'lm'"),
        ("datasets: [a]\njudge_keys: {llm: {llm_modle: b}}", "did you mean llm_model"),
        ("datasets: [a]\njudge_keys: {llm: b}", "judge_keys of llm: expected"),
        ("datasets: [a]\njudge_keys: {llm: {protocol: reference}}", "protocol is no key of identification.*reference"),
        ("datasets: [a]\njudge_keys: {llm: {eval_mask: train}}", "eval_mask is no key of identification"),
        ("datasets: [a]\njudge_keys: {llm: {neg_candidates: 50}}", "--neg_candidates"),
        ("datasets: [a]\njudge_keys: {llm: {tree_leaf_size: 5}}", "tree_leaf_size is no key of identification"),
        ("datasets: [a]\nconfig_files: [missing.yaml]", "missing.yaml"),
        ("datasets: [a]\n  b: [", "is not valid YAML"),
        ("- datasets", "should hold"),
    ],
)
def test_a_wrong_plan_file_is_refused_with_what_to_write(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        make_plan(write(tmp_path, text))


def test_no_trials_beside_ranges_must_be_said(tmp_path: Path) -> None:
    """In the file or as a flag; a plan that `compare` has written says it."""
    text = "datasets: [a]\nranges: {learning_rate: 'choice [1,2]'}"
    without = write(tmp_path, text)
    by_flag = make_plan({**without, "trials": "0"})
    assert make_plan(write(tmp_path, f"{text}\ntrials: 0")) == by_flag
    assert make_plan(write(tmp_path, yaml.safe_dump(by_flag.as_dict()))) == by_flag
    assert by_flag.trials == 0
    assert make_plan({**write(tmp_path, f"{text}\ntrials: 5"), "trials": "0"}) == by_flag


def test_a_file_for_all_runs_may_not_set_what_rows_differ_in(tmp_path: Path) -> None:
    for key in ("tree_view: true", "noise_rate: 0.1", "evaluate_test: false", "random_positives: true"):
        (tmp_path / "c.yaml").write_text(f"{key}\n")
        with pytest.raises(UserError, match=f"{key.split(':')[0]} cannot be set for all runs"):
            make_plan({"datasets": "ml-100k"}, [str(tmp_path / "c.yaml")])


def test_plugins_are_loaded_before_names_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_dtlns.samplers.SAMPLERS", SAMPLERS)
    (tmp_path / "plug_rows.py").write_text(
        "from recbole_dtlns.samplers import SAMPLERS\nSAMPLERS['plugged'] = SAMPLERS['dns']\n"
    )
    try:
        parsed = plan(plugins=str(tmp_path / "plug_rows.py"), samplers="plugged+pos")
        assert [cell.label for cell in parsed.cells()] == ["plugged+pos@learned"]
        check_cells(parsed)
    finally:
        SAMPLERS.pop("plugged", None)
