"""One way to say which name was meant."""

from recbole_dtlns.config.nearest import near_names, nearest

KNOWN = ["LightGCN", "LightGBM", "BPR", "SimpleX"]


def test_near_names_come_nearest_first_whatever_their_case() -> None:
    assert near_names("lightgcm", KNOWN) == ["LightGCN", "LightGBM"]
    assert near_names("lightgcm", KNOWN, most=1) == ["LightGCN"]
    assert nearest("lightgcm", KNOWN) == "; did you mean LightGCN, LightGBM?"


def test_nothing_near_says_nothing() -> None:
    assert nearest("zzz", KNOWN) == ""
    assert nearest("a", []) == ""
