// The table of the samples that the map shows: the first rows of it, in any order.

const MOST_ROWS = 500;
const NAMES = { position: "Position", label: "Class", score: "Score", state: "Choice", distance: "Distance to kept", coverage: "E_c", doubt: "Label error", other: "Other one" };
const samplesTable = document.getElementById("samples-table");
const search = document.getElementById("search");
const onlySelected = document.getElementById("only-selected");
const order = { name: "score", falling: true };
const tableColumns = ["position", "label", "state", ...["score", "distance", "coverage", "doubt", "other"].filter((name) => name in columns)];

function cellText(sample, name) {
  if (name === "label") return data.classes[columns.label[sample]];
  if (name === "state") return stateOf(sample);
  if (name === "other") return columns.other[sample] ? "kept" : "dropped";
  return name === "position" ? String(columns.position[sample]) : rounded(columns[name][sample]);
}

function cellKey(sample, name) {
  if (name === "label" || name === "state" || name === "other") return cellText(sample, name);
  const value = columns[name][sample];
  return Number.isFinite(value) ? value : "";
}

function matches(sample, wanted) {
  return wanted === "" || data.classes[columns.label[sample]].toLowerCase().includes(wanted) || String(columns.position[sample]) === wanted;
}

function listedSamples() {
  const wanted = search.value.trim().toLowerCase();
  return shownSamples().filter((sample) => matches(sample, wanted) && (!onlySelected.checked || state.selected.has(sample)));
}

function tableHead() {
  const row = samplesTable.tHead.rows[0];
  if (sprites.columns) row.append(element("th", "", "Picture"));
  for (const name of tableColumns) {
    const head = element("th");
    head.scope = "col";
    head.dataset.name = name;
    const button = element("button", "", NAMES[name]);
    button.type = "button";
    button.addEventListener("click", () => {
      order.falling = order.name === name ? !order.falling : true;
      order.name = name;
      listTable();
    });
    head.append(button);
    row.append(head);
  }
}

function tableRow(sample) {
  const row = element("tr");
  if (sprites.columns) {
    const picture = element("td");
    if (columns.cell[sample] >= 0) picture.append(thumb(sample));
    row.append(picture);
  }
  for (const name of tableColumns) row.append(element("td", "", cellText(sample, name)));
  row.addEventListener("pointerenter", () => mark(sample));
  row.addEventListener("pointerleave", () => mark(-1));
  return row;
}

function listTable() {
  const listed = listedSamples();
  const keys = new Map(listed.map((sample) => [sample, cellKey(sample, order.name)]));
  listed.sort((a, b) => compareKeys(keys.get(a), keys.get(b), order.falling));
  samplesTable.tBodies[0].replaceChildren(...listed.slice(0, MOST_ROWS).map(tableRow));
  for (const head of samplesTable.tHead.querySelectorAll("[data-name]")) {
    if (head.dataset.name === order.name) head.setAttribute("aria-sort", order.falling ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  const some = listed.length > MOST_ROWS ? `the first ${MOST_ROWS} of ` : "";
  document.getElementById("table-said").textContent = `${some}${thousands(listed.length)} samples`;
}

// Typing and sliding change the state many times a second: the table follows when they rest.
let waiting = 0;

function listSoon() {
  window.clearTimeout(waiting);
  waiting = window.setTimeout(listTable, 120);
}

tableHead();
search.addEventListener("input", listSoon);
onlySelected.addEventListener("change", listTable);
listeners.push(listSoon);
