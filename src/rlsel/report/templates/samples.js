// The samples of the map: columns of numbers, what is shown of them, and what is selected.

const data = JSON.parse(document.getElementById("payload").textContent);
const sprites = JSON.parse(document.getElementById("sprites").textContent);

const TYPES = {
  across: Float32Array, up: Float32Array, score: Float32Array, distance: Float32Array, coverage: Float32Array,
  doubt: Float32Array, position: Int32Array, cell: Int32Array, label: Uint16Array, kept: Uint8Array,
  keptAt: Uint8Array, other: Uint8Array,
};

function decoded(name) {
  const text = atob(data.columns[name]);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
  return new TYPES[name](bytes.buffer);
}

const columns = Object.fromEntries(Object.keys(data.columns).map((name) => [name, decoded(name)]));
const count = columns.position.length;

const state = {
  colour: "class",
  stop: data.own,
  classes: new Set(data.classes.keys()),
  states: new Set(["kept", "dropped"]),
  selected: new Set(),
  marked: -1,
};

// Whoever draws something of the state; `changed` tells all of them.
const listeners = [];

function changed() {
  for (const listener of listeners) listener();
}

function isKept(sample) {
  if (state.stop === data.own || state.stop < 0) return columns.kept[sample] === 1;
  const byte = columns.keptAt[sample * data.bytesPerSample + (state.stop >> 3)];
  return ((byte >> (state.stop & 7)) & 1) === 1;
}

function stateOf(sample) {
  return isKept(sample) ? "kept" : "dropped";
}

function isShown(sample) {
  return state.classes.has(columns.label[sample]) && state.states.has(stateOf(sample));
}

function shownSamples() {
  const found = [];
  for (let sample = 0; sample < count; sample += 1) if (isShown(sample)) found.push(sample);
  return found;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function thumb(sample) {
  const cell = columns.cell[sample];
  const made = element("span", "thumb");
  if (cell < 0) {
    made.classList.add("blank");
    made.textContent = columns.position[sample];
  } else {
    made.style.setProperty("--column", cell % sprites.columns);
    made.style.setProperty("--row", Math.floor(cell / sprites.columns));
  }
  return made;
}

function rounded(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(4)).toString() : "";
}

function sampleButton(sample) {
  const made = element("button", `sample ${stateOf(sample)}`);
  made.type = "button";
  made.dataset.enlarge = "";
  const said = element("span", "said");
  said.append(
    element("span", "name", data.classes[columns.label[sample]]),
    element("span", "number", columns.position[sample]), " ", element("span", "state", stateOf(sample)),
    element("span", "value", `score ${rounded(columns.score[sample])}`),
  );
  made.append(thumb(sample), said);
  return made;
}

function thousands(number) {
  return number.toLocaleString("en-US");
}
