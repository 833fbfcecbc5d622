"""The main command: train and evaluate one model."""

from __future__ import annotations

from recbole_dtlns.commands.arguments import config_files, flags
from recbole_dtlns.config.settings import Settings, meaning

_SHORT = {"-m": "--model", "-d": "--dataset"}


def main(arguments: list[str]) -> int:
    """Run `--key=value ...`."""
    if "--help_keys" in arguments:
        print(keys_text())
        return 0
    from recbole_dtlns.quick_start import run_recbole_dtlns

    found = flags(arguments, _SHORT)
    files = config_files(found)
    run_recbole_dtlns(
        model=found.pop("model", None),
        dataset=found.pop("dataset", None),
        config_file_list=files,
        command_line=found,
    )
    return 0


def keys_text() -> str:
    """Our keys, a line each: name, start value, meaning."""
    start = Settings().as_dict()
    return "\n".join(f"{key:<22} {start[key]!s:<12} {meaning(key)}" for key in start)
