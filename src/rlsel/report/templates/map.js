// The map: a canvas that is drawn anew whenever the state changes.

const canvas = document.getElementById("plane");
const pen = canvas.getContext("2d");
const tip = document.getElementById("tip");
const lassoButton = document.getElementById("lasso");
const MARGIN = 14;
const dark = window.matchMedia("(prefers-color-scheme: dark)");

const bounds = {
  left: smallest(columns.across), right: -smallest(columns.across.map((value) => -value)),
  bottom: smallest(columns.up), top: -smallest(columns.up.map((value) => -value)),
};
let lasso = [];

function smallest(values) {
  let least = Infinity;
  for (const value of values) if (value < least) least = value;
  return least;
}

function styleValue(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function classColour(label) {
  if (data.classes.length <= 10) return styleValue(`--hue-${label}`);
  const hue = (label * 137.508) % 360;
  return `hsl(${hue} ${dark.matches ? "62% 68%" : "58% 45%"})`;
}

// Where the values of a column lie between its low and high ends, without the outermost percent on each side.
function shares(values) {
  const ordered = values.filter(Number.isFinite).sort();
  const low = ordered[Math.floor(ordered.length * 0.01)];
  const high = ordered[Math.floor((ordered.length - 1) * 0.99)];
  const span = high > low ? high - low : 1;
  return Array.from(values, (value) => (Number.isFinite(value) ? Math.min(1, Math.max(0, (value - low) / span)) : 0));
}

const COLOURINGS = { class: "class", kept: "kept or dropped", score: "score", distance: "distance to kept", coverage: "E_c", doubt: "suspected label error", other: "the two selections" };
const shareOf = {};

function scaleColour(share) {
  const light = dark.matches ? 28 + 52 * share : 88 - 56 * share;
  return `hsl(221 ${30 + 45 * share}% ${light}%)`;
}

const SCALE_STEPS = 16;

function palette() {
  if (state.colour === "class") return data.classes.map((_, label) => classColour(label));
  if (state.colour === "kept") return [styleValue("--dropped"), styleValue("--accent")];
  if (state.colour === "other") return [styleValue("--dropped"), styleValue("--accent"), styleValue("--hue-1"), styleValue("--hue-2")];
  return Array.from({ length: SCALE_STEPS }, (_, step) => scaleColour(step / (SCALE_STEPS - 1)));
}

function colourIndex(sample) {
  if (state.colour === "class") return columns.label[sample];
  if (state.colour === "kept") return isKept(sample) ? 1 : 0;
  if (state.colour === "other") return (isKept(sample) ? 1 : 0) + 2 * columns.other[sample];
  shareOf[state.colour] ??= shares(columns[state.colour]);
  return Math.round(shareOf[state.colour][sample] * (SCALE_STEPS - 1));
}

// The size of the canvas is asked for once: asking lays the page out.
const size = { width: 0, height: 0 };

function place(sample) {
  const across = (columns.across[sample] - bounds.left) / (bounds.right - bounds.left || 1);
  const up = (columns.up[sample] - bounds.bottom) / (bounds.top - bounds.bottom || 1);
  return [MARGIN + across * (size.width - 2 * MARGIN), MARGIN + (1 - up) * (size.height - 2 * MARGIN)];
}

function fit() {
  size.width = canvas.clientWidth;
  size.height = canvas.clientHeight;
  draw();
}

// However often the state changes, it is drawn once a frame.
let asked = false;

function draw() {
  if (asked) return;
  asked = true;
  window.requestAnimationFrame(() => {
    asked = false;
    drawAll();
  });
}

function drawAll() {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = size.width * ratio;
  canvas.height = size.height * ratio;
  pen.scale(ratio, ratio);
  const radius = count > 10000 ? 1.2 : count > 2000 ? 2 : 3;
  drawSamples(radius);
  if (state.marked >= 0) ring(state.marked, radius + 5);
  if (lasso.length > 1) drawLasso();
}

function drawSamples(radius) {
  const colours = palette();
  const ink = styleValue("--ink");
  // dropped samples first, so that the kept ones are not hidden
  for (const wanted of [false, true]) {
    for (let sample = 0; sample < count; sample += 1) {
      if (isKept(sample) !== wanted || !isShown(sample)) continue;
      const [x, y] = place(sample);
      pen.globalAlpha = wanted ? 0.95 : state.colour === "class" ? 0.3 : 0.65;
      pen.fillStyle = colours[colourIndex(sample)];
      dot(x, y, radius);
      if (state.selected.has(sample)) outlineDot(x, y, radius + 1.5, ink);
    }
  }
  pen.globalAlpha = 1;
}

function dot(x, y, radius) {
  if (radius < 2) {
    pen.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    return;
  }
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fill();
}

function outlineDot(x, y, radius, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.stroke();
}

function ring(sample, radius) {
  const [x, y] = place(sample);
  pen.lineWidth = 2;
  pen.strokeStyle = styleValue("--ink");
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.stroke();
}

function drawLasso() {
  pen.beginPath();
  lasso.forEach(([x, y], number) => (number ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.fillStyle = styleValue("--accent-soft");
  pen.globalAlpha = 0.4;
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = styleValue("--accent");
  pen.lineWidth = 1.5;
  pen.stroke();
}

function inside(polygon, [x, y]) {
  let within = false;
  for (let here = 0, before = polygon.length - 1; here < polygon.length; before = here, here += 1) {
    const [ax, ay] = polygon[here];
    const [bx, by] = polygon[before];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

function nearestSample(x, y) {
  let best = -1;
  let least = 14 ** 2;
  for (let sample = 0; sample < count; sample += 1) {
    const [across, down] = place(sample);
    const squared = (across - x) ** 2 + (down - y) ** 2;
    if (squared < least && isShown(sample)) {
      least = squared;
      best = sample;
    }
  }
  return best;
}

function showTip(sample) {
  tip.hidden = sample < 0;
  if (sample < 0) return;
  const [x, y] = place(sample);
  const button = sampleButton(sample);
  tip.replaceChildren(...(columns.cell[sample] < 0 ? [button.lastChild] : button.childNodes));
  const onRight = x + 150 < size.width;
  tip.style.left = `${onRight ? x + 12 : Math.max(0, x - 144)}px`;
  tip.style.top = `${Math.max(0, Math.min(y - 20, size.height - tip.offsetHeight - 4))}px`;
}

function spot(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function drawing() {
  return lassoButton.getAttribute("aria-pressed") === "true";
}

function setDrawing(on) {
  lassoButton.setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("drawing", on);
}

function mark(sample) {
  if (sample === state.marked) return;
  state.marked = sample;
  draw();
}

canvas.addEventListener("pointerdown", (event) => {
  if (!drawing()) return;
  canvas.setPointerCapture(event.pointerId);
  lasso = [spot(event)];
});

canvas.addEventListener("pointermove", (event) => {
  if (lasso.length) {
    lasso.push(spot(event));
    draw();
    return;
  }
  const sample = nearestSample(...spot(event));
  mark(sample);
  showTip(sample);
});

canvas.addEventListener("pointerup", () => {
  const polygon = lasso;
  lasso = [];
  if (polygon.length > 2) select(shownSamples().filter((sample) => inside(polygon, place(sample))));
});

canvas.addEventListener("pointercancel", () => {
  lasso = [];
  draw();
});

canvas.addEventListener("pointerleave", () => {
  mark(-1);
  showTip(-1);
});

lassoButton.addEventListener("click", () => setDrawing(!drawing()));
// a finger scrolls the page until it is told to draw
setDrawing(window.matchMedia("(pointer: fine)").matches);
dark.addEventListener("change", draw);
window.addEventListener("resize", fit);
fit();
listeners.push(draw);
