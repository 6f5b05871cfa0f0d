// The map of pictures: points by WebGL, coloured by a column, selected by lasso, box, numbers or class.

import { call } from "./api.js";
import { count } from "./cells.js";
import { byId, element, isTyping } from "./dom.js";
import { thumbnail } from "./cells.js";
import { MISSING, MapPlot } from "./map-plot.js";
import { Selection, card } from "./selection.js";

const SHOWN = 200;
const RANGES = 6;
const AGAIN_MS = 1500;
const NAME_BYTES = 32;

let about = null;
let names = []; // SHA-256 of each point
let colours = null;
let plot = null;
let round = 0;
const selection = byId("selection") ? new Selection(byId("pictures"), byId("selection")) : null;
if (selection) start();

async function start() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  plot = new MapPlot(byId("plot"), { onSelect: select, onPoint: peek, onOpen: (place) => location.assign(`/pictures/${names[place]}`) });
  byId("colour").addEventListener("change", () => recolour());
  byId("method").addEventListener("change", () => load(byId("method").value, byId("colour").value));
  byId("reset").addEventListener("click", () => plot.reset());
  for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => setMode(button.dataset.mode));
  byId("map-form").addEventListener("submit", (event) => event.preventDefault());
  byId("ranges").addEventListener("submit", (event) => {
    event.preventDefault();
    const [left, right, low, high] = ["x-low", "x-high", "y-low", "y-high"].map((id) => Number(byId(id).value));
    plot.chooseBox(Math.min(left, right), Math.max(left, right), Math.min(low, high), Math.max(low, high));
  });
  byId("take-class").addEventListener("click", () => plot.chooseClass(Number(byId("class").value)));
  document.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const mode = { l: "lasso", b: "select", p: "pan" }[event.key];
    if (mode) setMode(mode);
    else if (event.key === "0") plot.reset();
    else return;
    event.preventDefault();
  });
  document.addEventListener("themechange", () => colours && plot.draw(colours));
  await load(wanted.get("method") ?? "pca", wanted.get("colour"));
  document.body.dataset.ready = "true";
}

function setMode(mode) {
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  plot.setMode(mode);
}

/** Read a map, waiting while the server makes it, and draw it. */
async function load(method, colour) {
  const mine = ++round;
  byId("problem").hidden = true;
  try {
    do {
      about = await call("GET", `/api/v1/map?${new URLSearchParams({ method })}`);
      if (mine !== round) return;
      if (!about.is_ready) {
        byId("progress").textContent = `The server makes the map by ${method.toUpperCase()}; this takes a while …`;
        await new Promise((later) => setTimeout(later, AGAIN_MS));
      }
    } while (!about.is_ready);
    const [x, y] = await readPoints(method);
    if (mine !== round) return;
    plot.setPoints(x, y);
    describe();
    offerRanges(x, y);
    offer(colour);
    byId("map-frame").hidden = byId("ranges").hidden = false;
    await recolour();
    select([]);
  } catch (error) {
    if (mine === round) showProblem(error);
  }
}

async function readPoints(method) {
  const response = await fetch(`/api/v1/map/points?${new URLSearchParams({ method })}`);
  if (!response.ok) throw new Error("The points of the map cannot be read; load the page again");
  if (response.headers.get("X-Map-Key") !== about.key) throw new Error("The map has changed meanwhile; load the page again");
  const body = await response.arrayBuffer();
  const n = about.points;
  const bytes = new Uint8Array(body, 0, NAME_BYTES * n);
  const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  names = Array.from({ length: n }, (_, place) => {
    let name = "";
    for (let at = NAME_BYTES * place; at < NAME_BYTES * (place + 1); at++) name += digits[bytes[at]];
    return name;
  });
  return [new Float32Array(body, NAME_BYTES * n, n), new Float32Array(body, (NAME_BYTES + 4) * n, n)];
}

function describe() {
  const { points, total, method, explained, model_id: model } = about;
  const sample = total > points ? `A random sample of ${count(points)} of ${count(total)} pictures` : `${count(points)} ${points === 1 ? "picture" : "pictures"}`;
  const axes = explained.length ? `; both axes hold ${Math.round(100 * explained.reduce((sum, share) => sum + share, 0))} % of the variance` : "; distances between far groups mean nothing";
  byId("about").textContent = `Pictures that look alike lie together. ${sample}, vectors of ${model}, projected by ${method.toUpperCase()}${axes}.`;
  byId("progress").textContent = total > points ? `Only ${count(points)} of ${count(total)} pictures are shown: a random sample.` : "";
}

