// The plot of the map: one trace for each class; points are named by their place in the map.

import { library, look, palette, shade } from "./plot-library.js";

const SYMBOLS = ["circle", "diamond", "triangle-up"];
const RAMP = ["ramp-1", "ramp-2", "ramp-3", "ramp-4", "ramp-5", "ramp-6"];
export const MISSING = "NULL";
const OTHER = "all others";
const TYPE = document.createElement("canvas").getContext("webgl") ? "scattergl" : "scatter"; // without WebGL: slow above some thousands

export class MapPlot {
  #x = new Float32Array();
  #y = new Float32Array();
  #traces = []; // places of the points of each trace
  #mode = "lasso";
  #isBound = false;
  #plotly = null;
  #colours = null;
  #isNew = true;

  constructor(place, { onSelect, onPoint, onOpen }) {
    this.place = place;
    Object.assign(this, { onSelect, onPoint, onOpen });
  }

  setPoints(x, y) {
    [this.#x, this.#y, this.#isNew] = [x, y, true];
  }

  async draw(colours) {
    this.#colours = colours;
    this.#plotly = await library();
    const { traces, places } = this.#figure(colours);
    this.#traces = places;
    const axis = { zeroline: false, title: { text: "" }, automargin: true };
    const kept = this.#isNew ? {} : this.#ranges();
    const layout = { ...look(this.place.clientWidth), margin: { l: 40, r: 10, t: 10, b: 36 }, dragmode: this.#mode, hovermode: "closest", showlegend: true, xaxis: { ...axis, ...kept.x }, yaxis: { ...axis, ...kept.y }, uirevision: "map" };
    layout.legend = { ...layout.legend, itemsizing: "constant" };
    await this.#plotly.react(this.place, traces, layout, { displayModeBar: false, responsive: true, scrollZoom: true, doubleClick: "reset" });
    this.#isNew = false;
    if (!this.#isBound) this.#bind();
  }

  setMode(mode) {
    this.#mode = mode;
    this.#plotly?.relayout(this.place, { dragmode: mode });
  }

  reset() {
    this.#plotly?.relayout(this.place, { "xaxis.autorange": true, "yaxis.autorange": true });
  }

  chooseBox(left, right, low, high) {
    this.#choose((place) => this.#x[place] >= left && this.#x[place] <= right && this.#y[place] >= low && this.#y[place] <= high);
  }

  chooseClass(number) {
    this.#choose((place) => this.#colours.values[place] === number);
  }

  #choose(isChosen) {
    const chosen = this.#traces.map((places) => places.flatMap((place, at) => (isChosen(place) ? [at] : [])));
    this.#plotly.relayout(this.place, { selections: [] });
    this.#plotly.restyle(this.place, { selectedpoints: chosen });
    this.onSelect(chosen.flatMap((listed, trace) => listed.map((at) => this.#traces[trace][at])).sort((a, b) => a - b));
  }

  #ranges() {
    const { xaxis, yaxis } = this.place.layout ?? {};
    return xaxis?.range ? { x: { range: xaxis.range }, y: { range: yaxis.range } } : {};
  }

  #bind() {
    this.#isBound = true;
    const placeOf = ({ curveNumber, pointNumber }) => this.#traces[curveNumber][pointNumber];
    this.place.on("plotly_selected", (event) => event && this.onSelect(event.points.map(placeOf).sort((a, b) => a - b)));
    this.place.on("plotly_deselect", () => this.onSelect([]));
    this.place.on("plotly_click", (event) => event.points.length && this.onOpen(placeOf(event.points[0])));
    this.place.on("plotly_hover", ({ points: [point], event }) => this.onPoint(placeOf(point), event.offsetX < this.place.clientWidth / 2));
    this.place.on("plotly_unhover", () => this.onPoint(null));
  }

  /** Make a trace of each class; all others and missing ones are grey, ranges of numbers have a ramp of colours. */
  #figure({ names, values, isRamp }) {
    const size = Math.max(3, Math.min(9, 14 - 2 * Math.log10(this.#x.length + 1)));
    const places = names.map(() => []);
    values.forEach((value, place) => places[value].push(place));
    const shades = isRamp ? RAMP.map(shade) : palette().slice(0, 5);
    const traces = names.map((name, number) => {
      const isGrey = name === MISSING || name === OTHER;
      const round = Math.floor(number / shades.length);
      const marker = isGrey ? { color: shade("grey"), symbol: "x-thin-open", opacity: 0.5 } : { color: shades[number % shades.length], symbol: SYMBOLS[round % SYMBOLS.length], opacity: 0.75 };
      return { type: TYPE, mode: "markers", name: escaped(name), x: places[number].map((place) => this.#x[place]), y: places[number].map((place) => this.#y[place]), hoverinfo: "none", marker: { size, ...marker }, unselected: { marker: { opacity: 0.12 } } };
    });
    return { places, traces };
  }
}

/** Write a text so that plotly, which knows a few tags, shows it as it is. */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
