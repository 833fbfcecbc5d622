"""The page in a real browser: no errors, no requests, sortable tables, both colour schemes, a narrow screen."""

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

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
        found = re.search(r'<pre id="answer">(.*?)</pre>', self.dom, re.DOTALL)
        assert found, "the script of the test did not end"
        return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a browser: apt-get install chromium")
        pytest.skip("no Chromium here")
    return found


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
    held = json.loads(log.read_text(encoding="utf-8"))
    started = held["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event["params"] for event in held["events"] if event["type"] == started and "params" in event]
    return [found["url"] for found in asked if found.get("initiator", "not an origin") != "not an origin"]


def script(body: str) -> str:
    """A script that leaves what it returns in the page."""
    return (
        "<script>{const pre = document.createElement('pre'); pre.id = 'answer';"
        f"pre.textContent = JSON.stringify((() => {{{body}}})()); document.body.append(pre);}}</script>"
    )


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
    before, down, up, sorted_heads, said = look(script(SORT.replace("NAME", '"Test NDCG@20"'))).answer
    assert before[0] == "none"
    values = [float(row[1]) for row in down[1]]
    assert down[0] == "descending"
    assert values == sorted(values, reverse=True)
    assert up[0] == "ascending"
    assert [float(row[1]) for row in up[1]] == sorted(values)
    assert sorted(row[0] for row in before[1]) == sorted(row[0] for row in up[1])
    assert sorted_heads == 1
    assert "ascending" in said


def test_text_sorts_by_letters_and_what_is_missing_stays_last(look):
    _, first, second, _, _ = look(script(SORT.replace("NAME", '"Judge"'))).answer
    for order, (state, rows) in (("ascending", first), ("descending", second)):
        known = [row[2] for row in rows if row[2] != "–"]
        assert state == order
        assert [row[2] for row in rows] == known + ["–"] * (len(rows) - len(known))
        assert known == sorted(known, reverse=order == "descending")


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
    too_wide, opened, height, said = look(script(body), "--window-size=800,900").answer
    assert too_wide == []
    assert (opened, height) == (False, 0)
    assert any("report/metrics-ml-100k-BPR.csv" in text for text, _ in said)
    assert all(shown for _, shown in said)


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