function offer(colour) {
  const offered = about.columns.map(({ name }) => name);
  const chosen = offered.includes(colour) ? colour : offered.includes("decision") ? "decision" : offered[0];
  byId("colour").replaceChildren(...offered.map((name) => element("option", { value: name }, name)));
  byId("colour").value = chosen;
  byId("method").replaceChildren(...about.methods.map((name) => element("option", { value: name }, name.toUpperCase())));
  byId("method").value = about.method;
  byId("method-label").hidden = about.methods.length < 2;
}

function offerRanges(x, y) {
  for (const [id, values] of [["x", x], ["y", y]]) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    byId(`${id}-low`).value = Math.floor(low * 10) / 10;
    byId(`${id}-high`).value = Math.ceil(high * 10) / 10;
  }
}

async function recolour() {
  const column = byId("colour").value;
  try {
    const read = await call("GET", `/api/v1/map/colours?${new URLSearchParams({ method: about.method, key: about.key, column })}`);
    if (column !== byId("colour").value) return;
    colours = read.kind === "class" ? read : inRanges(read);
  } catch (error) {
    showProblem(error);
    return;
  }
  byId("by-class").hidden = false;
  byId("class").replaceChildren(...colours.names.map((name, number) => element("option", { value: number }, name)));
  history.replaceState(null, "", `#${new URLSearchParams({ method: about.method, colour: column })}`);
  byId("plot").setAttribute("aria-label", `Map of ${count(names.length)} pictures, coloured by ${column}. Below it pictures are selected by numbers.`);
  await plot.draw(colours);
}

/** Show the pictures of some points, all of them selected. */
function select(places) {
  const chosen = places.map((place) => names[place]);
  selection.offer(chosen, chosen);
  byId("pictures").replaceChildren(...places.slice(0, SHOWN).map((place) => card(selection, names[place], "", `${names[place].slice(0, 12)} · ${valueOf(place)}`)));
  byId("pictures-note").textContent = chosen.length > SHOWN ? `The first ${SHOWN} of ${count(chosen.length)} selected pictures.` : "";
}

function valueOf(place) {
  const exact = colours.numbers?.[place] ?? null;
  return `${colours.column}: ${exact === null ? colours.names[colours.values[place]] : written(exact, colours.kind)}`;
}

function written(number, kind) {
  return kind === "time" ? new Date(1000 * number).toISOString().slice(0, 16).replace("T", " ") : String(number);
}

/** Make classes of numbers: ranges with about equally many pictures each, and those without a number. */
function inRanges({ column, kind, values: numbers }) {
  const sorted = numbers.filter((number) => number !== null).sort((a, b) => a - b);
  const edges = [...new Set(Array.from({ length: RANGES }, (_, range) => sorted[Math.floor((range * sorted.length) / RANGES)]))].filter((edge) => edge !== undefined);
  const rangeOf = (number) => edges.findLastIndex((edge) => edge <= number);
  const largest = edges.map((_, range) => sorted.findLast((number) => rangeOf(number) === range));
  const names = edges.map((edge, range) => (edge === largest[range] ? written(edge, kind) : `${written(edge, kind)} to ${written(largest[range], kind)}`));
  const missing = names.length;
  if (sorted.length < numbers.length) names.push(MISSING);
  return { column, kind, numbers, names, isRamp: true, values: numbers.map((number) => (number === null ? missing : rangeOf(number))) };
}

/** Show the picture under the pointer, away from it; null hides it. */
function peek(place, isLeft) {
  const frame = byId("peek");
  frame.hidden = place === null;
  if (place === null) return;
  frame.classList.toggle("right", isLeft);
  frame.querySelector("img").src = thumbnail(names[place], 160);
  frame.querySelector("p").textContent = `${names[place].slice(0, 12)} · ${valueOf(place)}`;
}

function showProblem({ message }) {
  byId("progress").textContent = "";
  byId("problem").textContent = message[0].toUpperCase() + message.slice(1);
  byId("problem").hidden = false;
}
