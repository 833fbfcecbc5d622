"""What made the numbers: versions, data, configuration, commands."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.report.section import Commands, Section
from recbole_dtlns.comparison.report.sections.accuracy import chosen_of
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, filled
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.comparison.run.runs import Run, command
from recbole_dtlns.config.permissions import permissions_for
from recbole_dtlns.wording import counted

# Where a run writes and what sets its seeds apart is no difference between rows; what it ran on is a table of its own.
_PLACES = frozenset({"run_dir", "cache_dir", "checkpoint_dir", "seed", "show_progress", "state", "gpu_id", "device"})

_SPACED = "config_files takes no path with a space"


def environment(source: Source) -> Section:
    """Versions, data and configuration."""
    section = Section("setup", "Environment, data and configuration", short="Setup")
    if source.runs:
        machines = _machines(source)
        section.tables += [_versions(source), *([machines] if machines.lines else [])]
        section.tables += [_data(source), _common(source)]
        section.tables += [table for group in source.groups if (table := _differences(source, group)).lines]
    return section


def commands(source: Source) -> Section:
    """The command of every run, to copy."""
    section = Section("commands", "Commands")
    section.text.append(
        "Each run is the ordinary program in a process of its own; these commands repeat them one by one. The ending "
        "-again keeps what they write apart from what is here."
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
            words += permissions_for(run.result["config"])
            section.commands.append(Commands(title, (shlex.join(words),)))
        return section
    spaced = f"; {_SPACED}: rename {folder} first" if _spaced(folder) else ""
    again = ["python", "-m", "recbole_dtlns", "compare", f"--plan={folder / 'plan.yaml'}", f"--run_dir={folder}-again"]
    again += permissions_for(plan.fixed)
    section.commands.append(Commands(f"The whole comparison again{spaced}", (shlex.join(again),)))
    seeds = _by_group(source, plan, source.runs)
    tried = [run for run in source.comparison.runs if run.trial is not None]
    trials = _by_group(source, plan, tried)
    for kind, by_group in (("", seeds), (", trials of the search", trials)):
        section.commands += [Commands(f"{name}{kind}{spaced}", tuple(lines)) for name, lines in by_group.items()]
    if missing := len(tried) - sum(map(len, trials.values())):
        section.text.append(f"Without a command: {counted(missing, 'trial')}, as no chosen.json says what they tried.")
    return section


def _by_group(source: Source, plan: ComparisonPlan, runs: list[RunRecord]) -> dict[str, list[str]]:
    """The commands of runs by model and data set."""
    cells = {cell.folder.as_posix(): cell for cell in plan.cells()}
    by_group: dict[str, list[str]] = {}
    for run in runs:
        cell = cells.get(run.run_id.rpartition("/")[0])
        keys = chosen_of(run) if run.trial is None else _tried(run)
        if cell is not None and keys is not None:
            words = command(plan, Run(cell, run.seed, run.trial), keys, source.comparison.folder)
            words = ["python", *(f"{word}-again" if word.startswith("--run_dir=") else word for word in words[1:])]
            words += [word for word in permissions_for(plan.fixed) if word not in words]
            by_group.setdefault(f"{run.model} on {run.dataset}", []).append(shlex.join(words))
    return by_group


def _tried(run: RunRecord) -> dict[str, Any] | None:
    """The keys of a trial; None while its search goes on or where its record is damaged."""
    scores = (run.chosen() or {}).get("scores")
    whole = [score for score in scores if isinstance(score, dict)] if isinstance(scores, list) else []
    keys = next((score.get("keys") for score in whole if score.get("trial") == run.trial), None)
    return keys if isinstance(keys, dict) else None


def _spaced(path: Path) -> bool:
    return len(str(path).split()) > 1


def _versions(source: Source) -> Table:
    by_package: dict[str, dict[str, None]] = {}
    for run in source.runs:
        for name, version in run.result["versions"].items():
            by_package.setdefault(name, {})[str(version) if version is not None else "not installed"] = None
    lines = [Line({"package": name, "version": ", ".join(versions)}) for name, versions in by_package.items()]
    columns = (Column("package", "Package"), Column("version", "Version"))
    return Table("versions", "Versions", columns, tuple(lines))


def _machines(source: Source) -> Table:
    """What the runs were made on, a line for each machine; results of earlier versions do not tell."""
    counts: Counter[tuple[Any, ...]] = Counter()
    keys = ("system", "cpu", "cores", "threads", "memory_gb", "gpu")
    for run in source.runs:
        if machine := run.result["machine"]:
            counts[tuple(machine.get(key) for key in keys)] += 1
    columns = (
        Column("system", "System"),
        Column("cpu", "CPU"),
        Column("cores", "Cores", "count"),
        Column("threads", "Threads", "count"),
        Column("memory_gb", "Memory, GiB", "number"),
        Column("gpu", "GPU"),
        Column("runs", "Runs", "count"),
    )
    lines = [
        Line(dict(zip(keys, values, strict=True)) | {"gpu": values[-1] or "none", "runs": count})
        for values, count in counts.items()
    ]
    told, runs = sum(counts.values()), len(source.runs)
    note = f"{told} of {runs} runs say what they were made on." if told < runs else ""
    return Table("machines", "Machines", columns, tuple(lines), note)


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
        data: Mapping[str, Any] = run.result["data"]
        size, total = data["users"] * data["items"], sum(data[kind] or 0 for kind in kinds[2:])
        values = {
            "dataset": run.dataset,
            "noise": run.noise or None,
            **{kind: data[kind] for kind in kinds},
            **{name: (data[name] or "")[:12] for name in ("split_hash", "train_hash")},
            "density": total / size if size else None,
            "split_seed": "" if run.result["split_seed"] is None else str(run.result["split_seed"]),
        }
        lines.setdefault(tuple(values.values()), Line(values))
    note = "Counts without padding. The same split hash means the same held-out pairs for every row."
    return Table("data", "Data", filled(columns, lines.values()), tuple(lines.values()), note)


def _settings(run: RunRecord) -> dict[str, str]:
    return {key: _text(value) for key, value in run.result["config"].items() if key not in _PLACES}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _common(source: Source) -> Table:
    settings = [_settings(run) for run in source.runs]
    shared = {key: value for key, value in settings[0].items() if all(other.get(key) == value for other in settings)}
    lines = [Line({"key": key, "value": value}) for key, value in sorted(shared.items())]
    columns = (Column("key", "Key"), Column("value", "Value"))
    return Table("configuration", "Configuration common to all runs", columns, tuple(lines), folded=True)


def _differences(source: Source, group: Group) -> Table:
    by_row = {row.label: _settings(row.runs[0]) for row in group.rows}
    keys = sorted({key for settings in by_row.values() for key in settings})
    usual = {key: Counter(settings.get(key) for settings in by_row.values()).most_common(1)[0][0] for key in keys}
    lines = [
        Line({"row": row.label, "differs": "; ".join(_differing(by_row[row.label], usual, row))}, row.marks)
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
