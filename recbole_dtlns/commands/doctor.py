"""What is installed, what was found, what would run."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

from recbole_dtlns.commands.arguments import config_files, flags
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.result import versions


def main(arguments: list[str]) -> int:
    """Run `doctor [--model=M --dataset=D --key=value ...]`; with both, the plan of that run is shown too."""
    found = flags(arguments, {"-m": "--model", "-d": "--dataset"})
    for line in [*_version_lines(), *_device_lines()]:
        print(line)
    model, dataset = found.pop("model", None), found.pop("dataset", None)
    if dataset is None and (found or model):
        raise UserError("doctor shows what would run for a data set; name it with --dataset=NAME.")
    if dataset is not None:
        for line in _plan_lines(model or "BPR", dataset, config_files(found), found):
            print(line)
    return 0


def _version_lines() -> list[str]:
    return [f"{name:<14} {version or 'not installed'}" for name, version in versions().items()]


def _device_lines() -> list[str]:
    lines = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            lines.append(f"GPU {number:<10} {about.name}, {about.total_memory / 2**30:.1f} GiB")
    else:
        lines.append(f"{'GPU':<14} none; PyTorch runs on the CPU with {torch.get_num_threads()} threads")
    missing = [
        name for name in ("transformers", "accelerate", "bitsandbytes") if importlib.util.find_spec(name) is None
    ]
    ready = f"no: {', '.join(missing)} not installed (pip install 'recbole-dtlns[llm]')" if missing else "installed"
    lines.append(f"{'4-bit weights':<14} {ready}")
    return lines


def _plan_lines(model: str, dataset: str, files: list[str], found: dict[str, str]) -> list[str]:
    from recbole_dtlns.config.method import check_judge
    from recbole_dtlns.files.run_folder import cache_folder
    from recbole_dtlns.quick_start import Inputs

    config = Inputs(model, dataset, files, None, found).config()
    check_judge(config.settings, config.method)
    method, location = config.method, config.location
    view = " under the tree view" if method.tree_view else ""
    lines = [
        f"{'data':<14} {dataset}: {location.kind}, {location.folder}",
        f"{'model':<14} {config['model']} on {config['device']}",
        f"{'negatives':<14} {method.effective or 'none drawn'}" + (f" ({method.base}{view})" if method.base else ""),
        f"{'judge':<14} {method.judge}",
        f"{'cache':<14} {cache_folder(config.settings.cache_dir, config.dataset)}",
        *_file_lines(config),
    ]
    return lines + [f"{'note':<14} {note}" for note in method.notes]


def _file_lines(config: Any) -> list[str]:
    """What every file of the data set holds.

    Raises:
        UserError: files are malformed; the message has a line for each.
    """
    from recbole_dtlns.data.atomic_loading import check_file, files_to_read
    from recbole_dtlns.data.split_files import read_split

    location = config.location
    if location.kind == "text":
        parts = read_split(location.folder, config.settings.text_layout, config.split_seed).parts
        return [f"{f'{part}.txt':<14} {len(users)} pairs" for part, (users, _) in parts.items()]
    lines, problems = [], []
    for path, ending in files_to_read(config, location.folder, location.name):
        try:
            contents = check_file(config, path, ending)
        except UserError as error:
            problems.append(str(error))
            continue
        low = "".join(f"; {count} with a {name} of no positive" for name, count in contents.below.items() if count)
        lines.append(f"{'file':<14} {path.name}: {contents.rows} rows of {', '.join(contents.header.names)}{low}")
    if problems:
        raise UserError("\n".join(problems))
    return lines
