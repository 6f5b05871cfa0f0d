// The prediction page: pictures are sent one after the other; each keeps its place and is shown from the browser's memory.

import { byId, element, isTyping } from "./dom.js";
import { faces, inCatalog, learnt, section, sentence } from "./predict-answers.js";
import { drawHeatMap } from "./predict-heat.js";

const EVERY = "*";
const TRIES = 6; // of one picture while the server is busy
const entries = new Set();
const queue = [];
let isSending = false;

const model = byId("model");
const camera = byId("camera");
const files = byId("files");
const drop = byId("drop");
if (model) start();

function start() {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("model");
  if ([...model.options].some((option) => option.value === wanted)) model.value = wanted;
  describe();
  model.addEventListener("change", () => {
    history.replaceState(null, "", `#model=${model.value}`);
    describe();
    for (const entry of entries) send(entry);
  });
  files.addEventListener("change", () => {
    add(files.files);
    files.value = "";
  });
  camera.addEventListener("change", () => {
    add(camera.files);
    camera.value = "";
  });
  byId("take").addEventListener("click", () => camera.click());
  byId("samples").addEventListener("click", addSamples);
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, hover);
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => add(event.clipboardData.files));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "o" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    event.preventDefault();
    files.click();
  });
}

function hover(event) {
  event.preventDefault();
  drop.classList.add("over");
}

function describe() {
  for (const about of document.querySelectorAll("[data-about]")) about.hidden = about.dataset.about !== model.value;
}

/** Predict test pictures of the release that the model was trained on. */
async function addSamples() {
  const listed = await fetch(`/api/v1/samples?model=${encodeURIComponent(model.value)}`).then((response) => response.json()).catch(() => ({}));
  if (!listed.pictures?.length) {
    byId("progress").textContent = "The release of this model has no test pictures here";
    return;
  }
  const pictures = await Promise.all(listed.pictures.map(fetchSample));
  add(pictures.filter((file) => file)); // all at once, so that the progress counts all of them
}

/** Give a picture of the catalog as a file; null when it cannot be had. */
async function fetchSample(sha256) {
  const response = await fetch(`/api/assets/${sha256}`).catch(() => null);
  return response?.ok ? new File([await response.blob()], `test picture ${sha256.slice(0, 8)}`) : null;
}

/** Give each file a place on the page, the newest above, and send it. */
function add(list) {
  for (const file of list) {
    const entry = { file, url: URL.createObjectURL(file) };
    entry.answers = element("div", { class: "answers" });
    entry.sheet = element("span", { class: "sheet" });
    const image = element("img", { src: entry.url, alt: file.name || "Pasted picture", error: () => image.replaceWith(element("span", { class: "unseen" }, "This browser cannot show the file.")) });
    entry.sheet.append(image);
    const remove = element("button", { type: "button", class: "link remove", "aria-label": `Remove ${file.name || "the picture"}`, click: () => forget(entry) }, "Remove");
    const caption = element("figcaption", {}, file.name || "Pasted picture");
    entry.caption = caption;
    entry.place = element("article", { class: "predicted", "aria-label": file.name || "Pasted picture" }, element("h2", { class: "hidden" }, file.name || "Pasted picture"),
      element("figure", {}, element("div", { class: "frame" }, entry.sheet), caption, remove), entry.answers);
    byId("predictions").prepend(entry.place);
    entries.add(entry);
    send(entry);
  }
}

function forget(entry) {
  entries.delete(entry);
  URL.revokeObjectURL(entry.url);
  entry.place.remove();
  files.focus();
}

function send(entry) {
  entry.place.setAttribute("aria-busy", "true");
  if (!queue.includes(entry)) queue.push(entry);
  if (!isSending) work();
}

async function work() {
  isSending = true;
  let done = 0;
  while (queue.length) {
    byId("progress").textContent = `Predicting picture ${done + 1} of ${done + queue.length} …`;
    const entry = queue.shift();
    done += 1;
    if (entries.has(entry)) await predict(entry);
  }
  byId("progress").textContent = done === 1 ? "1 picture predicted" : `${done} pictures predicted`;
  isSending = false;
}

/** The chosen model, or the first of each recipe. */
function chosenModels() {
  if (model.value !== EVERY) return [model.value];
  return [...model.querySelectorAll("optgroup")].map((group) => (group.querySelector("[data-offered]") ?? group.querySelector("option")).value);
}

