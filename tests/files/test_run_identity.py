"""What makes two runs the same run."""

from typing import Any

import pytest

from recbole_dtlns.files.run_folder import config_hash

BEFORE: dict[str, Any] = {"seed": 1, "epochs": 3}  # of a version without several processes


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ({}, 1),
        ({"nproc": 1, "world_size": -1}, 1),
        ({"nproc": 1, "world_size": 1}, 1),
        ({"nproc": 2, "world_size": -1}, 2),
        ({"nproc": 2, "world_size": 2}, 2),  # as the run itself writes it
        ({"nproc": 1, "world_size": 2, "group_offset": 1, "port": 5678}, 2),
        ({"nproc": 2, "world_size": 4}, 4),
    ],
)
def test_the_number_of_all_processes_is_part_of_a_run(keys: dict[str, Any], size: int) -> None:
    same = {
        number for number in (1, 2, 4) if config_hash({**BEFORE, **keys}) == config_hash({**BEFORE, "nproc": number})
    }
    assert same == {size}
    assert (config_hash({**BEFORE, **keys}) == config_hash(BEFORE)) == (size == 1)


@pytest.mark.parametrize("key", ["verdict_store", "cache_dir", "gpu_id"])
def test_where_a_run_computes_and_keeps_files_is_no_part_of_it(key: str) -> None:
    """So a run that one machine of a cluster has begun goes on at another, or without the cluster."""
    assert config_hash({**BEFORE, key: "there"}) == config_hash({**BEFORE, key: "here"}) == config_hash(BEFORE)
