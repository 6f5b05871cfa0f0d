// One queue of the review: an item at a time, decided by keyboard. Every decision can be undone.

import { decide, reviewItems, reviewOverview, undoDecision } from "./api.js";
import { byId, element, isTyping, say } from "./dom.js";
import { Stage, preload } from "./review-stage.js";

const AHEAD = 3;
const PAGE = 6;
const main = byId("main");
const { queue, shows } = main.dataset;
const isSample = shows === "sample";
const address = new URLSearchParams(location.search);
const selection = isSample ? { seed: address.get("seed") ?? main.dataset.seed, size: address.get("size") ?? "100" } : { only: address.get("only") ?? "" };

const VIEWS = [
  { key: "1", name: "Side by side", view: "side" },
  { key: "2", name: "Flicker", view: "flicker" },
  { key: "3", name: "Difference", view: "difference" },
];
const JUDGE = [
  { key: "r", shown: "Enter", name: "Right", run: () => settle("right", "Right"), primary: true },
  { key: "w", name: "Wrong", run: () => settle("wrong", "Wrong") },
];
const PICTURE = [
  { key: "r", shown: "Enter", name: "Finding is right", run: () => settle("right", "Right"), primary: true },
  { key: "w", name: "Finding is wrong", run: () => settle("wrong", "Wrong") },
  { key: "k", name: "Keep picture", run: () => settle("keep", "Kept", [anchor()]) },
  { key: "d", name: "Drop picture", run: () => settle("drop", "Dropped", [anchor()]) },
];
const ACTIONS = {
  sample: JUDGE,
  group: [
    { key: "a", shown: "Enter", name: "Accept", run: () => settle("right", "Accepted"), primary: true },
    { key: "x", name: "Mark", run: mark },
    { key: "s", name: "Take out", run: split },
    { key: "k", name: "Make keeper", run: makeKeeper },
    { key: "m", name: "Merge", run: merge },
  ],
  bridge: [
    { key: "a", shown: "Enter", name: "Leave apart", run: () => settle("right", "Left apart"), primary: true },
    { key: "m", name: "Merge: one photograph", run: () => settle("merge", "Merged") },
  ],
  finding: PICTURE,
  issue: PICTURE,
}[shows];
const WALK = [
  { key: "n", name: "Skip", run: () => go(place + 1) },
  { key: "p", name: "Back", run: () => go(place - 1) },
  { key: "u", name: "Undo", run: undo },
];

const stage = new Stage();
let items = [];
let place = 0;
let isEnd = false;
let round = 0; // counts the restarts of the list
let loading = null;
let last = null;
let busy = false;
let marked = new Set();

const current = () => items[place] ?? null;
const anchor = () => current().pictures[0].sha256;

/* loading and deciding */

async function start() {
  const mine = ++round;
  items = [];
  place = 0;
  isEnd = false;
  loading = null;
  await fill();
  if (mine === round) draw();
}

/** Fetch until enough items lie ahead, one request at a time. */
async function fill() {
  const mine = round;
  while (mine === round && !isEnd && items.length - place <= AHEAD) {
    loading ??= fetchMore(mine).finally(() => mine === round && (loading = null));
    await loading;
  }
}

async function fetchMore(mine) {
  const after = items.at(-1)?.item ?? "";
  const page = await reviewItems(queue, { ...selection, after, limit: PAGE, everything: byId("everything").checked });
  if (mine !== round) return; // the list was started anew meanwhile
  isEnd = page.is_end;
  const present = new Set(items.map(({ item }) => item));
  items.push(...page.items.filter(({ item }) => !present.has(item)));
  showProgress(page);
}

async function go(to) {
  if (to < 0 || to > items.length) return;
  place = to;
  if (place >= items.length && !isEnd) await attempt(fill);
  draw();
  attempt(fill);
}

async function settle(kind, message, pictures = []) {
  if (await send(kind, pictures, message)) await go(place + 1);
}

/** Send one decision; returns whether it was recorded. */
async function send(kind, pictures, message) {
  const item = current();
  if (!item) return false;
  if (busy) return Boolean(say("The last decision is still being saved"));
  busy = true;
  const sent = { queue, item: item.item, kind, pictures, ...(isSample ? { seed: Number(selection.seed), size: Number(selection.size) } : { only: selection.only }) };
  const progress = await attempt(() => decide(sent));
  busy = false;
  if (!progress) return false;
  Object.assign(item, { decisions: progress.decisions, is_closed: progress.is_closed });
  showProgress(progress);
  say(message);
  return true;
}

