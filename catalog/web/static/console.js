// The console: puts the parts together.

import * as api from "./api.js";
import { fragment, fromAddress } from "./address.js";
import { count, pictureColumns } from "./cells.js";
import { Chart } from "./chart.js";
import { drawColumns } from "./columns.js";
import { byId, copy, element, isTyping, say, tabs } from "./dom.js";
import { Editor } from "./editor.js";
import { Facets } from "./facets.js";
import { drawGallery } from "./gallery.js";
import { Grid } from "./grid.js";
import { History } from "./history.js";
import { Parameters } from "./parameters.js";
import { Questions } from "./questions.js";
import { Runner } from "./runner.js";
import { Selection } from "./selection.js";
import { Tree } from "./tree.js";
import { Completer } from "./completer.js";

const START = "SELECT asset_sha256, title, camera, f_number, iso, exposure_time\nFROM v_photos\nORDER BY fetched_at DESC\nLIMIT 100";
const FORMATS = { csv: "CSV", json: "JSON", parquet: "Parquet", arrow: "Arrow" };
const DRAFT = "safelight.draft";

let current = null; // the query whose result is shown
let wantedChart = null; // the chart of a link, until its query has run
let drawn = new Set(); // tabs of this result that are drawn

const completer = new Completer();
const runner = new Runner();
const parameters = new Parameters(() => run());
const editor = new Editor(byId("editor"), completer, (sql) => {
  parameters.show(sql);
  localStorage.setItem(DRAFT, sql);
});
const tree = new Tree(byId("tree"), byId("find-table"), (name) => editor.insert(name));
const grid = new Grid(showProblem);
const chart = new Chart(() => writeAddress());
const history = new History((entry) => {
  parameters.set(entry.parameters ?? {});
  take(entry.sql, entry.asOf);
});
const questions = new Questions(
  (question) => {
    const about = question.parameters.map(({ name, about: meaning }) => [name, meaning]);
    const given = question.parameters.filter((each) => each.default !== null && each.default !== undefined);
    parameters.set(Object.fromEntries(given.map((each) => [each.name, each.default])), Object.fromEntries(about));
    take(question.sql);
    parameters.show(question.sql);
    const empty = Object.entries(parameters.values()).find(([, value]) => value === null);
    if (question.own && empty) {
      byId(`parameter-${empty[0]}`).focus();
      say(`Fill in $${empty[0]}, then run`);
    } else run();
  },
  (listed) => completer.setQuestions(listed),
);
const selection = new Selection(byId("pictures"), byId("selection"));
const facets = new Facets((sql) => {
  editor.text = sql;
  run();
});
tabs(byId("browser-tabs"));
const showTab = tabs(byId("result-tabs"), (name) => drawTab(name));

function take(sql, asOf) {
  editor.text = sql;
  if (asOf !== undefined) byId("as-of").value = asOf ?? "";
  byId("browser").classList.remove("open");
  byId("browse").setAttribute("aria-expanded", "false");
  editor.focus();
}

async function run() {
  const sql = editor.text.trim();
  if (!sql) return;
  const asOf = byId("as-of").value;
  const values = parameters.values();
  const request = { sql };
  if (asOf) request.as_of = Number(asOf);
  if (Object.keys(values).length) request.parameters = values;
  clearProblem();
  let query;
  try {
    query = await runner.run(request);
  } catch (error) {
    history.add({ sql, asOf, parameters: values, state: "refused" });
    byId("status").textContent = "";
    byId("answer").hidden = true;
    showProblem(error);
    return;
  }
  if (!query) return;
  history.add({ sql, asOf, parameters: values, state: query.state, n_rows: query.n_rows, duration_ms: query.duration_ms });
  if (query.state === "done") await showResult(query, sql);
  else showEnd(query);
}

async function showResult(query, sql) {
  current = query;
  drawn = new Set();
  byId("blank").hidden = true;
  byId("answer").hidden = false;
  const cut = query.truncated ? `, cut at the limit of ${count(query.n_rows)}: the query finds more` : "";
  byId("status").textContent = `${count(query.n_rows)} ${Number(query.n_rows) === 1 ? "row" : "rows"}${cut} · ${duration(query.duration_ms)} · snapshot ${query.snapshot_id}`;
  byId("status").classList.toggle("cut", Boolean(query.truncated));
  const hasPictures = pictureColumns(query.columns).length > 0;
  byId("tab-pictures").hidden = !hasPictures;
  byId("export").replaceChildren(...Object.entries(FORMATS).map(([format, name]) => element("a", { href: api.resultAddress(query.query_id, format), download: `safelight.${format}` }, name)));
  chart.offer(query, wantedChart);
  const chosen = wantedChart ? "chart" : shownTab();
  wantedChart = null;
  showTab(chosen === "pictures" && !hasPictures ? "rows" : chosen);
  writeAddress();
  await facets.offer(query, sql);
}

function shownTab() {
  return document.querySelector("#result-tabs [aria-selected=true]").dataset.tab;
}

