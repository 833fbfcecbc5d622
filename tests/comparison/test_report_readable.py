"""The page in a real browser can be read: on a phone, in both colour schemes, by WCAG."""

import os
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from browser_page import framed, script

from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.false_negatives.report.examples_file import Example, write_examples

CUT = """
const edge = document.documentElement.clientWidth;
const out = [];
const kinds = "svg[role=img], svg[role=img] text, .cards td, .cards tbody th, .verdict, figure, caption span";
for (const part of document.querySelectorAll(kinds)) {
  const box = part.getBoundingClientRect();
  if (box.width && (box.right > edge + 1 || box.left < -1)) { out.push(part.textContent.trim().slice(0, 40)); }
}
const small = Array.from(document.querySelectorAll("svg[role=img] text"), (text) => {
  const svg = text.closest("svg");
  const size = parseFloat(window.getComputedStyle(text).fontSize);
  return size * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
}).filter((size) => size > 0);
return [out, Math.min(...small), document.documentElement.scrollWidth - edge];
"""


def test_nothing_is_cut_on_a_phone_and_its_letters_can_be_read(look, made_report: Path):
    cut, smallest, beyond = framed(look, made_report, 390, CUT)
    assert cut == []
    assert smallest >= 9.5
    assert beyond <= 0


def test_examples_of_a_run_are_whole_on_a_phone(look, made: Path, tmp_path: Path):
    from recbole_dtlns.comparison.report import write_report

    run = tmp_path / "run"
    shutil.copytree(made / "runs/ml-100k/BPR/dtl_ns@rule/seed-2020", run)
    names = [f"A title of forty letters, more or less {n}" for n in range(5)]
    write_examples(run, [Example("user-with-a-long-token", names, 90, names, [0.5] * 5, 7)])
    write_report(read_comparison(run), run)
    body = """
    const box = document.querySelector(".stacked"), cells = Array.from(box.querySelectorAll("tbody th, tbody td"));
    return [box.scrollWidth - box.clientWidth, cells.map((cell) => cell.textContent.trim().slice(0, 12))];"""
    beyond, texts = framed(look, run, 390, body)
    assert beyond <= 0
    assert texts == ["user-with-a-", "A title of f", "A title of f"]


def test_the_verdict_is_above_the_fold_and_whole(look):
    body = """
    const parts = ["#summary .verdict", "#summary table", "#summary figure svg"];
    const boxes = parts.map((part) => document.querySelector(part).getBoundingClientRect());
    const [table, all] = ["#summary", "#accuracy"].map((part) => document.querySelector(part + " .scroll"));
    return [boxes.map((box) => box.bottom), table.scrollWidth - table.clientWidth,
      document.querySelectorAll("#summary thead th").length,
      all.scrollWidth - all.clientWidth];"""
    bottoms, beyond, columns, main = look(script(body), "--window-size=1280,800").answer
    assert max(bottoms) <= 800
    assert beyond <= 0
    assert columns <= 6
    assert main <= 0


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` or `#rgb` (WCAG 2)."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_has_the_contrast_of_aa_in_both_schemes():
    style = (files("recbole_dtlns.comparison.report") / "page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light = dict(re.findall(r"--([\w-]+): (#\w+)", blocks[0]))
    for changed in ({}, *(dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks[1:])):
        colours = light | changed
        for ink in ("ink", "soft", "link", "bad", "best"):
            for paper in ("paper", "shade", "ours"):
                darker, lighter = sorted(luminance(colours[name]) for name in (ink, paper))
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, paper, colours)


AXE = """
<script>%s</script>
<script>
for (const part of document.querySelectorAll("details")) { part.open = true; }
axe.run(document, { runOnly: ["wcag2a", "wcag2aa"], resultTypes: ["violations"] }).then((found) => {
  const pre = document.createElement("pre"); pre.id = "answer";
  const said = (each) => [each.id, each.nodes.length, each.nodes[0].html.slice(0, 200), each.nodes[0].failureSummary];
  pre.textContent = JSON.stringify([found.violations.map(said), found.passes.map((each) => each.id)]);
  document.body.append(pre);
});
</script>
"""


@pytest.mark.parametrize("scheme", ["0", "1"])
def test_axe_finds_nothing_against_wcag_aa(look, scheme: str):
    """AXE_CORE names axe.min.js of the npm package axe-core; the gate installs it."""
    library = os.environ.get("AXE_CORE")
    if library is None:
        pytest.skip("AXE_CORE names no axe.min.js")
    flags = (f"--blink-settings=preferredColorScheme={scheme}", "--virtual-time-budget=60000")
    violations, passes = look(AXE % Path(library).read_text(encoding="utf-8"), *flags).answer
    assert violations == []
    assert {"color-contrast", "scrollable-region-focusable", "svg-img-alt"} <= set(passes)


def test_a_narrow_screen_scrolls_tables_and_not_the_page(look):
    body = """
    const root = document.documentElement;
    const boxes = Array.from(document.querySelectorAll(".scroll")).filter((box) => box.scrollWidth > box.clientWidth);
    return [root.scrollWidth, root.clientWidth, boxes.length];"""
    whole, shown, boxes = look(script(body), "--window-size=500,900").answer
    assert shown <= 500
    assert whole <= shown
    assert boxes > 5


def test_the_name_of_a_row_stays_in_sight_on_a_narrow_screen(look):
    body = """
    const cell = document.getElementById("table-accuracy-ml-100k-BPR").closest("table").tBodies[0].rows[0].cells[0];
    const box = cell.closest(".scroll");
    const left = () => cell.getBoundingClientRect().left;
    const before = left(); box.scrollLeft = 120;
    return [box.scrollLeft, left() - before];"""
    assert look(script(body), "--window-size=500,900").answer == [120, 0]


@pytest.mark.parametrize(("scheme", "light"), [("0", False), ("1", True)])
def test_both_colour_schemes_can_be_read(look, scheme: str, light: bool):
    body = """
    const style = getComputedStyle(document.body);
    const label = document.querySelector("figure svg text");
    return [style.backgroundColor, style.color, getComputedStyle(label).fill];"""
    answer = look(script(body), f"--blink-settings=preferredColorScheme={scheme}").answer
    paper, ink, label = (sum(int(number) for number in re.findall(r"\d+", colour)[:3]) / 765 for colour in answer)
    assert (paper > 0.9) if light else (paper < 0.2)
    assert abs(paper - ink) > 0.6
    assert abs(paper - label) > 0.6
