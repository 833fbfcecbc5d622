"""The page in a real browser: no errors, no requests, sortable tables, rows to hide, values, print, copy."""

import re

from browser_page import script


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
