"""The main command: train and evaluate one model."""

from __future__ import annotations

from recbole_dtlns.commands.arguments import config_files, flags

_SHORT = {"-m": "--model", "-d": "--dataset"}


def main(arguments: list[str]) -> int:
    """Run `--key=value ...`."""
    if "--help_keys" in arguments:
        from recbole_dtlns.commands.keys import keys_text

        print(keys_text())
        return 0
    from recbole_dtlns.quick_start import run_recbole_dtlns

    given = flags(arguments, _SHORT)
    files = config_files(given)
    run_recbole_dtlns(
        model=given.pop("model", None),
        dataset=given.pop("dataset", None),
        config_file_list=files,
        command_line=given,
    )
    return 0