async function undo(decision = last) {
  if (!decision || busy) return say("Nothing of yours to undo here");
  busy = true;
  const progress = await attempt(() => undoDecision(queue, decision.decision_id, selection));
  busy = false;
  if (!progress) return undefined;
  showProgress(progress);
  say(`Taken back: ${decision.kind}`);
  const at = items.findIndex((item) => item.decisions.some((each) => each.decision_id === decision.decision_id));
  if (at < 0) return start(); // it was decided before this page was loaded
  const item = items[at];
  item.decisions = item.decisions.filter((each) => each.decision_id !== decision.decision_id);
  item.is_closed = item.decisions.some(({ kind }) => kind !== "keeper");
  return go(at);
}

function mark() {
  const { sha256, role } = stage.picture;
  if (role !== "copy" && role !== "keeper") return say("Only pictures of the group can be taken out");
  if (!marked.delete(sha256)) marked.add(sha256);
  stage.mark(marked);
  return say(marked.size ? `${marked.size} marked: s takes them out` : "Nothing marked");
}

function split() {
  if (!marked.size && stage.picture.role !== "copy") return say("Choose a copy first");
  const out = marked.size ? [...marked] : [stage.picture.sha256];
  return settle("split", `${out.length} taken out of the group`, out);
}

async function makeKeeper() {
  const { role, sha256 } = stage.picture;
  if (role !== "copy") return say("Choose a copy first");
  if (await send("keeper", [sha256], "This one is kept")) drawKnown();
  return undefined;
}

function merge() {
  if (stage.picture.role !== "neighbour") return say("Choose a neighbour first: a picture of the same scene outside of the group");
  return settle("merge", "Merged", [stage.picture.sha256]);
}

async function attempt(work) {
  byId("problem").hidden = true;
  try {
    return await work();
  } catch (error) {
    byId("problem").textContent = error.message;
    byId("problem").hidden = false;
    return null;
  }
}

/* what is shown */

function draw() {
  const item = current();
  byId("item").hidden = !item;
  byId("blank").hidden = Boolean(item);
  for (const button of document.querySelectorAll("#acts [data-needs-item]")) button.disabled = !item;
  if (!item) return drawEnd();
  marked = new Set();
  stage.show(item, marked, drawKnown);
  items.slice(place + 1, place + 3).forEach(preload);
  return undefined;
}

function drawEnd() {
  const text = byId("progress").dataset.total === "0" ? "This queue is empty." : "Nothing more is open here.";
  byId("blank").replaceChildren(element("p", {}, text), element("p", {}, element("a", { href: "/review" }, "All queues")));
}

function drawKnown() {
  const item = current();
  const chosen = stage.picture;
  byId("title").textContent = item.title;
  byId("made").replaceChildren(...item.decisions.map(drawDecision));
  byId("findings").replaceChildren(...(item.findings ?? []).map(drawFinding));
  const tied = chosen.tie?.length ? chosen.tie : [];
  const to = item.pictures.find(({ sha256 }) => sha256 === chosen.tied_to);
  byId("tie-title").textContent = tied.length ? (to?.role === "keeper" ? "Compared with the keeper" : "Tied to the group by another copy") : "";
  byId("tie").replaceChildren(...pairs(tied));
  drawFacts(item.pictures[0], chosen);
  stage.mark(marked);
}

function drawDecision(made) {
  const button = element("button", { type: "button", class: "link", click: () => undo(made) }, "undo");
  return element("p", { class: "verdict good" }, element("b", {}, made.kind), ` by ${made.decided_by} `, button);
}

function drawFinding({ decision, reason, setting, said: facts }) {
  const head = element("p", {}, element("b", { class: `tag ${decision === "void" || decision === "drop" ? "drop" : ""}` }, decision), ` ${reason}`);
  if (setting) head.append(element("span", { class: "soft" }, ` of ${setting}`));
  return element("section", { class: "finding" }, head, element("dl", { class: "tie" }, ...pairs(facts)));
}

