"""The page in a real browser: no errors, no requests, sortable tables, both colour schemes, a narrow screen."""

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.false_negatives.report.examples_file import Example, write_examples

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=5000",
)


@dataclass
class Seen:
    """What the browser made of a page."""

    dom: str
    errors: list[str]
    requests: list[str]

    @property
    def answer(self):
        """What the script of the test has left in the page."""
        answer = re.search(r'<pre id="answer">(.*?)</pre>', self.dom, re.DOTALL)
        assert answer, "the script of the test did not end"
        return json.loads(html.unescape(answer[1]))


@pytest.fixture(scope="module")
def browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next((candidate for name in names if (candidate := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a browser: apt-get install chromium")
        pytest.skip("no Chromium here")
    return path


@pytest.fixture
def look(browser: str, made_report: Path, tmp_path: Path):
    """`look(extra, *flags)`: opens the page with more HTML at its end."""

    def opened(extra: str = "", *flags: str) -> Seen:
        text = (made_report / "report.html").read_text(encoding="utf-8")
        page, log = tmp_path / "page.html", tmp_path / "net.json"
        page.write_text(text.replace("</body>", f"{extra}</body>"), encoding="utf-8")
        profile = tmp_path / f"profile-{len(list(tmp_path.iterdir()))}"
        command = [
            browser,
            *FLAGS,
            *flags,
            f"--user-data-dir={profile}",
            f"--log-net-log={log}",
            "--dump-dom",
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        errors = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        return Seen(done.stdout, errors, page_requests(log))

    return opened


def page_requests(log: Path) -> list[str]:
    """Addresses that the page asked for; those that the browser asks for by itself have no origin."""
    content = json.loads(log.read_text(encoding="utf-8"))
    started = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event["params"] for event in content["events"] if event["type"] == started and "params" in event]
    return [request["url"] for request in asked if request.get("initiator", "not an origin") != "not an origin"]


def script(body: str) -> str:
    """A script that leaves what it returns in the page."""
    return (
        "<script>{const pre = document.createElement('pre'); pre.id = 'answer';"
        f"pre.textContent = JSON.stringify((() => {{{body}}})()); document.body.append(pre);}}</script>"
    )


def framed(look, report: Path, width: int, body: str):
    """What a script finds in the page in a frame of so many pixels: a window is never as narrow as a phone."""
    page = html.escape((report / "report.html").read_text(encoding="utf-8"))
    frame = f'<iframe id="phone" style="width: {width}px; height: 800px; border: 0" srcdoc="{page}"></iframe>'
    code = (
        "<script>document.getElementById('phone').addEventListener('load', (event) => {"
        "const view = event.target.contentWindow, document_ = event.target.contentDocument;"
        "const pre = document.createElement('pre'); pre.id = 'answer';"
        f"pre.textContent = JSON.stringify(((window, document) => {{{body}}})(view, document_));"
        "document.body.append(pre);});</script>"
    )
    return look(frame + code).answer


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


def test_a_row_is_hidden_in_every_figure_at_once_and_shown_again(look):
    body = """
    const chip = document.querySelector(".chip[data-row='0']");
    const parts = Array.from(document.querySelectorAll(".row[data-row='0']"));
    const seen = () => parts.filter((part) => part.getBoundingClientRect().width > 0).length;
    const shown = () => [chip.getAttribute("aria-pressed"), seen()];
    const figures = new Set(parts.map((part) => part.closest("figure"))).size;
    const found = [shown()];
    for (let n = 0; n < 2; n++) { chip.click(); found.push(shown()); }
    return [figures, found];"""
    figures, (before, hidden, after) = look(script(body)).answer
    assert figures > 8
    assert hidden == ["false", 0]
    assert before == after
    assert before[1] > 8


def test_values_are_told_under_the_pointer_and_by_keys(look):
    body = """
    const chart = document.querySelector("#curves .chart"), svg = chart.querySelector("svg");
    const points = JSON.parse(chart.parentElement.querySelector("script").textContent);
    const label = document.getElementById("value"), box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width, point = points[5];
    const at = { clientX: box.left + point[1] * scale, clientY: box.top + point[2] * scale, bubbles: true };
    chart.dispatchEvent(new PointerEvent("pointermove", at));
    const found = [label.hidden, label.textContent];
    chart.focus();
    const said = [];
    for (const key of ["ArrowRight", "ArrowRight", "ArrowDown", "Escape"]) {
      chart.dispatchEvent(new KeyboardEvent("keydown", { key: key, bubbles: true }));
      said.push(document.getElementById("said").textContent);
    }
    return [point, points[1], ...found, said, label.hidden];"""
    point, second, hidden, text, announced, closed = look(script(body)).answer
    assert not hidden
    assert "Valid NDCG@20" in text
    assert re.search(r"Epoch \d+: ", text)
    assert announced[1].endswith(second[3])
    assert announced[2] != announced[1]
    assert closed
    assert len(point) == 4


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


def test_no_console_errors_and_no_requests(look):
    seen = look()
    assert "</html>" in seen.dom
    assert seen.errors == []
    assert seen.requests == []


def test_the_same_checks_see_an_error_and_a_request(look):
    seen = look('<script>nothing_of_that_name();</script><img src="http://example.invalid/x.png" alt="">')
    assert any("nothing_of_that_name" in line for line in seen.errors)
    assert seen.requests == ["http://example.invalid/x.png"]


SORT = """
const table = document.getElementById("table-accuracy-ml-100k-BPR").closest("table");
const heads = Array.from(table.tHead.rows[0].cells);
const column = heads.findIndex((head) => head.textContent.includes(NAME));
const state = () => [heads[column].getAttribute("aria-sort"), Array.from(table.tBodies[0].rows, (row) => [
  row.cells[0].textContent, row.cells[column].dataset.sort, row.cells[column].textContent.trim()])];
const found = [state()];
for (let n = 0; n < 2; n++) { heads[column].querySelector("button").click(); found.push(state()); }
found.push(heads.filter((head) => head.getAttribute("aria-sort") !== "none").length);
found.push(document.getElementById("said").textContent);
return found;
"""


def test_numbers_sort_from_the_largest_and_back(look):
    before, down, up, sorted_heads, announced = look(script(SORT.replace("NAME", '"Test NDCG@20"'))).answer
    assert before[0] == "none"
    values = [float(row[1]) for row in down[1]]
    assert down[0] == "descending"
    assert values == sorted(values, reverse=True)
    assert up[0] == "ascending"
    assert [float(row[1]) for row in up[1]] == sorted(values)
    assert sorted(row[0] for row in before[1]) == sorted(row[0] for row in up[1])
    assert sorted_heads == 1
    assert "ascending" in announced


def test_text_sorts_by_letters_and_what_is_missing_stays_last(look):
    _, first, second, _, _ = look(script(SORT.replace("NAME", '"Judge"'))).answer
    for order, (state, rows) in (("ascending", first), ("descending", second)):
        values = [row[2] for row in rows if row[2] != "–"]
        assert state == order
        assert [row[2] for row in rows] == values + ["–"] * (len(rows) - len(values))
        assert values == sorted(values, reverse=order == "descending")


def test_every_head_is_a_button_that_the_keyboard_reaches(look):
    body = """
    const heads = Array.from(document.querySelectorAll("thead th"));
    return heads.map((head) => {
      const button = head.querySelector("button"); button.focus();
      return head.closest("details:not([open])") ? true : document.activeElement === button && button.tabIndex === 0;
    });"""
    answer = look(script(body)).answer
    assert len(answer) > 50
    assert all(answer)


def test_folded_parts_are_open_in_print_and_closed_again(look):
    body = """
    const parts = Array.from(document.querySelectorAll("details:not(.screen)"));
    const open = () => parts.filter((part) => part.open).length;
    parts[0].open = true;
    const found = [parts.length, open()];
    for (const name of ["beforeprint", "afterprint"]) { dispatchEvent(new Event(name)); found.push(open()); }
    return found;"""
    parts, before, printed, after = look(script(body)).answer
    assert parts > 3
    assert (before, printed, after) == (1, parts, 1)


def test_print_keeps_its_scale_and_leaves_out_what_is_too_large(look):
    """Chromium shrinks a whole document to its widest part: nothing is wider than paper, here 688 pixels."""
    body = """
    for (const sheet of document.styleSheets) {
      for (const rule of sheet.cssRules) {
        if (rule.media) { rule.media.mediaText = rule.media.mediaText === "print" ? "screen" : "print"; }
      }
    }
    const all = document.getElementById("table-metrics-ml-100k-BPR").closest("details");
    dispatchEvent(new Event("beforeprint"));
    const opened = all.open; all.open = true;  // as a reader may have done
    document.body.style.width = "688px";
    const edge = document.body.getBoundingClientRect().right + 1;
    const wide = Array.from(document.querySelectorAll("table, pre, p, svg"));
    const beyond = wide.filter((part) => part.getBoundingClientRect().right > edge);
    return [beyond.map((part) => part.textContent.slice(0, 60)),
      opened, all.getBoundingClientRect().height,
      Array.from(document.querySelectorAll(".paper"), (said) => [said.textContent, said.offsetHeight > 0])];"""
    too_wide, opened, height, notes = look(script(body), "--window-size=800,900").answer
    assert too_wide == []
    assert (opened, height) == (False, 0)
    assert any("report/metrics-ml-100k-BPR.csv" in text for text, _ in notes)
    assert all(shown for _, shown in notes)


def test_copy_takes_the_command_beside_the_button(look):
    body = """
    const said = [];
    Object.defineProperty(navigator, "clipboard", { value: { writeText: (text) => { said.push(text); } } });
    const boxes = Array.from(document.querySelectorAll(".copyable"));
    for (const box of boxes) { box.querySelector(".copy").click(); }
    return [said, boxes.map((box) => box.querySelector("code").textContent)];"""
    copied, shown = look(script(body)).answer
    assert copied == shown
    assert len(set(copied)) == len(copied) > 1


def test_numbers_are_sorted_by_size_and_not_as_they_are_spelled(look):
    """Counts have commas, p values a sign, and a missing number is no number."""
    body = """
    const wrong = [];
    for (const table of document.querySelectorAll("table")) {
      for (const head of table.tHead.rows[0].cells) {
        if (!head.classList.contains("number")) { continue; }
        head.querySelector("button").click();
        const raw = Array.from(table.tBodies[0].rows, (row) => row.cells[head.cellIndex].dataset.sort);
        const known = raw.filter((text) => text !== "").map(Number);
        const missing = raw.slice(known.length).every((text) => text === "");
        const sorted = known.every((value, place) => place === 0 || known[place - 1] >= value);
        if (!missing || !sorted) { wrong.push([table.caption.textContent, head.textContent, raw]); }
      }
    }
    return wrong;"""
    assert look(script(body)).answer == []


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
