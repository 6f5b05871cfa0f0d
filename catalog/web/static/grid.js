// The grid of rows: sorted and paged by the server, walked by arrow keys.

import { rows } from "./api.js";
import { PAGE, count, isSha256, kindOf, pictureColumns, picturePage, short, thumbnail, whole } from "./cells.js";
import { byId, copy, element } from "./dom.js";

export class Grid {
  #table = byId("grid");
  #query = null;
  #offset = 0;
  #order = { by: null, descending: false };
  #shown = { columns: [], rows: [] };
  #at = [0, 0];

  constructor(onProblem) {
    this.onProblem = onProblem;
    byId("previous").addEventListener("click", () => this.turn(-1));
    byId("next").addEventListener("click", () => this.turn(1));
    this.#table.addEventListener("keydown", (event) => this.#pressed(event));
    this.#table.addEventListener("click", (event) => this.#clicked(event));
    this.#table.addEventListener("dblclick", (event) => this.#doubleClicked(event));
    byId("cell-copy").addEventListener("click", () => copy(byId("cell-text").textContent, "Copied the cell"));
  }

  /** Show the rows of another query from the start. */
  async show(query) {
    this.#query = query;
    this.#offset = 0;
    this.#order = { by: null, descending: false };
    this.#at = [0, 0];
    await this.#load();
  }

