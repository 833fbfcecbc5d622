"use strict";
(function () {
  const MISSING = "\u2013";
  const said = document.getElementById("said");

  function valueOf(row, column) {
    const cell = row.cells[column];
    const raw = cell.dataset.sort;
    const text = cell.textContent.trim();
    return { number: raw === "" || raw === undefined ? NaN : Number(raw), text: text, missing: text === MISSING };
  }

  // Numbers by size, text by letters, what is missing last in both directions.
  function compare(a, b, sign) {
    if (a.missing !== b.missing) { return a.missing ? 1 : -1; }
    if (!isNaN(a.number) && !isNaN(b.number)) { return sign * (a.number - b.number); }
    return sign * a.text.localeCompare(b.text, "en", { numeric: true });
  }

  function sortBy(button) {
    const head = button.closest("th");
    const table = head.closest("table");
    const body = table.tBodies[0];
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    for (const each of table.tHead.rows[0].cells) { each.setAttribute("aria-sort", "none"); }
    head.setAttribute("aria-sort", order);
    const rows = Array.from(body.rows, (row) => [row, valueOf(row, head.cellIndex)]);
    rows.sort((a, b) => compare(a[1], b[1], sign));
    body.append(...rows.map((pair) => pair[0]));
    said.textContent = "Sorted by " + button.textContent + ", " + order + ".";
  }

  function select(node) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch (error) { // not allowed from a file in some browsers: the text is selected to be copied by hand
      select(code);
      done = false;
    }
    button.textContent = done ? "Copied" : "Selected";
    said.textContent = button.textContent + ".";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  for (const button of document.querySelectorAll("thead button")) { button.addEventListener("click", () => sortBy(button)); }
  for (const button of document.querySelectorAll(".copy")) { button.addEventListener("click", () => copy(button)); }
  // Folded parts are printed too, but for those that no paper has room for.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open]):not(.screen)"));
    for (const part of opened) { part.open = true; }
  });
  addEventListener("afterprint", () => { for (const part of opened) { part.open = false; } });
})();
