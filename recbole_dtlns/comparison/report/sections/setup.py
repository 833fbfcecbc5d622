"""What made the numbers: versions, data, configuration, commands."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.records import RunRecord
from recbole_dtlns.comparison.report.section import Commands, Section
from recbole_dtlns.comparison.report.sections.accuracy import chosen_of
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, filled
from recbole_dtlns.comparison.runs import Run, command

# Where a run writes and what sets its seeds apart is no difference between rows.
_PLACES = frozenset({"run_dir", "cache_dir", "checkpoint_dir", "seed", "show_progress", "state", "gpu_id", "device"})

_SPACED = "config_files takes no path with a space"


def environment(source: Source) -> Section:
    """Versions, data and configuration."""
    section = Section("setup", "Environment, data and configuration")
    if source.runs:
        section.tables += [_versions(source), _data(source), _common(source)]
        section.tables += [table for group in source.groups if (table := _differences(source, group)).lines]
    return section


def commands(source: Source) -> Section:
    """The command of every run, to copy."""
    section = Section("commands", "Commands")
    section.text.append(
        "Each run is the ordinary program in a process of its own; these commands repeat them one by one."
    )
    folder = source.comparison.folder
    plan = source.comparison.plan
    if plan is None:
        for run in source.runs:
            words = ["python", "-m", "recbole_dtlns", f"--model={run.model}", f"--dataset={run.dataset}"]
            config, title = run.folder / "config.yaml", "This run again"
            if _spaced(config):
                config, title = Path(config.name), f"{title}; {_SPACED}: copy config.yaml to where this is run"
            words += [f"--config_files={config}", f"--run_dir={run.folder}-again"]
            section.commands.append(Commands(title, (shlex.join(words),)))
        return section
    spaced = f"; {_SPACED}: rename {folder} first" if _spaced(folder) else ""
    again = ["python", "-m", "recbole_dtlns", "compare", f"--plan={folder / 'plan.yaml'}", f"--run_dir={folder}-again"]
    section.commands.append(Commands(f"The whole comparison again{spaced}", (shlex.join(again),)))
    cells = {cell.folder.as_posix(): cell for cell in plan.cells()}
    by_group: dict[str, list[str]] = {}
    for run in source.runs:
        cell = cells.get(run.run_id.rpartition("/")[0])
        if cell is not None:
            words = command(plan, Run(cell, run.seed), chosen_of(run), folder)
            words = ["python", *(f"{word}-again" if word.startswith("--run_dir=") else word for word in words[1:])]
            by_group.setdefault(f"{run.model} on {run.dataset}{spaced}", []).append(shlex.join(words))
    section.commands += [Commands(title, tuple(lines)) for title, lines in by_group.items()]
    return section


def _spaced(path: Path) -> bool:
    return len(str(path).split()) > 1


def _versions(source: Source) -> Table:
    found: dict[str, dict[str, None]] = {}
    for run in source.runs:
        for name, version in run.result["versions"].items():
            found.setdefault(name, {})[str(version) if version is not None else "not installed"] = None
    lines = [Line({"package": name, "version": ", ".join(versions)}) for name, versions in found.items()]
    columns = (Column("package", "Package"), Column("version", "Version"))
    return Table("versions", "Versions", columns, tuple(lines))


def _data(source: Source) -> Table:
    kinds = ("users", "items", "train", "valid", "test")
    columns = (
        Column("dataset", "Data set"),
        Column("noise", "Noise", "number"),
        *(Column(kind, kind.title(), "count") for kind in kinds),
        Column("density", "Density", "percent"),
        Column("split_seed", "Split seed"),
        Column("split_hash", "Split hash"),
        Column("train_hash", "Train hash"),
    )
    lines: dict[tuple[Any, ...], Line] = {}
    for run in source.runs:
        data = run.result["data"]
        hashes = {name: str(data.get(name) or "")[:12] for name in ("split_hash", "train_hash")}
        size = (data.get("users") or 0) * (data.get("items") or 0)
        total = sum(data.get(kind) or 0 for kind in kinds[2:])
        values = {
            "dataset": run.dataset,
            "noise": run.noise or None,
            **{kind: data.get(kind) for kind in kinds},
            **hashes,
        }
        values |= {"density": total / size if size else None, "split_seed": str(run.result.get("split_seed", ""))}
        lines.setdefault(tuple(values.values()), Line(values))
    held = list(lines.values())
    note = "Counts without padding. The same split hash means the same held-out pairs for every row."
    return Table("data", "Data", filled(columns, held), tuple(held), note)


def _settings(run: RunRecord) -> dict[str, str]:
    return {key: _text(value) for key, value in run.result["config"].items() if key not in _PLACES}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _common(source: Source) -> Table:
    held = [_settings(run) for run in source.runs]
    shared = {key: value for key, value in held[0].items() if all(other.get(key) == value for other in held)}
    lines = [Line({"key": key, "value": value}) for key, value in sorted(shared.items())]
    columns = (Column("key", "Key"), Column("value", "Value"))
    return Table("configuration", "Configuration common to all runs", columns, tuple(lines), folded=True)


def _differences(source: Source, group: Group) -> Table:
    held = {row.label: _settings(row.runs[0]) for row in group.rows}
    keys = sorted({key for settings in held.values() for key in settings})
    usual = {key: Counter(settings.get(key) for settings in held.values()).most_common(1)[0][0] for key in keys}
    lines = [
        Line({"row": row.label, "differs": "; ".join(_differing(held[row.label], usual, row))}, row.marks)
        for row in group.rows
    ]
    columns = (Column("row", "Row"), Column("differs", "Keys that differ from what most rows have"))
    title = f"Configuration by row: {group.title}"
    return Table(f"differences-{group.slug}", title, columns, tuple(lines) if len(lines) > 1 else ())


def _differing(settings: dict[str, str], usual: dict[str, str | None], row: Row) -> Iterator[str]:
    skipped = {"model", "dataset"} if row.aside else {"dataset"}
    for key, value in usual.items():
        if settings.get(key) != value and key not in skipped:
            if key not in settings and row.aside:
                continue  # keys of another model
            yield f"{key}={settings.get(key, 'not set')}"
