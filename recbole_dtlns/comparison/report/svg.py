"""Figures as SVG and PNG: files for papers, and SVG for the page that follows its colours."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from recbole_dtlns.comparison.report.plots.style import COLOURS, FAINT, GRID, INK

# Colours of the figures, and the CSS that stands for them on the page.
_ON_PAGE = {INK: "currentColor", GRID: "var(--grid)", FAINT: "var(--faint)"}
_ON_PAGE |= {colour: f"var(--row-{place})" for place, colour in enumerate(COLOURS)}
_HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_SIZE = re.compile(r'(<svg\b[^>]*?) (?:width="([\d.]+)pt" height="[\d.]+pt"|height="[\d.]+pt" width="([\d.]+)pt")')
_SVG = re.compile(r"<svg\b[^>]*>")


def svg_text(figure: Figure, name: str) -> str:
    """The figure as an SVG document whose text stays text; the same figure gives the same bytes."""
    written = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return _METADATA.sub("", written.getvalue())


def png_bytes(figure: Figure) -> bytes:
    """The figure on white, at 160 dots an inch."""
    written = io.BytesIO()
    figure.patch.set_alpha(1)
    figure.savefig(written, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return written.getvalue()


def titled(svg: str, title: str, alt: str) -> str:
    """The SVG with what a screen reader says of it."""
    said = f"<title>{html.escape(title)}</title>\n<desc>{html.escape(alt)}</desc>"
    return _SVG.sub(lambda found: f"{found[0]}\n{said}", svg, count=1)


def inline(svg: str, name: str, title: str, alt: str) -> str:
    """The SVG for a page that holds others: ids of its own, colours of the page, the width of its place.

    Args:
        svg: from `svg_text`.
        name: put in front of every id.
        title: its name for screen readers.
        alt: what it shows.
    """
    text = _HEAD.sub("", svg, count=1)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _ON_PAGE.items():
        text = re.sub(rf"{colour}\b", variable, text, flags=re.IGNORECASE)
    said = f'role="img" aria-labelledby="{name}-title" aria-describedby="{name}-desc"'
    text = _SIZE.sub(lambda found: f'{found[1]} {said} style="max-width: {found[2] or found[3]}pt"', text, count=1)
    about = f'<title id="{name}-title">{html.escape(title)}</title>\n<desc id="{name}-desc">{html.escape(alt)}</desc>'
    return _SVG.sub(lambda found: f"{found[0]}\n{about}", text, count=1)


def write_figure(folder: Path, figure: Figure, name: str, title: str, alt: str) -> str:
    """Write NAME.svg and NAME.png; returns the SVG for the page."""
    from recbole_dtlns.files.cache import write_atomically

    svg = svg_text(figure, name)
    figure.set_layout_engine("none")  # what was laid out stays: doing so again would take as long as drawing
    write_atomically(folder / f"{name}.svg", titled(svg, title, alt).encode())
    write_atomically(folder / f"{name}.png", png_bytes(figure))
    return inline(svg, name, title, alt)
