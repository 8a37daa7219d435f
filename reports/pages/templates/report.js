"use strict";
// Filter and sort, for whoever has scripts: the page is complete without them.
(() => {
  const rows = [...document.querySelectorAll(".row")];
  const texts = new Map(); // filled when first needed: a large page opens at once
  const folds = [...document.querySelectorAll("details.fold")];

  const bar = document.createElement("form");
  bar.className = "filter";
  bar.setAttribute("role", "search");
  bar.innerHTML =
    '<label for="filter">Filter</label><input id="filter" type="search" autocomplete="off" placeholder="a check, a cause, a service, a node"><output for="filter"></output>';
  document.querySelector("main").prepend(bar);
  const [input, count] = [bar.querySelector("input"), bar.querySelector("output")];

  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    if (!texts.size) for (const row of rows) texts.set(row, row.textContent.toLowerCase());
    for (const row of rows) {
      row.hidden = !words.every((word) => texts.get(row).includes(word));
      left += row.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll("tr.group")) {
      group.hidden = !group.parentElement.querySelector("tr.row:not([hidden])");
    }
    for (const fold of folds) {
      fold.open = words.length > 0 && fold.querySelector(".row:not([hidden])") !== null;
    }
    count.textContent = words.length ? `${left} of ${rows.length} entries` : "";
  };
  bar.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("input", filter);

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort ?? cell.textContent.trim();
  };
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b);
  };
  const sort = (table, head, column) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    for (const body of table.tBodies) {
      const sorted = [...body.querySelectorAll("tr.row")].map((row) => [value(row, column), row]);
      sorted.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
      body.append(...sorted.map(([, row]) => row));
    }
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(table, head, column));
      head.replaceChildren(button);
    });
  }
})();
