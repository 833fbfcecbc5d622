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

  // Rows: a button of the legend hides and shows its row in every figure, and pointing at it sets the row off.
  const parts = Array.from(document.querySelectorAll(".row[data-row]"));
  const gone = new Set();

  function toggle(chip) {
    const shown = chip.getAttribute("aria-pressed") === "true";
    chip.setAttribute("aria-pressed", String(!shown));
    if (shown) { gone.add(chip.dataset.row); } else { gone.delete(chip.dataset.row); }
    for (const part of parts) { part.classList.toggle("gone", gone.has(part.dataset.row)); }
    said.textContent = chip.textContent.trim() + (shown ? " hidden." : " shown.");
  }

  function setOff(row) {
    for (const part of parts) { part.classList.toggle("dim", row !== null && part.dataset.row !== row); }
  }

  // Values: the nearest point of a shown row under the pointer, or the next one by arrow keys.
  const label = document.getElementById("value");
  const names = new Map(Array.from(document.querySelectorAll(".chip"), (chip) => [Number(chip.dataset.row), chip.textContent.trim()]));
  const NEAR = 24; // units of a figure

  function valuesOf(chart) {
    if (!chart.points) { chart.points = JSON.parse(chart.closest("figure").querySelector("script").textContent); }
    return chart.points.filter((point) => !gone.has(String(point[0])));
  }

  function tell(chart, point, aloud) {
    label.hidden = !point;
    if (!point) { return; }
    const name = document.createElement("b");
    name.textContent = names.get(point[0]) || "";
    label.replaceChildren(name, point[3]);
    const svg = chart.querySelector("svg"), box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const x = box.left + point[1] * scale, y = box.top + point[2] * scale;
    const left = Math.max(4, Math.min(x + 10, document.documentElement.clientWidth - label.offsetWidth - 4));
    const above = y - label.offsetHeight - 10;
    label.style.left = left + scrollX + "px";
    label.style.top = (above < 4 ? y + 12 : above) + scrollY + "px";
    if (aloud) { said.textContent = name.textContent + " " + point[3]; }
  }

  function nearest(chart, event) {
    const svg = chart.querySelector("svg"), box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = null, least = NEAR;
    for (const point of valuesOf(chart)) {
      const far = Math.hypot(point[1] - x, point[2] - y);
      if (far < least) { least = far; best = point; }
    }
    return best;
  }

  function step(chart, event) {
    const points = valuesOf(chart), rows = Array.from(new Set(points.map((point) => point[0])));
    if (!points.length || !event.key.startsWith("Arrow")) { if (event.key === "Escape") { tell(chart, null); } return; }
    event.preventDefault();
    const now = points.includes(chart.now) ? chart.now : null;
    const own = points.filter((point) => now && point[0] === now[0]);
    let next = points[0];
    if (now && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      next = own[Math.max(0, Math.min(own.length - 1, own.indexOf(now) + (event.key === "ArrowRight" ? 1 : -1)))];
    } else if (now) {
      const place = (rows.indexOf(now[0]) + (event.key === "ArrowDown" ? 1 : rows.length - 1)) % rows.length;
      const other = points.filter((point) => point[0] === rows[place]);
      next = other[Math.min(own.indexOf(now), other.length - 1)];
    }
    chart.now = next;
    tell(chart, next, true);
  }

  for (const chip of document.querySelectorAll(".chip")) {
    chip.addEventListener("click", () => toggle(chip));
    for (const name of ["pointerenter", "focus"]) { chip.addEventListener(name, () => setOff(chip.dataset.row)); }
    for (const name of ["pointerleave", "blur"]) { chip.addEventListener(name, () => setOff(null)); }
  }
  for (const chart of document.querySelectorAll(".chart")) {
    chart.addEventListener("pointermove", (event) => tell(chart, nearest(chart, event)));
    chart.addEventListener("pointerleave", () => tell(chart, null));
    chart.addEventListener("blur", () => tell(chart, null));
    chart.addEventListener("keydown", (event) => step(chart, event));
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
