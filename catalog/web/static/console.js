// The console: puts the parts together.

import * as api from "./api.js";
import { fragment, fromAddress } from "./address.js";
import { count, pictureColumns } from "./cells.js";
import { Chart } from "./chart.js";
import { drawColumns } from "./columns.js";
import { byId, copy, element, isTyping, say, tabs } from "./dom.js";
import { Editor } from "./editor.js";
import { drawGallery } from "./gallery.js";
import { Grid } from "./grid.js";
import { History } from "./history.js";
import { Parameters } from "./parameters.js";
import { Questions } from "./questions.js";
import { Runner } from "./runner.js";
import { Tree } from "./tree.js";
import { Words } from "./words.js";

const START = "SELECT asset_sha256, title, camera, f_number, iso, exposure_time\nFROM v_photos\nORDER BY fetched_at DESC\nLIMIT 100";
const FORMATS = { csv: "CSV", json: "JSON", parquet: "Parquet", arrow: "Arrow" };
const DRAFT = "safelight.draft";

let current = null; // the query whose result is shown
let wantedChart = null; // the chart of a link, until its query has run
let drawn = new Set(); // tabs of this result that are drawn

const words = new Words();
const runner = new Runner();
const parameters = new Parameters(() => run());
const editor = new Editor(byId("editor"), words, (sql) => {
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
  (listed) => words.setQuestions(listed),
);
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
  const asked = { sql };
  if (asOf) asked.as_of = Number(asOf);
  if (Object.keys(values).length) asked.parameters = values;
  clearProblem();
  let found;
  try {
    found = await runner.run(asked);
  } catch (error) {
    history.add({ sql, asOf, parameters: values, state: "refused" });
    byId("status").textContent = "";
    byId("answer").hidden = true;
    showProblem(error);
    return;
  }
  if (!found) return;
  history.add({ sql, asOf, parameters: values, state: found.state, n_rows: found.n_rows, duration_ms: found.duration_ms });
  if (found.state === "done") await showResult(found);
  else showEnd(found);
}

async function showResult(query) {
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
}

function shownTab() {
  return document.querySelector("#result-tabs [aria-selected=true]").dataset.tab;
}

async function drawTab(name) {
  if (!current || drawn.has(name)) return;
  drawn.add(name);
  try {
    if (name === "rows") await grid.show(current);
    else if (name === "pictures") await drawGallery(current);
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
  const said = {
    cancelled: `Cancelled after ${duration(took)}.`,
    timed_out: `Stopped at the limit of ${limits?.timeout_s ?? "?"} s. Narrow it with WHERE, or aggregate.`,
  }[state];
  byId("status").textContent = said ?? "";
  if (!said) showProblem({ message: error ?? "The query failed." });
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

function describeLimits({ limits: found }) {
  const parts = [`${found.timeout_s} s`, `${count(found.max_rows)} rows`];
  parts.push(`${count(found.memory_mb)} MB`);
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
      words.setSchema(listed);
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

/** Open a query of an address: it runs at once, as nothing that it can do changes anything. */
async function open(asked) {
  parameters.set(asked.parameters);
  editor.text = asked.sql || (localStorage.getItem(DRAFT) ?? START);
  wantedChart = asked.chart;
  if (asked.asOf && ![...byId("as-of").options].some(({ value }) => value === asked.asOf)) {
    byId("as-of").append(element("option", { value: asked.asOf }, asked.asOf));
  }
  byId("as-of").value = asked.asOf;
  if (asked.sql) await run();
}

bind();
const loading = load();
const asked = fromAddress(location);
if (asked.asOf) await loading;
await open(asked);
if (!asked.sql) editor.focus();
document.body.dataset.ready = "true";
