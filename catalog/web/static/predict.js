// The prediction page: pictures are sent one after the other; each keeps its place and is shown from the browser's memory.

import { byId, element, isTyping } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SHOWN_CLASSES = 5;
const TRIES = 6; // of one picture while the server is busy
const entries = new Set();
const queue = [];
let isSending = false;

const model = byId("model");
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
    entry.place = element("article", { class: "predicted", "aria-label": file.name || "Pasted picture" },
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

async function predict(entry) {
  const chosen = model.value;
  const result = await answer(entry.file, chosen);
  if (chosen !== model.value) return; // it is in the queue again
  entry.place.setAttribute("aria-busy", "false");
  entry.sheet.querySelector("svg")?.remove();
  if (result.error) entry.answers.replaceChildren(element("p", { class: "verdict bad", role: "alert" }, sentence(result.error)));
  else show(entry, result);
}

/** Ask the server; while it is busy, wait as long as it says and try again. Returns the prediction or {error}. */
async function answer(file, chosen) {
  const most = Number(files.dataset.maxMb);
  if (file.size > most * 2 ** 20) return { error: `The file is larger than ${most} MB` };
  if (!file.size) return { error: "The file is empty" };
  for (let attempt = 1; ; attempt++) {
    let response;
    try {
      response = await fetch(`/api/v1/predict?model=${encodeURIComponent(chosen)}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
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

function show(entry, result) {
  const { width, height, subjects } = result;
  entry.caption.textContent = [entry.file.name || "Pasted picture", result.format, `${width} × ${height} px`, `${result.seconds.toFixed(1)} s`].join(" · ");
  const boxed = subjects.filter((subject) => subject.box);
  if (boxed.length) entry.sheet.append(faces(boxed, width, height));
  const parts = subjects.map((subject, place) => section(subject, boxed.length > 1 ? `Face ${place + 1}` : ""));
  if (result.refusal) parts.push(element("p", { class: "verdict" }, sentence(result.refusal.text)));
  if (result.faces > subjects.length) parts.push(element("p", { class: "soft" }, `The ${subjects.length} largest of ${result.faces} faces.`));
  entry.answers.replaceChildren(...parts);
}

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function section(subject, title) {
  const heads = subject.refusal ? [element("p", { class: "verdict" }, sentence(subject.refusal.text))] : subject.heads.map(head);
  return element("section", { class: "subject" }, title ? element("h3", {}, title) : null, ...heads);
}

function head(given) {
  const body = given.classes.length ? classes(given) : given.value === null ? [] : value(given);
  return element("div", { class: "head" }, element("h4", {}, given.title), ...body, recorded(given));
}

function classes(given) {
  const best = [...given.classes].sort((a, b) => b.probability - a.probability);
  const shown = given.classes.length <= SHOWN_CLASSES ? given.classes : best.slice(0, SHOWN_CLASSES);
  const rows = shown.map((each) => chance(each, each.name === given.predicted));
  const rest = best.slice(SHOWN_CLASSES).map((each) => chance(each, each.name === given.predicted));
  const more = given.classes.length > SHOWN_CLASSES ? element("details", {}, element("summary", {}, `${rest.length} more`), element("ul", { class: "chances" }, ...rest)) : null;
  return [element("p", { class: "said" }, given.text), element("ul", { class: "chances" }, ...rows), more];
}

function chance(each, isChosen) {
  const percent = `${(100 * each.probability).toFixed(each.probability < 0.0995 && each.probability > 0 ? 1 : 0)} %`;
  const name = each.description === each.name ? each.name : each.description;
  return element("li", isChosen ? { class: "chosen" } : {}, element("span", {}, name), element("span", { class: "n" }, percent), bar(each.probability));
}

function value(given) {
  const hasInterval = given.low !== null && given.high !== null;
  const interval = hasInterval ? element("span", { class: "soft" }, ` 90 % interval ${short(given.low)} to ${short(given.high)}${given.unit ? ` ${given.unit}` : ""}`) : element("span", { class: "soft" }, " without an interval: too few pictures to measure one");
  return [element("p", { class: "said" }, given.text, interval), hasInterval ? range(given) : null];
}

function recorded(given) {
  if (given.recorded === null) return null;
  const inClass = given.recorded_class === null ? "" : ` (${given.classes.find((each) => each.name === given.recorded_class)?.description ?? given.recorded_class})`;
  return element("p", { class: "soft recorded" }, `EXIF of the file: ${given.recorded}${inClass}`);
}

function short(number) {
  return Math.abs(number) < 1000 ? String(Number(number.toPrecision(3))) : Math.round(number).toLocaleString("en");
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, given] of Object.entries(attributes)) made.setAttribute(name, String(given));
  made.append(...children);
  return made;
}

function bar(share) {
  return svg("svg", { class: "bar", "aria-hidden": "true" },
    svg("rect", { width: "100%", height: "100%", class: "rest" }), svg("rect", { width: `${(100 * share).toFixed(2)}%`, height: "100%" }));
}

/** Draw an interval and its value on a track that is half as wide again. */
function range({ low, high, value: at }) {
  const [first, width] = [low - (high - low) / 4, 1.5 * (high - low) || 1];
  const place = (number) => `${(100 * (number - first) / width).toFixed(2)}%`;
  return svg("svg", { class: "range", "aria-hidden": "true" },
    svg("rect", { width: "100%", height: "40%", y: "30%", rx: 3, class: "track" }),
    svg("rect", { x: place(low), width: `${(100 * (high - low) / width).toFixed(2)}%`, height: "40%", y: "30%", rx: 3, class: "span" }),
    svg("circle", { cx: place(at), cy: "50%", r: 6, class: "point" }));
}

function faces(boxed, width, height) {
  const size = Math.max(width, height) / 28;
  const marks = boxed.flatMap(({ box }, place) => [
    svg("rect", box, svg("title", {}, `Face ${place + 1}`)),
    ...(boxed.length > 1 ? [svg("text", { x: box.x, y: Math.max(box.y - size / 5, size), "font-size": size }, String(place + 1))] : []),
  ]);
  return svg("svg", { class: "faces", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": boxed.length === 1 ? "1 face" : `${boxed.length} faces` }, ...marks);
}
