// Labelling by keyboard: one picture at a time. The next one is shown at once, while the label is on its way to the server.

import { call } from "./api.js";
import { byId, element, isTyping } from "./dom.js";
import { askedNext, drawPublished, drawState, percent } from "./label-state.js";

const main = byId("main");
const WHY = { first: "chosen to differ from the others", uncertain: "the model is unsure", random: "drawn at random", again: "shown again" };
const AHEAD = 3; // pictures that are loaded before they are shown
const state = { task: "", classes: [], by: "", pictures: [], skipped: new Set(), sent: 0 };
let sending = Promise.resolve();

byId("start").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(byId("task").value.trim(), split(byId("classes").value), byId("by")?.value.trim() ?? "");
});
byId("change").addEventListener("click", () => {
  history.replaceState(null, "", location.pathname);
  showStart();
});
byId("publish").addEventListener("submit", publish);
document.addEventListener("keydown", press);
restore();

function split(text) {
  return [...new Set(text.split(",").map((each) => each.trim()).filter(Boolean))];
}

function restore() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (byId("by")) byId("by").value = given.get("by") ?? localStorage.getItem("safelight.by") ?? "";
  if (given.get("task")) begin(given.get("task"), split(given.get("classes") ?? ""), byId("by")?.value ?? "");
  else showStart();
}

async function showStart() {
  for (const id of ["item", "acts", "change", "blank"]) byId(id).hidden = true;
  byId("start").hidden = false;
  for (const id of ["progress", "learnt"]) byId(id).textContent = "";
  byId("heading").textContent = "Label";
  state.task = "";
  const { tasks } = await call("GET", "/api/labels").catch(() => ({ tasks: [] }));
  byId("known").replaceChildren(...tasks.map(({ task, classes, labels }) => element("button", { type: "button", click: () => {
    byId("task").value = task;
    byId("classes").value = classes.join(", ");
    byId("start").requestSubmit();
  } }, `${task}: ${classes.join(", ")} · ${labels} labelled`)));
}

async function begin(task, classes, by) {
  if (classes.length < 2 || classes.length > 9) {
    problem("Give two to nine classes, separated by commas.");
    showStart();
    return;
  }
  Object.assign(state, { task, classes, by: main.dataset.by || by, pictures: [], skipped: new Set(), last: "" });
  if (byId("by")) localStorage.setItem("safelight.by", by);
  history.replaceState(null, "", `#${new URLSearchParams({ task, classes: classes.join(","), ...(by ? { by } : {}) })}`);
  byId("start").hidden = true;
  byId("change").hidden = false;
  byId("heading").textContent = task;
  byId("published").replaceChildren();
  byId("dataset").value = task.replaceAll("_", "-");
  drawActs();
  await ask(() => call("GET", address()));
}

function address(more = "") {
  const by = main.dataset.by ? "" : state.by;
  return `/api/labels/${encodeURIComponent(state.task)}${more}${by ? `?${new URLSearchParams({ by })}` : ""}`;
}

/** Send one request after the other; the answer of the last one says what comes next. */
function ask(request) {
  const number = ++state.sent;
  sending = sending.then(request).then((page) => {
    problem("");
    if (number !== state.sent || !page) return;
    state.pictures = page.pictures;
    if (page.taken_back) state.pictures = [{ picture: page.taken_back, why: "first", expected: null }, ...page.pictures.filter((each) => each.picture !== page.taken_back)];
    drawState(page.progress, state.classes);
    draw();
  }, (error) => problem(error.message));
  return sending;
}

function waiting() {
  const left = state.pictures.filter((each) => !state.skipped.has(each.picture));
  if (!left.length && state.pictures.length && state.skipped.size) {
    state.skipped.clear(); // all others are labelled: the skipped ones come again
    return state.pictures;
  }
  return left;
}

function draw() {
  const [now, ...next] = waiting();
  byId("item").hidden = byId("acts").hidden = !now;
  byId("blank").hidden = Boolean(now);
  if (!now) {
    byId("blank").replaceChildren(element("p", {}, "Every picture is labelled, or there is none yet. ", element("a", { href: "/crawls" }, "Crawl some"), "."));
    return;
  }
  const picture = byId("picture");
  picture.src = `/api/assets/${now.picture}/thumbnail?side=1024`;
  picture.alt = `Picture ${now.picture.slice(0, 8)}`;
  picture.dataset.picture = now.picture;
  byId("caption").replaceChildren(element("a", { class: "mono", href: `/pictures/${now.picture}` }, now.picture.slice(0, 8)), ` · ${WHY[now.why]}`, state.last ? ` · ${state.last}` : "");
  byId("next").replaceChildren(...askedNext(next));
  for (const each of next.slice(0, AHEAD)) new Image().src = `/api/assets/${each.picture}/thumbnail?side=1024`;
}

function drawActs() {
  const two = state.classes.length === 2 ? ["←", "→"] : [];
  byId("acts").replaceChildren(
    ...state.classes.map((name, place) => element("button", { type: "button", class: "class", click: () => label(name) }, name, " ", element("kbd", {}, String(place + 1)), two[place] ? element("kbd", {}, two[place]) : null)),
    element("span", { class: "gap" }),
    element("button", { type: "button", click: skip }, "Skip ", element("kbd", {}, "s")),
    element("button", { type: "button", id: "undo", click: undo }, "Undo ", element("kbd", {}, "u")));
}

function label(value) {
  const [now] = waiting();
  if (!now) return;
  state.pictures = state.pictures.filter((each) => each !== now);
  // What the model expected is said afterwards, so that it does not sway anybody.
  const best = now.expected && now.why !== "again" && Object.entries(now.expected).sort((a, b) => b[1] - a[1])[0];
  state.last = `before: ${value}${best ? `; the model expected ${best[0]} (${percent(best[1])})` : ""}`;
  draw();
  ask(() => call("POST", address(), { picture: now.picture, value }));
}

function skip() {
  const [now] = waiting();
  if (now) state.skipped.add(now.picture);
  draw();
}

function undo() {
  state.last = "";
  ask(() => call("DELETE", address("/last")));
}

async function publish(event) {
  event.preventDefault();
  const button = byId("publish").querySelector("button");
  button.disabled = true;
  byId("published").replaceChildren(element("p", { class: "soft" }, "Publishing …"));
  try {
    await sending;
    drawPublished(await call("POST", `/api/labels/${encodeURIComponent(state.task)}/releases`, { dataset: byId("dataset").value }));
  } catch (error) {
    byId("published").replaceChildren(element("p", { class: "verdict bad" }, error.message));
  }
  button.disabled = false;
}

function problem(text) {
  byId("problem").hidden = !text;
  byId("problem").textContent = text;
}

function press(event) {
  if (!state.task || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { classes } = state;
  const arrow = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
  const place = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : classes.length === 2 ? arrow : undefined;
  if (place !== undefined && place < classes.length) label(classes[place]);
  else if (event.key === "u" || event.key === "Backspace") undo();
  else if (event.key === "s") skip();
  else if (event.key === "o" && waiting()[0]) location.assign(`/pictures/${waiting()[0].picture}`);
  else return;
  event.preventDefault();
}
