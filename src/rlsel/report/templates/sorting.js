// Tables that are sorted by a click on the head of a column.

function sortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.dataset.fixed !== undefined) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      body.append(...sortedRows([...body.rows], column, falling));
    });
  });
}

function sortedRows(rows, column, falling) {
  const keys = new Map(rows.map((row) => [row, sortKey(row.cells[column].textContent.trim())]));
  return rows.sort((a, b) => compareKeys(keys.get(a), keys.get(b), falling));
}

function sortKey(text) {
  const number = Number.parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(number) ? text : number;
}

// Numbers stand before texts, and empty fields last, whichever way the rest is sorted.
function compareKeys(a, b, falling) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  const order = typeof a === "number" ? a - b : a.localeCompare(b);
  return falling ? -order : order;
}

document.querySelectorAll("table[data-sortable]").forEach(sortable);
