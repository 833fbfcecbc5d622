"""Two finished trees, updated for the data set as it is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_dtlns.commands.arguments import config_files, flags
from recbole_dtlns.errors import UserError
from recbole_dtlns.wording import counted

_RECORDED = {
    "tree_branching": "branching",
    "tree_leaf_size": "leaf_size",
    "tree_max_history": "max_history",
    "item_vectors": "item_vectors",
}
"""Our keys that say how trees are built, and what the `.json` beside a tree calls them."""


def main(arguments: list[str]) -> int:
    """Run `trees update FOLDER --dataset=NAME --output=FOLDER [--drift=true] [--key=value]`."""
    if not arguments or arguments.pop(0) != "update":
        raise UserError("trees has one action: trees update FOLDER --dataset=NAME --output=FOLDER [--key=value ...]")
    if not arguments or arguments[0].startswith("-"):
        raise UserError("trees update needs the folder of both trees: trees update FOLDER --dataset=NAME --output=NEW")
    folder = Path(arguments.pop(0))
    options = flags(arguments, {"-d": "--dataset"})
    output, drift = options.pop("output", None), options.pop("drift", "true").lower()
    if not output:
        raise UserError("trees update writes the updated trees into a new folder; name it with --output=FOLDER.")
    if drift not in ("true", "false"):
        raise UserError(f"--drift={drift}: expected true or false.")
    _update(folder, output, drift == "true", options)
    return 0


def _update(folder: Path, output: str, drift: bool, options: dict[str, str]) -> None:
    from recbole_dtlns.config.config_files import raw_value
    from recbole_dtlns.data.build import read_training_part
    from recbole_dtlns.false_negatives.identification.stage import tree_settings
    from recbole_dtlns.false_negatives.identification.text import TextInUse, check_text, read_text
    from recbole_dtlns.files.cache import StageCache
    from recbole_dtlns.files.partial import clear_partials
    from recbole_dtlns.files.run_folder import cache_folder
    from recbole_dtlns.files.run_log import start_log
    from recbole_dtlns.quick_start import Inputs
    from recbole_dtlns.trees.growth import read_old_trees
    from recbole_dtlns.trees.update import update_trees

    old = read_old_trees(folder)
    files = config_files(options)
    for key, recorded in _RECORDED.items():
        built = next((tree.about[recorded] for tree in old[::-1] if tree.about.get(recorded) is not None), None)
        if built is not None and raw_value(key, options, files) is None:
            options[key] = str(built)
    options.setdefault("judge", "rule")  # judges nothing; it says that the trees are wanted
    inputs = Inputs(options.pop("model", "BPR"), options.pop("dataset", None), files, None, options)
    config = inputs.config()
    check_text(config)
    start_log(None, "WARNING")
    cache_dir = cache_folder(config.settings.cache_dir, config.dataset)
    clear_partials(Path(output).absolute().parent, cache_dir, *cache_dir.glob("atomic/*"))
    view, cache = read_training_part(config, cache_dir), StageCache(cache_dir)
    text = TextInUse.of(read_text(config), view, config.settings, config.method, cache)
    report = update_trees(old, output, view, tree_settings(config.settings), cache, text.vectors, drift)
    print("\n".join(lines_of(report)))
    print(f"Wrote {output}: {', '.join(sorted(path.name for path in Path(output).iterdir()))}.")


def lines_of(report: dict[str, Any]) -> list[str]:
    """What is printed of the report of `update_trees`."""
    lines, stale = [], []
    for name in ("structural", "semantic"):
        tree = report[name]
        placed, largest = counted(tree["placed"], "new item"), counted(tree["largest_leaf"], "item")
        lines.append(
            f"{name.capitalize()} tree: {placed} placed, {tree['left_out']} without a code, "
            f"{tree['absent']} of the old ones not in train; the largest leaf has {largest}."
        )
        if "drift" in tree:
            lines.append(f"  a rebuild places elsewhere, at depth 1, 2, ...:  {_shares(tree['drift'])}")
            if tree["drift_of_new"] is not None:
                lines.append(f"  of the new items alone:                          {_shares(tree['drift_of_new'])}")
            lines.append(f"  between two rebuilds with other seeds:           {_shares(tree['chance'])}")
            stale += [name] if tree["rebuild"] else []
    if "rule" in report:
        advice = f"Rebuild the {' and the '.join(stale)} tree" if stale else "Keep the trees"
        lines.append(f"{advice} (the rule: {report['rule']}).")
    return lines


def _shares(values: list[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
