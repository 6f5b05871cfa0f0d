// Selected pictures: boxes on cards, a bar of actions, decisions and labels with their undo. Shared by console, map and search.

import { call } from "./api.js";
import { fragment } from "./address.js";
import { count, picturePage, thumbnail } from "./cells.js";
import { byId, element, say } from "./dom.js";

const MOST = 10_000;
const DONE = { keep: "Kept", drop: "Dropped" };

export class Selection {
  #chosen = new Set();
  #all = [];
  #last = null; // the box that was set last: where a range begins
  #undo = null;
  #busy = false;

  constructor(list, bar) {
    this.list = list;
    this.bar = bar;
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("keydown", (event) => this.#pressed(event));
    bar.addEventListener("click", (event) => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act) this.#act(act);
    });
    byId("label-cancel").addEventListener("click", () => byId("label-dialog").close());
    byId("label-form").addEventListener("submit", () => this.#label());
    byId("label-task").addEventListener("input", () => this.#offerClasses());
  }

  get pictures() {
    return [...this.#chosen];
  }

  /** Offer other pictures, with some of them selected; cards are drawn by the caller. */
  offer(all, chosen = []) {
    this.#all = all;
    this.#chosen = new Set(chosen);
    this.#last = null;
    this.bar.hidden = !all.length && !this.#undo;
    this.#draw();
  }

  /** Make the box of a card. */
  box(sha256, name) {
    return element("input", { type: "checkbox", class: "pick", value: sha256, checked: this.#chosen.has(sha256), "aria-label": `Select ${name || `picture ${sha256.slice(0, 8)}`}` });
  }

  #boxes() {
    return [...this.list.querySelectorAll("input.pick")];
  }

  #set(sha256, isChosen) {
    if (isChosen) this.#chosen.add(sha256);
    else this.#chosen.delete(sha256);
  }

  #clicked(event) {
    const box = event.target.closest("input.pick");
    if (!box) return;
    const boxes = this.#boxes();
    const from = boxes.indexOf(this.#last);
    const to = boxes.indexOf(box);
    const range = event.shiftKey && from >= 0 ? boxes.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
    for (const each of range) this.#set(each.value, box.checked);
    this.#last = box;
    this.#draw();
  }

  #pressed(event) {
    const box = event.target.closest("input.pick");
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!box || !step) return;
    const boxes = this.#boxes();
    const next = boxes[boxes.indexOf(box) + step];
    if (!next) return;
    if (event.shiftKey) {
      for (const each of [box, next]) this.#set(each.value, true);
      this.#last = next;
      this.#draw();
    }
    next.focus();
    event.preventDefault();
  }

  #draw() {
    for (const box of this.#boxes()) box.checked = this.#chosen.has(box.value);
    this.bar.querySelector("[data-count]").textContent = `${count(this.#chosen.size)} selected`;
    for (const button of this.bar.querySelectorAll("[data-needs]")) button.disabled = !this.#chosen.size;
    const undo = this.bar.querySelector("[data-act=undo]");
    undo.hidden = !this.#undo;
    undo.textContent = this.#undo ? `Undo: ${this.#undo.text}` : "Undo";
  }

  #act(act) {
    if (act === "all" || act === "none") {
      this.#chosen = new Set(act === "all" ? this.#all : []);
      this.#draw();
    } else if (act === "sql") this.#openSql();
    else if (act === "label") this.#askLabel();
    else if (act === "undo") this.#takeBack();
    else this.#decide(act);
  }

  #openSql() {
    const names = this.pictures.map((sha256) => `'${sha256}'`).join(",\n  ");
    location.assign(`/${fragment({ sql: `SELECT *\nFROM v_photos\nWHERE asset_sha256 IN (\n  ${names}\n)` })}`);
  }

  /** Send a request about the selection, one at a time; errors are said. */
  async #send(request) {
    if (this.#busy) return null;
    if (this.#chosen.size > MOST) {
      say(`At most ${count(MOST)} pictures at once`);
      return null;
    }
    this.#busy = true;
    try {
      return await request();
    } catch (error) {
      say(error.message);
      return null;
    } finally {
      this.#busy = false;
    }
  }

  #settled(text, path) {
    this.#undo = { text, path };
    say(text);
    this.#draw();
  }

  async #decide(kind) {
    const made = await this.#send(() => call("POST", "/api/selection/decisions", { pictures: this.pictures, kind }));
    if (!made) return;
    this.#mark(`${DONE[kind].toLowerCase()} by hand`);
    this.#settled(`${DONE[kind]} ${pictures(made.n)}`, `/api/selection/decisions/${encodeURIComponent(made.decision_id)}`);
  }

  /** Write on the selected cards what was decided; without a text remove that again. */
  #mark(text) {
    for (const mark of this.list.querySelectorAll(".decided")) mark.remove();
    if (!text) return;
    for (const box of this.#boxes().filter((each) => each.checked)) box.after(element("b", { class: "decided" }, text));
  }

  async #askLabel() {
    byId("label-dialog").showModal();
    this.tasks ??= await call("GET", "/api/labels").then(({ tasks }) => tasks).catch(() => []);
    byId("label-tasks").replaceChildren(...this.tasks.map(({ task }) => element("option", { value: task })));
    this.#offerClasses();
  }

  #offerClasses() {
    const classes = (this.tasks ?? []).find(({ task }) => task === byId("label-task").value)?.classes ?? [];
    byId("label-values").replaceChildren(...classes.map((value) => element("option", { value })));
  }

  async #label() {
    const [task, value] = [byId("label-task").value, byId("label-value").value.trim()];
    this.tasks = null;
    const made = await this.#send(() => call("POST", "/api/selection/labels", { pictures: this.pictures, task, value }));
    if (made) this.#settled(`Labelled ${pictures(made.n)} ${made.task}: ${made.value}`, `/api/selection/labels/${encodeURIComponent(made.batch)}`);
  }

  async #takeBack() {
    const { text, path } = this.#undo;
    const made = await this.#send(() => call("DELETE", path));
    if (!made) return;
    this.#undo = null;
    this.#mark("");
    say(`Taken back: ${text}`);
    this.#draw();
  }
}

const pictures = (n) => `${count(n)} ${n === 1 ? "picture" : "pictures"}`;

/** Make a card: thumbnail, box, lines of text or elements, a link to its likes. */
export function card(selection, sha256, name, ...lines) {
  const image = element("img", { src: thumbnail(sha256, 256), alt: name || `Picture ${sha256.slice(0, 8)}`, loading: "lazy", width: 256, height: 192 });
  return element("li", {},
    element("a", { class: "thumbnail", href: picturePage(sha256) }, image), selection.box(sha256, name),
    element("p", { class: "soft" }, ...lines), moreLike(sha256, name));
}

export function moreLike(sha256, name) {
  return element("a", { class: "more", href: `/similar#picture=${sha256}`, "aria-label": `More like ${name || sha256.slice(0, 8)}` }, "More like this");
}
