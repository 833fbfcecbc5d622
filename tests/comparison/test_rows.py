"""Names of rows and what they mean."""

import pytest

from recbole_dtlns.comparison.plan.rows import ALIASES, CONTROLS, REFERENCES, make_row
from recbole_dtlns.config.choices import STOCK_SAMPLERS
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES
from recbole_dtlns.samplers import SAMPLERS


@pytest.mark.parametrize(
    ("name", "canonical", "keys", "judged", "search"),
    [
        ("dns", "dns", {"neg_sampler": "dns"}, False, ("sampler/dns",)),
        ("dns+pos", "dns+pos", {"neg_sampler": "dns", "positives_loss": "pairs"}, True, ("sampler/dns",)),
        ("dns+list", "dns+list", {"neg_sampler": "dns", "positives_loss": "list"}, True, ("sampler/dns",)),
        ("dtl_ns+pos", "dtl_ns+pos", {"neg_sampler": "dtl_ns", "positives_loss": "pairs"}, True, ("sampler/dtl_ns",)),
        ("dtl_ns+list", "dtl_ns+list", {"neg_sampler": "dtl_ns", "positives_loss": "list"}, True, ("sampler/dtl_ns",)),
        (
            *("ahns+list+tree", "ahns+tree+list"),
            *({"neg_sampler": "ahns", "tree_view": True, "positives_loss": "list"}, True),
            ("sampler/ahns", "sampler/dtl_ns"),
        ),
        ("dns+tree", "dns+tree", {"neg_sampler": "dns", "tree_view": True}, False, ("sampler/dns", "sampler/dtl_ns")),
        (
            *("ahns+pos+tree", "ahns+tree+pos"),
            *({"neg_sampler": "ahns", "tree_view": True, "positives_loss": "pairs"}, True),
            ("sampler/ahns", "sampler/dtl_ns"),
        ),
        ("dtl_ns", "dtl_ns", {"neg_sampler": "dtl_ns"}, True, ("sampler/dtl_ns",)),
        ("augment_only", "mixgcf+pos", {"neg_sampler": "mixgcf", "positives_loss": "pairs"}, True, ("sampler/mixgcf",)),
        (
            *("tree_only", "mixgcf+tree", {"neg_sampler": "mixgcf", "tree_view": True}, False),
            ("sampler/mixgcf", "sampler/dtl_ns"),
        ),
        (
            *("shuffled_codes", "shuffled_codes", {"neg_sampler": "dtl_ns", "shuffle_codes": True}, True),
            ("sampler/dtl_ns",),
        ),
        (
            *("random_positives", "random_positives", {"neg_sampler": "dtl_ns", "random_positives": True}, True),
            ("sampler/dtl_ns",),
        ),
        ("exclude_only", "exclude_only", {"neg_sampler": "dtl_ns", "augment_loss": False}, True, ("sampler/dtl_ns",)),
        ("recbole:uniform", "recbole:uniform", {"neg_sampler": "recbole:uniform"}, False, ()),
        (
            *("recbole:popularity", "recbole:popularity", {"neg_sampler": "recbole:popularity"}, False),
            ("sampler/popularity",),
        ),
        (
            *("dtl_ns+reference", "dtl_ns+reference", {"neg_sampler": "dtl_ns", "protocol": "reference"}, True),
            ("sampler/dtl_ns",),
        ),
        (
            *("recbole:dynamic+pos", "recbole:dynamic+pos"),
            *({"neg_sampler": "recbole:dynamic", "positives_loss": "pairs"}, True),
            ("sampler/dns",),
        ),
    ],
)
def test_a_name_is_a_configuration(name, canonical, keys, judged, search) -> None:
    row = make_row(name)
    assert (row.name, dict(row.keys), row.judged, row.search) == (canonical, keys, judged, search)
    assert row.model is None


@pytest.mark.parametrize("name", ["rule", "keep_all", "llm", "file"])
def test_a_judge_of_its_own_is_dtl_ns_with_that_judge(name: str) -> None:
    row = make_row(f"judge={name}")
    assert (row.name, row.judge, row.judged, dict(row.keys)) == ("dtl_ns", name, True, {"neg_sampler": "dtl_ns"})
    assert row.spelled == f"judge={name}"


def test_reference_rows_are_models_with_their_own_start_values() -> None:
    assert {name: make_row(name).model for name in REFERENCES} == {name: name for name in REFERENCES}
    assert dict(make_row("EASE").keys) == {"neg_sampler": None, "reg_weight": 250.0}
    assert dict(make_row("ItemKNN").keys) == {"neg_sampler": None, "k": 100, "shrink": 0.0, "knn_method": "item"}
    assert not any(make_row(name).judged for name in REFERENCES)


def test_every_row_is_made_again_from_its_own_name() -> None:
    names = [
        *SAMPLERS,
        *STOCK_SAMPLERS,
        *ALIASES,
        *CONTROLS,
        *REFERENCES,
        "judge",
        "judge=rule",
        "dns+tree+pos",
        "recbole:uniform+pos",
        "dtl_ns+list",
        "dns+tree+list",
    ]
    for row in map(make_row, names):
        assert make_row(row.spelled) == row


@pytest.mark.parametrize(
    ("name", "drawn_as"),
    [("mixgcf+list", "mixgcf"), ("dns+tree+list", "dns+tree"), ("dtl_ns+list", "dtl_ns"), ("dtl_ns+pos", "dtl_ns")],
)
def test_lists_try_the_settings_of_the_row_without_them(name: str, drawn_as: str) -> None:
    assert make_row(name).drawn_as == drawn_as


def test_the_files_that_rows_of_ours_search_are_shipped() -> None:
    for name in ("dns+tree", "dtl_ns", "ItemKNN", "EASE", "recbole:popularity", "recbole:dynamic"):
        for file in make_row(name).search:
            assert (PROPERTIES / f"{file}.yaml").is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mixgfc", "did you mean mixgcf"),
        ("shuffle_codes", "did you mean shuffled_codes"),
        ("ItemKnn", "did you mean ItemKNN"),
        ("", "There is no row ''"),
        ("Pop+pos", "There is no row 'Pop.pos'"),
        ("dns+trees", "expected .tree, .pos"),
        ("dns+pos+pos", "each once"),
        ("dtl_ns+tree", "already"),
        ("mixgcf+list+pos", "Name one"),
        ("dns+list+reference", "pairs, not lists"),
        ("recbole:uniform+tree", "RecBole's own loader"),
        ("recbole:uniform+list", "the list loss needs a sampler of ours"),
        ("judge=ruel", "did you mean rule"),
        ("judge=none", "tree_only"),
    ],
)
def test_a_wrong_name_is_refused_with_what_to_write(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_row(name)


def test_a_plugins_sampler_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "mine", SAMPLERS["dns"])
    assert make_row("mine+tree").keys == {"neg_sampler": "mine", "tree_view": True}