  /** Go one page on (1) or back (-1). */
  async turn(pages) {
    const offset = this.#offset + pages * PAGE;
    if (!this.#query || offset < 0 || offset >= this.#query.n_rows) return;
    this.#offset = offset;
    this.#at = [1, this.#at[1]];
    await this.#load();
  }

  focus() {
    this.#focus(Math.max(1, this.#at[0]), this.#at[1]);
  }

  async #load() {
    const { by, descending } = this.#order;
    const query = this.#query;
    this.#table.setAttribute("aria-busy", "true");
    try {
      const page = await rows(query.query_id, { offset: this.#offset, limit: PAGE, orderBy: by, descending });
      if (query !== this.#query) return;
      this.#shown = { columns: query.columns, rows: page.rows };
      this.#draw();
    } catch (error) {
      this.onProblem(error);
    } finally {
      if (query === this.#query) this.#table.setAttribute("aria-busy", "false");
    }
  }

  #draw() {
    const { columns, rows: listed } = this.#shown;
    const pictures = new Set(pictureColumns(columns));
    this.#table.setAttribute("aria-rowcount", String(Number(this.#query.n_rows) + 1));
    this.#table.setAttribute("aria-colcount", String(columns.length));
    const head = element("tr", { role: "row", "aria-rowindex": 1 }, ...columns.map((column, place) => this.#header(column, place)));
    const body = listed.map((row, number) =>
      element(
        "tr",
        { role: "row", "aria-rowindex": this.#offset + number + 2 },
        ...row.map((value, place) => cell(value, columns[place], pictures.has(place), number, place)),
      ),
    );
    this.#table.replaceChildren(element("thead", { role: "rowgroup" }, head), element("tbody", { role: "rowgroup" }, ...body));
    this.#table.parentElement.scrollTop = 0;
    const last = this.#offset + listed.length;
    byId("page").textContent = listed.length ? `${count(this.#offset + 1)} to ${count(last)} of ${count(this.#query.n_rows)}` : "no rows";
    byId("previous").disabled = this.#offset === 0;
    byId("next").disabled = last >= this.#query.n_rows;
    const first = this.#cell(...this.#at) ?? this.#cell(0, 0);
    if (first) first.tabIndex = 0;
  }

  #header(column, place) {
    const isSorted = this.#order.by === column.name;
    const sorted = !isSorted ? "none" : this.#order.descending ? "descending" : "ascending";
    return element(
      "th",
      { role: "columnheader", scope: "col", "aria-sort": sorted, tabindex: -1, "data-row": 0, "data-place": place, class: kindOf(column) },
      element("span", { class: "name" }, column.name),
      element("span", { class: "sign", "aria-hidden": "true" }, { none: "", ascending: " ↑", descending: " ↓" }[sorted]),
      element("span", { class: "type" }, column.type.toLowerCase()),
    );
  }

  #cell(row, place) {
    return this.#table.querySelector(`[data-row="${row}"][data-place="${place}"]`);
  }

  #focus(row, place) {
    const cell = this.#cell(row, place);
    if (!cell) return;
    for (const other of this.#table.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    this.#at = [row, place];
    cell.tabIndex = 0;
    cell.focus();
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  async #sort(place) {
    const { name } = this.#shown.columns[place];
    const wasSorted = this.#order.by === name;
    this.#order = wasSorted && this.#order.descending ? { by: null, descending: false } : { by: name, descending: wasSorted };
    this.#offset = 0;
    this.#at = [0, place];
    await this.#load();
    if (document.activeElement === document.body || this.#table.contains(document.activeElement)) this.#focus(0, place);
  }

  #pressed(event) {
    const cell = event.target.closest("[data-row]");
    if (!cell || event.altKey) return;
    const [row, place] = [Number(cell.dataset.row), Number(cell.dataset.place)];
    const [last, lastPlace] = [this.#shown.rows.length, this.#shown.columns.length - 1];
    const isJump = event.ctrlKey || event.metaKey;
    const to = {
      ArrowDown: [row + 1, place],
      ArrowUp: [row - 1, place],
      ArrowRight: [row, place + 1],
      ArrowLeft: [row, place - 1],
      Home: [isJump ? 1 : row, 0],
      End: [isJump ? last : row, lastPlace],
    }[event.key];
    if (to) this.#focus(...to);
    else if (event.key === "PageDown") this.turn(1).then(() => this.#focus(1, place));
    else if (event.key === "PageUp") this.turn(-1).then(() => this.#focus(1, place));
    else if (event.key === "Enter" && row === 0) this.#sort(place);
    else if (event.key === "Enter") this.#open(row, place);
    else if (event.key === "m" && cell.querySelector("a.more")) cell.querySelector("a.more").click();
    else if (event.key.toLowerCase() === "c" && !getSelection().toString()) this.#copy(row, place);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #clicked(event) {
    const cell = event.target.closest("[data-row]");
    if (!cell || event.target.closest("a")) return;
    if (cell.dataset.row === "0") this.#sort(Number(cell.dataset.place));
    else this.#focus(Number(cell.dataset.row), Number(cell.dataset.place));
  }

  #doubleClicked(event) {
    const cell = event.target.closest("td[data-row]");
    if (cell) this.#open(Number(cell.dataset.row), Number(cell.dataset.place));
  }

  #copy(row, place) {
    const value = row === 0 ? this.#shown.columns[place].name : whole(this.#shown.rows[row - 1][place]);
    copy(value, "Copied the cell");
  }

  /** Open a picture's page, or show the whole of a value. */
  #open(row, place) {
    const link = this.#cell(row, place).querySelector("a");
    if (link) {
      link.click();
      return;
    }
    byId("cell-title").textContent = this.#shown.columns[place].name;
    byId("cell-text").textContent = laidOut(this.#shown.rows[row - 1][place]);
    byId("cell-dialog").showModal();
  }
}

/** Write a value for a look at the whole of it; JSON is indented. */
function laidOut(value) {
  const text = whole(value);
  try {
    return /^[[{]/.test(text) ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text;
  }
}

function cell(value, column, isPicture, number, place) {
  const made = element("td", { role: "gridcell", tabindex: -1, "data-row": number + 1, "data-place": place, class: kindOf(column) });
  if (value === null) made.append(element("span", { class: "null" }, "NULL"));
  else if (isPicture && isSha256(value)) made.append(picture(value));
  else made.append(short(value, column));
  return made;
}

function picture(sha256) {
  const image = element("img", { src: thumbnail(sha256, 96), alt: "", loading: "lazy", width: 64, height: 48 });
  const page = element("a", { href: picturePage(sha256), class: "mini", tabindex: -1, title: sha256 }, image, element("span", { class: "mono" }, sha256.slice(0, 8)));
  const more = element("a", { href: `/similar#picture=${sha256}`, class: "more", tabindex: -1, title: "More like this (m)", "aria-label": `More like ${sha256.slice(0, 8)}` }, "≈");
  return element("span", { class: "with-more" }, page, more);
}
