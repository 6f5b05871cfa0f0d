// Search by a picture: one of the catalog, named behind the #, or a file that goes to the server and is not kept.

import { call } from "./api.js";
import { picturePage, thumbnail } from "./cells.js";
import { byId, element, isTyping } from "./dom.js";
import { Selection, card } from "./selection.js";

const FIRST = 24;
const MOST = 200;
const TRIES = 6; // of one request while the server is busy
const KINDS = { equal: "same pixels", copy: "copy", same_scene: "same scene", part: "shares a part", different: "near, not a copy", "": "near" };

const file = byId("file");
let url = null; // of the picture that is shown as the query
let again = null; // repeats the search with another limit
let limit = FIRST;
let round = 0;
if (file) start();

function start() {
  const selection = new Selection(byId("pictures"), byId("selection"));
  const search = (request, query) => run(selection, request, query);
  file.addEventListener("change", () => {
    if (file.files.length) upload(file.files[0], search);
    file.value = "";
  });
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, hover);
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? byId("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    if (event.dataTransfer.files.length) upload(event.dataTransfer.files[0], search);
  });
  document.addEventListener("paste", (event) => event.clipboardData.files.length && upload(event.clipboardData.files[0], search));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "o" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    event.preventDefault();
    file.click();
  });
  byId("more").addEventListener("click", () => {
    limit = Math.min(MOST, limit * 4);
    again();
  });
  window.addEventListener("hashchange", () => open(search));
  open(search);
}

function hover(event) {
  event.preventDefault();
  byId("drop").classList.add("over");
}

/** Search by the picture of the address. */
function open(search) {
  const sha256 = new URLSearchParams(location.hash.slice(1)).get("picture") ?? "";
  if (!/^[0-9a-f]{64}$/.test(sha256)) return;
  limit = FIRST;
  const link = element("a", { class: "thumbnail", href: picturePage(sha256) }, element("img", { src: thumbnail(sha256, 256), alt: "The picture that is searched for", width: 256, height: 192 }));
  again = () => search(() => call("GET", `/api/v1/similar/${sha256}?limit=${limit}`), [link, element("p", {}, "Like ", element("a", { class: "mono", href: picturePage(sha256) }, sha256.slice(0, 12)))]);
  again();
}

function upload(given, search) {
  if (location.hash) history.replaceState(null, "", "/similar");
  limit = FIRST;
  if (url) URL.revokeObjectURL(url);
  url = URL.createObjectURL(given);
  const image = element("img", { src: url, alt: "Your picture", width: 256, height: 192 });
  const name = given.name || "Pasted picture";
  again = () => search(() => send(given), [element("span", { class: "thumbnail" }, image), element("p", {}, `Like ${name}, which is not stored`)]);
  again();
}

/** Send the file; while the server is busy, wait as long as it says and try again. */
async function send(given) {
  const most = Number(file.dataset.maxMb);
  if (given.size > most * 2 ** 20) throw new Error(`The file is larger than ${most} MB`);
  if (!given.size) throw new Error("The file is empty");
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`/api/v1/similar?limit=${limit}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: given }).catch(() => {
      throw new Error("The server cannot be reached, or the file cannot be read any more");
    });
    if (response.status === 401) location.assign("/login");
    if (response.status === 503 && attempt < TRIES) {
      await new Promise((later) => setTimeout(later, 1000 * Number(response.headers.get("Retry-After") ?? 2)));
      continue;
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error ?? `The server answers with status ${response.status}`);
    return answer;
  }
}

async function run(selection, request, query) {
  const mine = ++round;
  byId("problem").hidden = true;
  byId("progress").textContent = "Searching …";
  byId("query").replaceChildren(...query);
  byId("query").hidden = false;
  try {
    const answer = await request();
    if (mine === round) show(selection, answer);
  } catch (error) {
    if (mine !== round) return;
    byId("progress").textContent = "";
    byId("pictures").replaceChildren();
    byId("more").hidden = true;
    selection.offer([]);
    byId("problem").textContent = sentence(error.message);
    byId("problem").hidden = false;
  }
}

function show(selection, { pictures, searched, model_id: model }) {
  selection.offer(pictures.map(({ picture }) => picture.sha256));
  byId("pictures").replaceChildren(...pictures.map((each) => similarCard(selection, each)));
  const total = searched.toLocaleString("en");
  byId("progress").textContent = pictures.length ? `The ${pictures.length} nearest of ${total} pictures, by ${model}` : `None of ${total} pictures can be shown`;
  byId("more").hidden = pictures.length < limit || limit >= MOST || limit >= searched;
}

function similarCard(selection, { cosine, kind, tie, picture }) {
  const decision = [picture.decision, picture.reason && `: ${picture.reason.replaceAll("_", " ")}`].filter(Boolean).join("");
  const byHand = { keep: "kept by hand", drop: "dropped by hand" }[picture.by_hand];
  return card(selection, picture.sha256, picture.title,
    element("b", { class: `kind ${kind}` }, KINDS[tie]), ` distance ${(1 - cosine).toFixed(3)}`, element("br"),
    ...(picture.title ? [element("span", { class: "name" }, picture.title), element("br")] : []),
    ...parts([decision, byHand, link(picture.licence, shortened(picture.licence)) ?? "no licence", picture.page_url ? link(picture.page_url, picture.source) : picture.source]));
}

/** Join texts and elements by points; empty ones are left out. */
function parts(given) {
  return given.filter(Boolean).flatMap((part, place) => (place ? [" · ", part] : [part]));
}

/** Make a link of an address of the web; any other text stays text. */
function link(address, text = address) {
  if (!address) return null;
  return /^https?:\/\//.test(address) ? element("a", { href: address, rel: "noopener noreferrer" }, text || address) : text;
}

/** Give an address without what all addresses have: its protocol, "www." and the slash at its end. */
function shortened(address) {
  return address && address.replace(/^https?:\/\/(www\.)?/, "").replace(/\/$/, "");
}

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1) + (/[.!?'\]]$/.test(text) ? "" : ".");
}
