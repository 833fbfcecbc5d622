"""The YAML of each sampler: start values and ranges to search."""

import ast

import pytest
import yaml

from recbole_dtlns.config.declared import declared_keys
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.config.settings import Settings, our_keys
from recbole_dtlns.files.shipped import PROPERTIES
from recbole_dtlns.samplers import SAMPLERS

FOLDER = PROPERTIES / "sampler"


def test_every_sampler_has_a_file_and_every_file_a_sampler() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(SAMPLERS)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_it_holds_the_start_values_and_every_key_of_its_sampler(name: str) -> None:
    given = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    del given["search"]
    start = Settings().as_dict()
    assert given == {key: start[key] for key in given}
    assert set(SAMPLERS[name].keys) <= set(given)
    assert set(given) - set(SAMPLERS[name].keys) <= {"alpha_co", "alpha_se", "popularity_exponent"}


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_its_ranges_are_of_known_keys_and_hold_values_they_accept(name: str) -> None:
    for key, text in yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["search"].items():
        assert key in our_keys()
        kind, values = text.split(" ", 1)
        assert kind == "choice"  # the grid and the random search of RecBole's hyper files both take it
        options = ast.literal_eval(values)
        assert len(options) == len(set(options)) > 1
        for value in options:
            assert Settings.parse({key: value}).as_dict()[key] == value


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_it_can_be_given_as_a_configuration_file(name: str, caplog: pytest.LogCaptureFixture) -> None:
    config = Config("BPR", "ml-100k", [f"sampler/{name}.yaml"], {"neg_sampler": name})
    assert config.method.sampler == name
    assert "Unknown key" not in caplog.text
    assert "search" not in config.resolved()


def test_a_samplers_own_key_is_typed_by_its_table_and_reaches_the_run() -> None:
    assert "ahns_beta" in declared_keys("samplers")
    config = Config("BPR", "ml-100k", command_line={"neg_sampler": "ahns", "ahns_beta": "0.5"})
    assert config.settings.as_dict()["ahns_beta"] == 0.5
    assert config.resolved()["ahns_beta"] == 0.5
