"""What tests of a report look at: its files, its sections, and small comparisons."""

import csv
import json
from pathlib import Path

import pytest
from made import make_comparison

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.sections import sections_of
from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.run.records import read_comparison

GROUP = "ml-100k-BPR"


def lines_of(report: Path, name: str) -> list[dict[str, str]]:
    with (report / "report" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def page_of(report: Path) -> str:
    return (report / "report.html").read_text(encoding="utf-8")


def section_of(page: str, key: str) -> str:
    return page.partition(f'<section id="{key}"')[2].partition("</section>")[0]


def sections(folder: Path, **options: str) -> dict[str, Section]:
    return {section.key: section for section in sections_of(Source(read_comparison(folder), **options))}


def change_results(folder: Path, pattern: str, change) -> None:
    """Write what `change` makes of each `result.json` below the runs of BPR."""
    paths = sorted((folder / "runs/ml-100k/BPR").glob(f"{pattern}/result.json"))
    assert paths
    for path in paths:
        result = json.loads(path.read_text())
        change(result, path.parent.name)
        path.write_text(json.dumps(result))


def texts_of(figure) -> list[str]:
    """Titles of panels, tick labels of rows and the legend."""
    texts = [axes.get_title(loc="left") for axes in figure.axes]
    texts += [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    return texts + [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def ends(axes) -> dict[str, tuple[list[float], list[float]]]:
    """x and y of every line by its label."""
    lines = {}
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        line = handle if hasattr(handle, "get_xdata") else handle.lines[0]
        lines[label] = ([float(x) for x in line.get_xdata()], [float(y) for y in line.get_ydata()])
    return lines


def small(folder: Path, **changes) -> Path:
    return make_comparison(
        folder, **{"models": ("BPR",), "noise": (0.0,), "trials": 0, "judges": ("rule",), "failed": None, **changes}
    )
