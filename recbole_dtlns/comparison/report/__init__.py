"""The report of a comparison or of a single run: a page, tables and figures."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from recbole_dtlns.comparison.run.records import Comparison
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically

PAGE, PARTS = "report.html", "report"
WRITTEN = "files.txt"
"""In `report/`: the names of the tables and figures there, a line each."""


def require_packages() -> None:
    """Raise UserError unless what the report is made with is installed."""
    missing = [name for name in ("matplotlib", "jinja2") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"The report needs {' and '.join(missing)}: pip install 'recbole-dtlns[report]'")


def write_report(comparison: Comparison, folder: Path, ours: str | None = None, metric: str | None = None) -> Path:
    """Write `report.html`, one file that needs no network, and `report/` with tables (md, csv, tex) and figures.

    Args:
        comparison: what to report on; a single run is one as well.
        folder: where to write; made where it is missing.
        ours: label of the row that is tested against all others; unset: the first dtl_ns row.
        metric: heads tables, tests and figures; unset: the one that validation went by.

    Returns:
        The path of the page.

    Raises:
        UserError: an unknown row or metric, or a missing package.
    """
    require_packages()
    from recbole_dtlns.comparison.report import formats
    from recbole_dtlns.comparison.report.chips import chips_of
    from recbole_dtlns.comparison.report.page import Head, page
    from recbole_dtlns.comparison.report.sections import sections_of
    from recbole_dtlns.comparison.report.sections.learning import epoch_tables
    from recbole_dtlns.comparison.report.source import Source
    from recbole_dtlns.comparison.report.svg import write_figure

    source = Source(comparison, ours, metric)
    sections = [section for section in sections_of(source) if not section.empty]
    alone = {f"{table.name}.csv": formats.raw_csv(table) for table in epoch_tables(source)}
    parts, figures = Path(folder) / PARTS, {}
    _drop_earlier(parts, {name for section in sections for name in section.files} | set(alone))
    for name, text in alone.items():
        write_atomically(parts / name, text.encode())
    for section in sections:
        for table in section.all_tables:
            for ending, written in (("md", formats.markdown), ("csv", formats.raw_csv), ("tex", formats.latex)):
                write_atomically(parts / f"{table.name}.{ending}", written(table).encode())
        for picture in section.all_pictures:
            figures[picture.name] = write_figure(parts, picture.draw(), picture.name, picture.title, picture.alt)
    subject = source.groups[0].title if len(source.groups) == 1 else ""
    title, facts = f"{'Run' if source.single else 'Comparison'} {comparison.name}", list(_facts(comparison))
    head = Head(title, facts, source.ours, chips_of(source), Path(folder), subject)
    text = page(head, sections, figures)
    target = Path(folder) / PAGE
    write_atomically(target, text.encode())
    return target


def _drop_earlier(parts: Path, names: set[str]) -> None:
    """Remove files of an earlier report that this one, with these names, does not write; nothing else is touched."""
    listed = parts / WRITTEN
    for name in set(listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else ()) - names:
        if Path(name).name == name:
            (parts / name).unlink(missing_ok=True)
    write_atomically(listed, "".join(f"{name}\n" for name in sorted(names)).encode())


def _facts(comparison: Comparison) -> Iterator[str]:
    groups = [f"{model} on {dataset}" for dataset, model in comparison.groups()]
    if groups:
        yield ", ".join(groups)
    trials = sum(run.trial is not None for run in comparison.runs) if comparison.plan is not None else 0
    runs = len(comparison.runs) - trials
    if comparison.plan is not None:
        yield f"{runs} finished run{'s' * (runs != 1)}" + (
            f" and {trials} trial{'s' * (trials != 1)}" if trials else ""
        )
    if comparison.failed:
        yield f"{len(comparison.failed)} failed"
    if comparison.pending:
        yield f"{len(comparison.pending)} not finished"
