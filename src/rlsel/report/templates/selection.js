// What surrounds the map: colours, legend, ratio slider, and the samples that were selected on it.

const MOST_PICTURES = 200;
const slider = document.getElementById("ratio");
const play = document.getElementById("play");

function fillColours() {
  const choice = document.getElementById("colour");
  for (const [name, title] of Object.entries(COLOURINGS)) {
    if (name !== "class" && name !== "kept" && !(name in columns)) continue;
    const option = element("option", "", title);
    option.value = name;
    choice.append(option);
  }
  choice.addEventListener("change", () => {
    state.colour = choice.value;
    changed();
  });
}

// A button that shows or hides samples, with its count.
function entry(holder, label, colour, chosen, key) {
  const button = element("button", "entry");
  button.type = "button";
  button.style.setProperty("--colour", colour);
  button.title = label;
  button.append(element("span", "dot"), element("span", "label", label), element("span", "count"));
  button.addEventListener("click", () => {
    if (!chosen.delete(key)) chosen.add(key);
    changed();
  });
  listeners.push(() => button.setAttribute("aria-pressed", String(chosen.has(key))));
  holder.append(button);
  return button.lastChild;
}

function fillLegend() {
  const states = document.getElementById("states");
  const stateCounts = {
    kept: entry(states, "kept", "var(--accent)", state.states, "kept"),
    dropped: entry(states, "dropped", "var(--dropped)", state.states, "dropped"),
  };
  const sizes = new Array(data.classes.length).fill(0);
  for (const label of columns.label) sizes[label] += 1;
  const holder = document.getElementById("classes-legend");
  const classCounts = data.classes.map((name, label) => (sizes[label] ? entry(holder, name, classColour(label), state.classes, label) : null));
  listeners.push(() => {
    const kept = new Array(data.classes.length).fill(0);
    for (let sample = 0; sample < count; sample += 1) if (isKept(sample)) kept[columns.label[sample]] += 1;
    const all = kept.reduce((sum, some) => sum + some, 0);
    stateCounts.kept.textContent = thousands(all);
    stateCounts.dropped.textContent = thousands(count - all);
    classCounts.forEach((said, label) => {
      if (said !== null) said.textContent = `${thousands(kept[label])} / ${thousands(sizes[label])}`;
    });
  });
}

function chooseClasses(labels) {
  state.classes.clear();
  for (const label of labels) state.classes.add(label);
  changed();
}

function select(samples) {
  state.selected = new Set(samples);
  changed();
}

function showSelection() {
  const chosen = [...state.selected];
  document.getElementById("selection").hidden = chosen.length === 0;
  const some = chosen.length > MOST_PICTURES ? `, the first ${MOST_PICTURES} shown` : "";
  document.getElementById("selection-title").textContent = `${thousands(chosen.length)} selected${some}`;
  const items = chosen.slice(0, MOST_PICTURES).map((sample) => {
    const item = element("li");
    item.append(sampleButton(sample));
    return item;
  });
  document.getElementById("selection-grid").replaceChildren(...items);
}

function download() {
  const positions = Array.from(state.selected, (sample) => columns.position[sample]).sort((a, b) => a - b);
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([positions.join("\n") + "\n"], { type: "text/plain" }));
  link.download = "positions.txt";
  link.click();
  URL.revokeObjectURL(link.href);
}

function saySlider() {
  let kept = 0;
  for (let sample = 0; sample < count; sample += 1) if (isKept(sample)) kept += 1;
  const own = state.stop === data.own ? ", as this run" : "";
  document.getElementById("ratio-said").textContent = `${data.stops[state.stop].toFixed(2)}: ${thousands(kept)} of ${thousands(count)}${own}`;
  slider.value = state.stop;
}

function setUpSlider() {
  slider.addEventListener("input", () => {
    state.stop = Number(slider.value);
    changed();
  });
  let timer = 0;
  const stop = () => {
    window.clearInterval(timer);
    play.setAttribute("aria-pressed", "false");
  };
  play.addEventListener("click", () => {
    if (play.getAttribute("aria-pressed") === "true") return stop();
    play.setAttribute("aria-pressed", "true");
    if (state.stop === data.stops.length - 1) state.stop = -1;
    timer = window.setInterval(() => {
      state.stop += 1;
      changed();
      if (state.stop >= data.stops.length - 1) stop();
    }, 160);
  });
  listeners.push(saySlider);
}

fillColours();
fillLegend();
if (slider !== null) setUpSlider();
document.getElementById("all-classes").addEventListener("click", () => chooseClasses(data.classes.keys()));
document.getElementById("no-class").addEventListener("click", () => chooseClasses([]));
document.getElementById("select-shown").addEventListener("click", () => select(shownSamples()));
document.getElementById("select-none").addEventListener("click", () => select([]));
document.getElementById("download").addEventListener("click", download);
let pictured = null;
listeners.push(() => {
  // the pictures are made anew only for another selection
  if (pictured === state.selected) return;
  pictured = state.selected;
  showSelection();
});
changed();
