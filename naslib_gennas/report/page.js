"use strict";
(function () {
  // Sorting: a click on a column's head; numbers by data-v, missing ones always last.
  function key(row, column) {
    const cell = row.cells[column];
    if (!cell.classList.contains("number")) return cell.textContent;
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  }

  function compare(a, b) {
    return typeof a === "number" ? a - b : a.localeCompare(b);
  }

  function sort(head) {
    const table = head.closest("table"), column = head.cellIndex;
    const numeric = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const down = before === null ? numeric : before === "ascending";
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort(function (one, two) {
      const a = key(one, column), b = key(two, column);
      if (a === null || b === null) return (a === null) - (b === null);
      return down ? compare(b, a) : compare(a, b);
    });
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }

  document.querySelectorAll("table.sortable th").forEach(function (head) {
    head.querySelector("button").addEventListener("click", function () { sort(head); });
  });

  // Hover: the architecture of a point and the values on both axes.
  const points = JSON.parse(document.getElementById("points").textContent);
  const tip = document.getElementById("tip");

  function line(text, name) {
    const div = document.createElement("div");
    div.textContent = text;
    if (name) div.className = name;
    return div;
  }

  function show(event) {
    const plot = event.target.closest("[data-run]");
    if (!plot || event.target.dataset.i === undefined) { tip.style.display = "none"; return; }
    const run = points[plot.dataset.run], i = Number(event.target.dataset.i);
    tip.replaceChildren(line(run.arch[i], "arch"));
    for (const name of [plot.dataset.x, plot.dataset.y]) {
      if (name in run.values) tip.append(line(name + ": " + run.values[name][i]));
    }
    tip.style.display = "block";
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, window.innerWidth - box.width - 8)) + "px";
    tip.style.top = Math.max(4, Math.min(event.clientY + 14, window.innerHeight - box.height - 8)) + "px";
  }

  document.addEventListener("mousemove", show);
})();