async function drawTab(name) {
  if (!current || drawn.has(name)) return;
  drawn.add(name);
  try {
    if (name === "rows") await grid.show(current);
    else if (name === "pictures") await drawGallery(current, selection);
    else if (name === "chart") await chart.draw();
    else await drawColumns(current);
    if (name === "chart") writeAddress();
  } catch (error) {
    drawn.delete(name);
    showProblem(error);
  }
}

function showEnd({ state, error, duration_ms: took, limits }) {
  byId("answer").hidden = true;
  const text = {
    cancelled: `Cancelled after ${duration(took)}.`,
    timed_out: `Stopped at the limit of ${limits?.timeout_s ?? "?"} s. Narrow it with WHERE, or aggregate.`,
  }[state];
  byId("status").textContent = text ?? "";
  if (!text) showProblem({ message: error ?? "The query failed." });
}

function showProblem({ message }) {
  byId("problem").textContent = message;
  byId("problem").hidden = false;
}

function clearProblem() {
  byId("problem").hidden = true;
  byId("status").classList.remove("cut");
}

function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function address() {
  const isChart = shownTab() === "chart";
  return fragment({ sql: editor.text, asOf: byId("as-of").value, parameters: parameters.values(), chart: isChart ? chart.choice : null });
}

function writeAddress() {
  window.history.replaceState(null, "", `/${address()}`);
}

function listSnapshots(listed) {
  const chosen = byId("as-of").value;
  const options = listed.map((each) => {
    const at = String(each.at).slice(0, 16).replace("T", " ");
    return element("option", { value: each.snapshot_id }, `${each.snapshot_id} · ${at} · ${(each.message ?? "").slice(0, 60)}`);
  });
  byId("as-of").append(...options);
  byId("as-of").value = chosen;
}

function describeLimits({ limits: limits }) {
  const parts = [`${limits.timeout_s} s`, `${count(limits.max_rows)} rows`];
  parts.push(`${count(limits.memory_mb)} MB`);
  byId("limits").textContent = `limits: ${parts.join(", ")}`;
}

function welcome(tables) {
  const examples = [
    ["The newest pictures", START],
    ["How far pictures came", "SELECT * FROM v_funnel"],
    ["Pictures by camera", "SELECT camera, count(*) AS n, median(iso) AS median_iso\nFROM v_photos\nGROUP BY camera\nORDER BY n DESC"],
    ["Groups of duplicates", "SELECT asset_sha256, group_id, is_keeper, method, similarity, keeper\nFROM v_duplicates\nORDER BY members DESC, group_id, NOT is_keeper\nLIMIT 100"],
  ];
  const items = examples.map(([name, sql]) => element("li", {}, element("button", { type: "button", class: "link", click: () => { take(sql); run(); } }, name)));
  byId("blank").replaceChildren(
    element("p", {}, `${tables.length} tables and views. Write a query and press Ctrl ↵, or begin with one of these:`),
    element("ul", {}, ...items),
  );
}

async function load() {
  const parts = [
    api.schema().then((listed) => {
      completer.setSchema(listed);
      tree.tables = listed;
      if (!current) welcome(listed);
    }),
    api.snapshots().then(listSnapshots),
    api.limits().then(describeLimits),
    questions.load(),
  ];
  const ends = await Promise.allSettled(parts);
  const failed = ends.find(({ status }) => status === "rejected");
  if (failed) showProblem(failed.reason);
}

function bind() {
  byId("run").addEventListener("click", run);
  byId("cancel").addEventListener("click", () => runner.cancel());
  byId("share").addEventListener("click", () => copy(new URL(`/${address()}`, location.href).href, "Copied the link"));
  byId("save").addEventListener("click", () => questions.ask(editor.text));
  byId("browse").addEventListener("click", () => {
    const isOpen = byId("browser").classList.toggle("open");
    byId("browse").setAttribute("aria-expanded", String(isOpen));
  });
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
    else if (event.key === "Escape" && runner.isRunning) runner.cancel();
    else if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "e") editor.focus();
    else if (event.key === "/") find();
    else if (event.key === "r" && current) grid.focus();
    else if (event.key === "f" && current) byId("toggle-facets").click();
    else if (event.key === "[") grid.turn(-1);
    else if (event.key === "]") grid.turn(1);
    else return;
    event.preventDefault();
  });
  window.addEventListener("hashchange", () => open(fromAddress(location)));
}

function find() {
  byId("browser").classList.add("open");
  byId("browse").setAttribute("aria-expanded", "true");
  byId("tab-tables").click();
  byId("find-table").focus();
}

/** Open a query of an address: it runs at once, because a query cannot change anything. */
async function open(link) {
  parameters.set(link.parameters);
  editor.text = link.sql || (localStorage.getItem(DRAFT) ?? START);
  wantedChart = link.chart;
  if (link.asOf && ![...byId("as-of").options].some(({ value }) => value === link.asOf)) {
    byId("as-of").append(element("option", { value: link.asOf }, link.asOf));
  }
  byId("as-of").value = link.asOf;
  if (link.sql) await run();
}

bind();
const loading = load();
const link = fromAddress(location);
if (link.asOf) await loading;
await open(link);
if (!link.sql) editor.focus();
document.body.dataset.ready = "true";