function pairs(facts) {
  return facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

function drawFacts(left, right) {
  const isOne = left.sha256 === right.sha256;
  const names = [...new Set([...left.facts, ...right.facts].map(([name]) => name))];
  const value = (picture, name) => picture.facts.filter(([each]) => each === name).map(([, text]) => text).join(", ");
  const rows = names.map((name) => {
    const one = value(left, name);
    const other = value(right, name);
    const cells = isOne ? [one] : [one, other];
    return element("tr", { class: !isOne && one !== other ? "differs" : null }, element("th", { scope: "row" }, name), ...cells.map((text) => element("td", {}, text)));
  });
  const heads = isOne ? [left.role] : [left.role, right.role];
  const head = element("tr", {}, element("td", {}), ...heads.map((text) => element("th", { scope: "col" }, text)));
  byId("facts").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}

function showProgress(progress) {
  last = progress.last;
  byId("progress").textContent = isSample ? `${(progress.total - progress.open).toLocaleString("en")} of ${progress.total.toLocaleString("en")} judged` : `${progress.open.toLocaleString("en")} of ${progress.total.toLocaleString("en")} open`;
  byId("progress").dataset.total = progress.total;
  if (progress.run_id === null) byId("progress").textContent = "no curation run yet";
  if (isSample) showEstimate(progress.estimate);
}

function showEstimate({ right, wrong, share, low, high }) {
  const percent = (part) => `${(100 * part).toFixed(1)} %`;
  const text = share === null ? "No verdict yet." : `${right} right, ${wrong} wrong: precision ${percent(share)}, 95 % interval ${percent(low)} to ${percent(high)}`;
  byId("estimate").textContent = text;
}

function drawActions() {
  const button = ({ key, shown, name, run, primary, view }) => {
    const made = element("button", { type: "button", class: primary ? "primary" : null, click: run ?? (() => stage.setView(view)), "data-view-button": view, "data-needs-item": name !== "Undo" && name !== "Back" }, `${name} `);
    made.append(element("kbd", {}, shown ?? key));
    return made;
  };
  const gap = () => element("span", { class: "gap" });
  const views = shows === "finding" ? [] : VIEWS.map(button);
  byId("acts").replaceChildren(...ACTIONS.map(button), gap(), ...views, gap(), ...WALK.map(button));
}

/* keyboard */

const KEYS = new Map([...ACTIONS, ...WALK].map((action) => [action.key, action.run]));
if (ACTIONS[0].shown) KEYS.set("Enter", ACTIONS[0].run);

function press(event) {
  const isButton = event.target instanceof Element && event.target.closest("button, a, summary, [role=region]") !== null;
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") stage.choose(stage.chosen + (event.key === "ArrowRight" ? 1 : -1), { focus: byId("film").contains(document.activeElement) });
  else if (event.key === " " && !isButton && byId("frames").dataset.view === "flicker") stage.turn();
  else if (event.key === "o") window.open(`/pictures/${stage.picture.sha256}`, "_blank", "noopener");
  else if (VIEWS.some(({ key }) => key === event.key)) stage.setView(VIEWS.find(({ key }) => key === event.key).view);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isButton = event.target instanceof Element && event.target.closest("button, a, summary") !== null;
  const run = event.key === "Enter" && isButton ? null : KEYS.get(event.key);
  const isWalk = WALK.some(({ key }) => key === event.key);
  if (run && (current() || isWalk)) event.repeat || run(); // a key held down decides once
  else if (!(current() && press(event))) return;
  event.preventDefault();
});

function moveTo(more) {
  const next = new URLSearchParams({ ...selection, ...more });
  location.assign(`${location.pathname}?${next}`);
}

async function listReasons() {
  const overview = await reviewOverview();
  const reasons = overview.queues.find((each) => each.queue === queue).reasons;
  byId("only").append(...reasons.map(({ reason, open }) => element("option", { value: reason }, `${reason.replaceAll("_", " ")} (${open})`)));
  byId("only").value = selection.only;
}

if (isSample) {
  byId("seed").value = selection.seed;
  byId("size").value = selection.size;
  window.history.replaceState(null, "", `?${new URLSearchParams(selection)}`);
  byId("sampling").addEventListener("submit", (event) => {
    event.preventDefault();
    moveTo({ seed: byId("seed").value, size: byId("size").value });
  });
  byId("draw").addEventListener("click", () => moveTo({ seed: String(Math.floor(Math.random() * 1e6)), size: byId("size").value }));
} else {
  byId("only").addEventListener("change", () => moveTo({ only: byId("only").value }));
}
byId("everything").addEventListener("change", (event) => {
  event.target.blur(); // keys are for the pictures again
  attempt(start);
});
drawActions();
await attempt(start);
if (!isSample) await attempt(listReasons);
document.body.dataset.ready = "";