async function predict(entry) {
  const chosen = model.value;
  const results = [];
  for (const id of chosenModels()) {
    const result = await answer(entry.file, id);
    if (chosen !== model.value) return; // it is in the queue again
    results.push(result);
    if (result.error) break; // of the file, so that of every model
  }
  entry.place.setAttribute("aria-busy", "false");
  for (const drawn of entry.place.querySelectorAll(".sheet svg, .heat-note")) drawn.remove();
  const wrong = results.find((result) => result.error);
  if (wrong) entry.answers.replaceChildren(element("p", { class: "verdict bad", role: "alert" }, sentence(wrong.error)));
  else show(entry, results);
}

/** Ask the server; while it is busy, wait as long as it says and try again. Returns the answer or {error}. */
async function answer(file, chosen, path = "predict", more = "") {
  const most = Number(files.dataset.maxMb);
  if (file.size > most * 2 ** 20) return { error: `The file is larger than ${most} MB` };
  if (!file.size) return { error: "The file is empty" };
  for (let attempt = 1; ; attempt++) {
    let response;
    try {
      response = await fetch(`/api/v1/${path}?model=${encodeURIComponent(chosen)}${more}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
    } catch {
      return { error: "The server cannot be reached, or the file cannot be read any more" };
    }
    if (response.status === 503 && attempt < TRIES) {
      await new Promise((later) => setTimeout(later, 1000 * Number(response.headers.get("Retry-After") ?? 2)));
      continue;
    }
    if (response.status === 401) location.assign("/login");
    return response.json().catch(() => ({ error: `The server answers with status ${response.status}` }));
  }
}

/** Draw over the picture what counted for one answer; a second press removes it. */
async function explain(entry, button, id, task, face) {
  const isShown = button.getAttribute("aria-pressed") === "true";
  entry.sheet.querySelector(".heat")?.remove();
  entry.place.querySelector(".heat-note")?.remove();
  for (const each of entry.place.querySelectorAll("[aria-pressed]")) each.setAttribute("aria-pressed", "false");
  if (isShown) return;
  const chosen = model.value;
  button.disabled = true;
  byId("progress").textContent = "Covering the picture piece by piece …";
  const map = await answer(entry.file, id, "explain", `&task=${encodeURIComponent(task)}&face=${face}`);
  button.disabled = false;
  byId("progress").textContent = "";
  if (chosen !== model.value || !entries.has(entry)) return;
  if (map.error) {
    button.closest(".head").append(element("p", { class: "verdict bad heat-note", role: "alert" }, sentence(map.error)));
    return;
  }
  button.setAttribute("aria-pressed", "true");
  const [drawn, note] = drawHeatMap(map, entry.width, entry.height);
  entry.sheet.append(drawn);
  entry.caption.after(note);
}

function show(entry, results) {
  const { width, height, format } = results[0];
  Object.assign(entry, { width, height });
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  entry.caption.textContent = [entry.file.name || "Pasted picture", format, `${width} × ${height} px`, `${seconds.toFixed(1)} s`].join(" · ");
  const boxed = results.map(({ subjects }) => subjects.filter((subject) => subject.box)).find((found) => found.length);
  if (boxed) entry.sheet.append(faces(boxed, width, height));
  const isSeveral = results.length > 1;
  const parts = results.flatMap((result) => [...(isSeveral ? [element("h3", { class: "recipe" }, result.model.recipe.replaceAll("_", " "))] : []), ...answersOf(entry, result, isSeveral ? 4 : 3)]);
  if (results[0].in_catalog) parts.push(inCatalog(results[0].in_catalog));
  entry.answers.replaceChildren(...parts);
}

function answersOf(entry, result, level) {
  const { subjects, model: made } = result;
  const isSeveral = subjects.filter((subject) => subject.box).length > 1;
  const parts = subjects.map((subject, place) => section(subject, isSeveral ? `Face ${place + 1}` : "", level, (button, task) => explain(entry, button, made.model_id, task, place)));
  if (result.refusal) parts.push(element("p", { class: "verdict" }, sentence(result.refusal.text)));
  if (result.faces > subjects.length) parts.push(element("p", { class: "soft" }, `The ${subjects.length} largest of ${result.faces} faces.`));
  const warning = result.in_catalog && learnt(result.in_catalog, made);
  if (warning) parts.push(warning);
  return parts;
}
