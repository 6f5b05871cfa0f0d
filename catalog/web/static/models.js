// Curves and calibration of one model, or the curves of two: the numbers come from the API, plotly draws them.

import { call } from "./api.js";
import { byId, element, isTyping } from "./dom.js";
import { library, look, shade } from "./plot-library.js";

const NAMES = { train_loss: "training", validation_loss: "validation", learning_rate: "learning rate" };
const DASHES = { train_loss: "dot", validation_loss: "solid", learning_rate: "solid" };
const HEIGHT_PX = 300;
const place = document.querySelector("[data-model]");
const drawn = [];
start();

document.addEventListener("keydown", (event) => {
  if (event.key !== "c" || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  byId("other")?.focus();
  event.preventDefault();
});

async function start() {
  const squares = [...document.querySelectorAll("[data-plot=calibration]")];
  if (!place && !squares.length) return;
  const note = document.querySelector("[data-note]");
  try {
    const path = place ? addressOf(place.dataset) : location.pathname;
    const [content] = await Promise.all([call("GET", `/api${path}`), library()]);
    const curves = Array.isArray(content.curves) ? content.curves : [content.curves].filter(Boolean);
    for (const target of place?.querySelectorAll("[data-plot]") ?? []) drawn.push([target, () => history(target.dataset.plot, curves)]);
    for (const target of squares) drawn.push([target, () => calibration(content.calibrations.find(({ task }) => task === target.dataset.task))]);
    draw();
    document.addEventListener("themechange", draw);
    document.body.dataset.ready = "";
  } catch (error) {
    if (note) note.textContent = error.message;
    else squares[0].after(element("p", { class: "soft" }, error.message));
  }
}

function addressOf({ model, other }) {
  const first = `/models/${encodeURIComponent(model)}`;
  return other ? `${first}/compare/${encodeURIComponent(other)}` : first;
}

function draw() {
  for (const [target, make] of drawn) {
    const { traces, layout } = make();
    const given = look(target.clientWidth);
    const legend = { orientation: "h", y: 1.16, x: 0 };
    window.Plotly.react(target, traces, { ...given, ...layout, legend, height: HEIGHT_PX, margin: { ...given.margin, t: 34 } }, { displayModeBar: false, responsive: true });
  }
}

/** The losses, or the learning rates, of one model or of A and B; a point is filled where the weights come from. */
function history(kind, curves) {
  const wanted = kind === "rate" ? ["learning_rate"] : ["train_loss", "validation_loss"];
  const traces = curves.flatMap((one, number) =>
    wanted
      .filter((name) => one.columns[name])
      .map((name) => ({
        type: "scatter",
        mode: one.epochs.length > 60 ? "lines" : "lines+markers",
        name: curves.length > 1 ? `${"AB"[number]} ${NAMES[name]}` : NAMES[name],
        x: one.epochs,
        y: one.columns[name],
        line: { color: colourOf(name, number, curves.length), dash: DASHES[name], width: 2 },
        marker: { size: one.epochs.map((epoch) => (epoch === one.best_epoch && name === "validation_loss" ? 10 : 5)) },
      })),
  );
  return { traces, layout: { xaxis: { title: { text: "epoch" }, automargin: true }, yaxis: { title: { text: kind === "rate" ? "learning rate" : "loss" }, exponentformat: "e", automargin: true }, showlegend: traces.length > 1 } };
}

function colourOf(name, number, count) {
  const second = count > 1 ? number === 1 : name === "validation_loss";
  return shade(second ? "chart-1" : "chart-2");
}

function calibration(one) {
  const share = { tickformat: ".0%", range: [-0.02, 1.04], automargin: true };
  const ideal = { type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], hoverinfo: "skip", line: { color: shade("grey"), dash: "dot", width: 1.4 } };
  const bins = one.bins;
  const points = {
    type: "scatter",
    mode: "lines+markers",
    x: bins.map(({ confidence }) => confidence),
    y: bins.map(({ right }) => right),
    text: bins.map(({ pictures }) => `${pictures} pictures`),
    marker: { size: bins.map(({ pictures }) => 5 + 3 * Math.log2(1 + pictures / 8)) },
    line: { color: shade("chart-1"), width: 2 },
  };
  return { traces: [ideal, points], layout: { title: { text: one.title.replaceAll("<", "&lt;"), font: { size: 13 }, x: 0.02 }, xaxis: { title: { text: "confidence" }, ...share }, yaxis: { title: { text: "share right" }, ...share }, showlegend: false } };
}
