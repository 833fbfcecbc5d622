"""What is installed, what was found, what would run."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbole_dtlns.commands.arguments import config_files, flags
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.versions import versions
from recbole_dtlns.wording import counted

_EXTRAS = {
    "report": (("matplotlib", "jinja2"), "report"),
    "tune": (("optuna",), "search=optuna"),
    "peers": (("faiss",), "NCL"),
}


def main(arguments: list[str]) -> int:
    """Run `doctor [--model=M --dataset=D --key=value ...]`; with both, the plan of that run is shown too.

    With a language model as judge: its size, the memory it takes and, for a data set, tokens and hours.
    """
    given = flags(arguments, {"-m": "--model", "-d": "--dataset"})
    for line in [*_version_lines(), *_device_lines(), *_extra_lines()]:
        print(line)
    files = config_files(given)
    model, dataset = _named("model", given, files), _named("dataset", given, files)
    if dataset is None and "llm_model" in given and model is None and not files:
        _print(_lone_model_lines(given))
        return 0
    if dataset is None and (given or model):
        raise UserError("doctor shows what would run for a data set; name it with --dataset=NAME.")
    if dataset is not None:
        _show_run(model or "BPR", dataset, files, given)
    else:
        print("Name a data set with --dataset=NAME to see what would run, what it would cost and what is missing.")
    return 0


def _named(key: str, given: dict[str, str], files: list[str]) -> str | None:
    """A key of the command line, which is taken out, or else of the configuration files."""
    if key in given or not files:
        return given.pop(key, None)
    from recbole_dtlns.config.config_files import raw_value

    return raw_value(key, files)


def _print(lines: Iterator[tuple[str, str]]) -> None:
    for name, value in lines:
        print(f"{name:<14} {value}", flush=True)


def _lone_model_lines(given: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What is known of a language model without a data set."""
    from recbole_dtlns.commands.judging_outlook import model_lines
    from recbole_dtlns.config.settings import Settings, our_keys
    from recbole_dtlns.false_negatives.judges.llm import LlmJudge

    if unknown := sorted(set(given) - our_keys()):
        raise UserError(f"doctor: {', '.join(unknown)} mean nothing without a data set; name it with --dataset=NAME.")
    options = Settings.parse(given).as_dict()
    LlmJudge.check({**options, "llm_prompt": "compact"})
    yield from model_lines(options, Path(options["cache_dir"] or Path("saved") / "cache"))


def _version_lines() -> list[str]:
    return [f"{name:<14} {version or 'not installed'}" for name, version in versions().items()]


def _extra_lines() -> list[str]:
    """A line for each extra that lacks a package."""
    lines = []
    for extra, (packages, what) in _EXTRAS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        if missing:
            lines.append(f"{what:<14} no: {', '.join(missing)} not installed (pip install 'recbole-dtlns[{extra}]')")
    return lines


def _device_lines() -> list[str]:
    import torch

    lines = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            lines.append(f"GPU {number:<10} {about.name}, {about.total_memory / 2**30:.1f} GiB")
    else:
        lines.append(f"{'GPU':<14} none; PyTorch runs on the CPU with {counted(torch.get_num_threads(), 'thread')}")
    missing = [
        name for name in ("transformers", "accelerate", "bitsandbytes") if importlib.util.find_spec(name) is None
    ]
    ready = f"no: {', '.join(missing)} not installed (pip install 'recbole-dtlns[llm]')" if missing else "installed"
    lines.append(f"{'4-bit weights':<14} {ready}")
    return lines


def _judge_lines(config: Any) -> Iterator[tuple[str, str]]:
    """What a language model as judge would take; nothing where none is asked."""
    from recbole_dtlns.commands.judging_outlook import asks_language_model, model_lines, question_lines
    from recbole_dtlns.files.run_folder import cache_folder

    settings = config.settings
    if not asks_language_model(settings, config.method):
        return
    cache_dir = cache_folder(settings.cache_dir, config.dataset)
    model_folder = cache_dir if settings.cache_dir else cache_dir.parent
    yield from model_lines({**settings.as_dict(), "cache_dir": str(model_folder)}, model_folder)
    yield from question_lines(config, cache_dir, model_folder)


def _show_run(model: str, dataset: str, files: list[str], given: dict[str, str]) -> None:
    """Print what would run.

    Raises:
        UserError: the configuration or a file cannot be used, or something is missing; after what could be said.
    """
    from recbole_dtlns.commands.doctor_split import said_once, split_problems
    from recbole_dtlns.commands.doctor_steps import run_steps
    from recbole_dtlns.files.run_folder import cache_folder
    from recbole_dtlns.quick_start import Inputs
    from recbole_dtlns.training.preflight import missing_for

    config = Inputs(model, dataset, files, None, given).config()
    said: list[str] = []
    with said_once(said):
        file_lines, rows = _file_lines(config)
        said += file_lines
        lines = [
            *file_lines,
            *(f"{name:<14} {about}" for name, about in run_steps(config, rows)),
            f"{'cache':<14} {cache_folder(config.settings.cache_dir, config.dataset)}",
            *(f"{'note':<14} {note}" for note in config.method.notes),
        ]
        print("\n".join(lines), flush=True)
        missing = [*missing_for(config), *split_problems(config)]
    if missing:
        raise UserError("\n".join(f"Missing: {complaint}" for complaint in missing))
    _print(_judge_lines(config))
    print("Nothing is missing. `compare --dry_run` with the same keys times an epoch of it.")


def _file_lines(config: Any) -> tuple[list[str], int | None]:
    """What every file of the data set holds, and the interactions that train is made of; None where nothing is here.

    Raises:
        UserError: files are malformed; the message has a line for each.
    """
    from recbole_dtlns.data.atomic_loading import check_file, files_to_read, missing_features
    from recbole_dtlns.data.split_files import read_split

    location = config.location
    if location.kind == "text":
        parts = read_split(location.folder, config.settings.text_layout, config.split_seed).parts
        lines = [f"{f'{part}.txt':<14} {len(users):,} pairs" for part, (users, _) in parts.items()]
        return lines, len(parts["train"][0])
    rows: int | None = None
    problems: list[str] = []
    lines = missing_features(config, location.folder, location.name)
    for path, ending in files_to_read(config, location.folder, location.name):
        try:
            contents = check_file(config, path, ending)
        except UserError as error:
            problems.append(str(error))
            continue
        if path.name in {f"{location.name}.inter", f"{location.name}.train.inter"}:
            rows = contents.rows
        low = "".join(f"; {count} with a {name} of no positive" for name, count in contents.below.items() if count)
        lines.append(f"{'file':<14} {path.name}: {contents.rows:,} rows of {', '.join(contents.header.names)}{low}")
    if problems:
        raise UserError("\n".join(problems))
    return lines, rows
