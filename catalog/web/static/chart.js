// Charts of a result: plotly draws, this file chooses the columns. plotly is loaded with the first chart.

import { rows } from "./api.js";
import { count, kindOf, pictureColumns } from "./cells.js";
import { byId, element } from "./dom.js";
import { library, look, palette } from "./plot-library.js";

const MOST = 10_000;
const KINDS = ["bar", "line", "scatter", "histogram", "box"];
const FEW = 24;
const FEW_COLOURS = 6;

export class Chart {
  #form = byId("chart-form");
  #place = byId("chart");
  #query = null;
  #rows = null;
  #isChosen = false; // by a link or by hand: then the rows no longer decide
  #kind;
  #x;
  #y;
  #colour;

  constructor(onChange) {
    this.onChange = onChange;
    this.#kind = select("Chart", KINDS);
    this.#x = select("x", []);
    this.#y = select("y", []);
    this.#colour = select("Colour", []);
    this.#form.append(...[this.#kind, this.#x, this.#y, this.#colour].map((each) => each.parentElement));
    this.#form.addEventListener("change", () => {
      this.#isChosen = true;
      this.onChange(this.choice);
      this.draw();
    });
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("themechange", () => this.#place.checkVisibility() && this.draw());
  }

  get choice() {
    return { kind: this.#kind.value, x: this.#x.value, y: this.#y.value, colour: this.#colour.value };
  }

  /** Offer the columns of another query; `preset` is a choice from a link; without it the rows decide once they are there. */
  offer(query, preset) {
    this.#query = query;
    this.#rows = null;
    this.#isChosen = Boolean(preset);
    this.#choose({ ...suggest(query.columns), ...preset });
  }

  #choose(choice) {
    const names = this.#query.columns.map(({ name }) => name);
    fill(this.#x, names, choice.x);
    fill(this.#y, ["", ...names], choice.y);
    fill(this.#colour, ["", ...names], choice.colour);
    this.#kind.value = KINDS.includes(choice.kind) ? choice.kind : "bar";
  }

  async draw() {
    const query = this.#query;
    if (!query || !query.columns.length) return;
    try {
      const [plotly] = await Promise.all([library(), this.#load()]);
      if (query !== this.#query) return;
      if (!this.#isChosen) this.#choose(suggest(query.columns, this.#rows));
      this.#isChosen = true;
      const { traces, layout } = figure(this.choice, query.columns, this.#rows);
      this.#place.setAttribute("aria-label", description(this.choice));
      await plotly.react(this.#place, traces, { ...layout, ...look(this.#place.clientWidth) }, { displayModeBar: false, responsive: true });
      byId("chart-note").textContent = Number(query.n_rows) > MOST ? `Drawn from the first ${count(MOST)} of ${count(query.n_rows)} rows: let SQL aggregate the rest.` : "";
    } catch (error) {
      byId("chart-note").textContent = error.message;
    }
  }

  async #load() {
    if (this.#rows) return;
    const { query_id: id, n_rows: total } = this.#query;
    const loaded = [];
    while (loaded.length < Math.min(Number(total), MOST)) {
      const page = await rows(id, { offset: loaded.length, limit: 1000 });
      if (!page.rows.length) break;
      loaded.push(...page.rows);
    }
    this.#rows = loaded;
  }
}

/** Choose a chart that suits the column types, and the rows once they are there. */
export function suggest(columns, listed = []) {
  const of = (kind) => columns.filter((column) => kindOf(column) === kind).map(({ name }) => name);
  const [numbers, times, categories] = [of("number"), of("time"), of("category").filter((name) => !name.endsWith("sha256"))];
  const isRaw = areRaw(columns, listed);
  const colour = isRaw ? (categories.find((name) => isShortList(columns, listed, name)) ?? "") : "";
  if (isRaw && numbers.length > 1) return { kind: "scatter", x: numbers[0], y: numbers[1], colour };
  if (isRaw && times.length && numbers.length) return { kind: "scatter", x: times[0], y: numbers[0], colour };
  if (isRaw && numbers.length) return { kind: "histogram", x: numbers[0], y: "", colour };
  if (times.length && numbers.length) return { kind: "line", x: times[0], y: numbers[0], colour: categories[0] ?? colour };
  if (categories.length && numbers.length) return { kind: "bar", x: categories[0], y: numbers[0], colour: categories[1] ?? colour };
  if (numbers.length > 1) return { kind: "scatter", x: numbers[0], y: numbers[1], colour };
  return { kind: "histogram", x: numbers[0] ?? categories[0] ?? columns[0]?.name, y: "", colour };
}

/** Say whether rows are single pictures and the like, and not one row for each category: a bar for each would say nothing. */
function areRaw(columns, listed) {
  if (pictureColumns(columns).length || columns.some(({ name }) => name === "photo_id" || name === "face_id")) return true;
  const places = columns.flatMap((column, place) => (kindOf(column) === "number" ? [] : [place]));
  if (!places.length) return false;
  return new Set(listed.map((row) => JSON.stringify(places.map((place) => row[place])))).size < listed.length;
}

function isShortList(columns, listed, name) {
  const place = columns.findIndex((column) => column.name === name);
  const n = new Set(listed.map((row) => JSON.stringify(row[place]))).size;
  return n > 1 && n <= FEW_COLOURS;
}

function figure({ kind, x, y, colour }, columns, listed) {
  const place = Object.fromEntries(columns.map(({ name }, each) => [name, each]));
  const read = (row, name) => {
    const value = row[place[name]];
    if (value === null || value === undefined) return null;
    if (kindOf(columns[place[name]]) === "number") return Number(value);
    return typeof value === "object" ? JSON.stringify(value) : value;
  };
  const groups = new Map();
  for (const row of listed) {
    const key = colour ? String(read(row, colour) ?? "NULL") : "";
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  const shades = palette();
  const traces = [...groups].slice(0, FEW).map(([name, group], number) => {
    const ys = y && place[y] !== undefined ? group.map((row) => read(row, y)) : null;
    const xs = group.map((row) => read(row, x) ?? (kind === "bar" || kind === "box" ? "NULL" : null));
    return { name, ...trace(kind, xs, ys), marker: { color: shades[number % shades.length], size: 6, opacity: kind === "scatter" ? 0.7 : 1 } };
  });
  const isTime = kindOf(columns[place[x]]) === "time";
  const type = kindOf(columns[place[x]]) === "category" ? "category" : isTime ? "date" : "-";
  return { traces, layout: { xaxis: { title: { text: x }, type, automargin: true }, yaxis: { title: { text: kind === "histogram" ? "rows" : y || "rows" }, automargin: true }, showlegend: Boolean(colour), barmode: kind === "histogram" ? "overlay" : "group" } };
}

function trace(kind, xs, ys) {
  if (kind === "histogram") return { type: "histogram", x: xs, opacity: 0.85 };
  if (kind === "box") return ys ? { type: "box", x: xs, y: ys } : { type: "box", y: xs };
  if (!ys) return { type: "histogram", x: xs };
  if (kind === "bar") return { type: "bar", x: xs, y: ys };
  return { type: "scatter", mode: kind === "line" ? "lines+markers" : "markers", x: xs, y: ys };
}

function description({ kind, x, y, colour }) {
  return `${kind} of ${y ? `${y} by ` : ""}${x}${colour ? `, coloured by ${colour}` : ""}; the tab Rows has the numbers`;
}

function select(label, names) {
  const made = element("select", {}, ...names.map((name) => element("option", { value: name }, name)));
  element("label", {}, `${label} `, made);
  return made;
}

function fill(field, names, chosen) {
  field.replaceChildren(...names.map((name) => element("option", { value: name }, name || "(none)")));
  field.value = names.includes(chosen) ? chosen : names[0];
}
