"""Import paths that earlier docs named keep working."""

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("loading", "evaluation.loading", ["load_run", "load_data_and_model"]),
        ("parsers", "config.parsers", ["Key", "number", "whole", "one_of"]),
        ("models.layers", "training.layers", ["LAYER_SOURCES", "LayerTables", "mean_pooled", "concatenated"]),
    ],
)
def test_an_old_path_gives_the_same_objects(old: str, new: str, names: list[str]) -> None:
    before, now = import_module(f"recbole_dtlns.{old}"), import_module(f"recbole_dtlns.{new}")
    for name in names:
        assert getattr(before, name) is getattr(now, name)
