"""Figures as SVG and PNG: files for papers, and a narrow SVG for the page that follows its colours."""

from __future__ import annotations

import html
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.style import COLOURS, FAINT, GRID, INK
from recbole_dtlns.files.cache import write_atomically

# Inches of a figure on the page: at 390 pixels its letters are as large as the text of a note.
_PAGE_WIDTH, _PAGE_HEIGHT = 4.3, 3.0
# Colours of the figures, and the CSS that stands for them on the page.
_ON_PAGE = {INK: "currentColor", GRID: "var(--grid)", FAINT: "var(--faint)"}
_ON_PAGE |= {colour: f"var(--row-{place})" for place, colour in enumerate(COLOURS)}
_HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_SIZE = re.compile(r'(<svg\b[^>]*?) (?:width="[\d.]+pt" height="[\d.]+pt"|height="[\d.]+pt" width="[\d.]+pt")')
_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
_SVG = re.compile(r"<svg\b[^>]*>")
_ROW = re.compile(r'<g id="row-(\d+)">')
_DECIMALS = re.compile(r"(\.\d\d)\d+(?=[ \n\"),])")


@dataclass(frozen=True)
class Drawn:
    """A figure on the page: its SVG, and its values as JSON, a list of [row, x, y, text] in the units of the SVG."""

    svg: str
    values: str


def svg_text(figure: Figure, name: str) -> str:
    """The figure as an SVG document whose text stays text; the same figure gives the same bytes."""
    written = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        # Not `savefig`, which draws everything twice: drawing makes the layout by itself.
        FigureCanvasSVG(figure).print_svg(written, metadata={"Date": None, "Creator": None})
    return _METADATA.sub("", written.getvalue())


def png_bytes(figure: Figure) -> bytes:
    """The figure on white, at 160 dots an inch."""
    written = io.BytesIO()
    figure.patch.set_alpha(1)
    figure.set_facecolor("white")
    figure.set_dpi(160)
    FigureCanvasAgg(figure).print_png(written, metadata={"Software": None})
    return written.getvalue()


def titled(svg: str, title: str, alt: str) -> str:
    """The SVG with what a screen reader says of it; the parts of a row share a class."""
    names = f"<title>{html.escape(title)}</title>\n<desc>{html.escape(alt)}</desc>"
    return _SVG.sub(lambda match: f"{match[0]}\n{names}", _ROW.sub(r'<g class="row-\1">', svg), count=1)


def inline(svg: str, name: str, title: str, alt: str) -> str:
    """The SVG for a page that holds others: ids of its own, colours of the page, the width of its place.

    Args:
        svg: from `svg_text`.
        name: put in front of every id.
        title: its name for screen readers.
        alt: what it shows.
    """
    text = _ROW.sub(r'<g class="row" data-row="\1">', _COMMENT.sub("", _HEAD.sub("", svg, count=1)))
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _ON_PAGE.items():
        text = re.sub(rf"{colour}\b", variable, text, flags=re.IGNORECASE)
    roles = f'role="img" aria-labelledby="{name}-title" aria-describedby="{name}-desc"'
    text = _DECIMALS.sub(r"\1", _SIZE.sub(rf"\g<1> {roles}", text, count=1))
    about = f'<title id="{name}-title">{html.escape(title)}</title>\n<desc id="{name}-desc">{html.escape(alt)}</desc>'
    return _SVG.sub(lambda match: f"{match[0]}\n{about}", text, count=1)


def for_page(chart: Chart, name: str, title: str, alt: str) -> Drawn:
    """The chart drawn again for a narrow place, without its legend: the page has one for all figures.

    A chart with a row on each line keeps its height.
    """
    for legend in list(chart.legends):
        legend.remove()
    rows = len(chart.body.get_yticklabels()) if chart.lines_are_rows else 0
    chart.set_size_inches(_PAGE_WIDTH, 0.75 + 0.3 * rows if rows else _PAGE_HEIGHT)
    chart.set_layout_engine("constrained")
    svg = svg_text(chart, name)
    values = [[value.row, round(x, 1), round(y, 1), value.text] for value, x, y in chart.positions()]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )  # no tag ends the script
    return Drawn(inline(svg, name, title, alt), text)


def write_figure(folder: Path, chart: Chart, name: str, title: str, alt: str) -> Drawn:
    """Write NAME.svg and NAME.png; returns the figure for the page."""
    svg = svg_text(chart, name)
    chart.set_layout_engine("none")  # what was laid out stays: doing so again would take as long as drawing
    write_atomically(folder / f"{name}.svg", titled(svg, title, alt).encode())
    write_atomically(folder / f"{name}.png", png_bytes(chart))
    chart.patch.set_alpha(0)
    return for_page(chart, name, title, alt)
