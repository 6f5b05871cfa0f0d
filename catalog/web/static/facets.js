// Facets beside a result: how often values occur; a click narrows the query, a second one widens it again.

import { facets } from "./api.js";
import { count } from "./cells.js";
import { byId, element } from "./dom.js";

const OPEN = "safelight.facets";
const WIDE_PX = 1100;
const PLAIN = /^\s*(--[^\n]*\n\s*)*(SELECT|WITH|FROM|VALUES|TABLE|PIVOT|UNPIVOT)\b/i;

export class Facets {
  #base = ""; // the statement that is narrowed
  #filters = []; // {column, text, where}
  #narrowed = ""; // the statement that the filters made
  #query = null;
  #round = 0;

  constructor(onNarrow) {
    this.onNarrow = onNarrow;
    this.place = byId("facets");
    this.button = byId("toggle-facets");
    this.button.addEventListener("click", () => this.#toggle(this.place.hidden));
    const kept = localStorage.getItem(OPEN);
    this.isOpen = kept ? kept === "true" : innerWidth >= WIDE_PX;
  }

  /** Offer the facets of a result of this statement. */
  async offer(query, sql) {
    if (sql !== this.#narrowed) [this.#base, this.#filters, this.#narrowed] = [sql.trim().replace(/;\s*$/, ""), [], ""];
    this.#query = query;
    this.button.hidden = !PLAIN.test(this.#base) || !query.columns.length;
    this.place.hidden = this.button.hidden || !this.isOpen;
    this.button.setAttribute("aria-expanded", String(!this.place.hidden));
    if (!this.place.hidden) await this.#load();
  }

  async #toggle(isOpen) {
    this.isOpen = isOpen;
    localStorage.setItem(OPEN, String(isOpen));
    this.place.hidden = !isOpen;
    this.button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) await this.#load();
  }

  async #load() {
    const mine = ++this.#round;
    if (!Number(this.#query.n_rows)) {
      this.#draw([]);
      return;
    }
    try {
      const read = await facets(this.#query.query_id);
      if (mine === this.#round) this.#draw(read.facets, read.n_rows);
    } catch (error) {
      if (mine === this.#round) this.place.replaceChildren(element("p", { class: "soft" }, error.message));
    }
  }

  #draw(listed, total = 0) {
    const chips = this.#filters.map((filter, place) =>
      element("button", { type: "button", class: "chip", "aria-label": `Remove the filter ${filter.column}: ${filter.text}`, click: () => this.#remove(place) }, `${filter.column}: ${filter.text} ✕`));
    const sections = listed.map((facet) => this.#section(facet, total));
    const empty = listed.length ? [] : [element("p", { class: "soft" }, "No column of this result has few values.")];
    this.place.replaceChildren(element("h2", {}, "Facets"), ...chips, ...sections, ...empty);
    this.place.scrollTop = 0;
  }

  #section({ column, values, n_distinct: distinct }, total) {
    const items = values.map((each) => {
      const text = name(each);
      const button = element("button", { type: "button", class: "facet", title: text, click: () => this.#add({ column, text, where: each.where }) },
        element("span", { class: each.value === null ? "text null" : "text" }, text), element("span", { class: "n" }, count(each.n)), element("meter", { min: 0, max: total, value: each.n, "aria-hidden": "true" }));
      return element("li", {}, button);
    });
    const rest = distinct - values.filter(({ value }) => value !== null && value !== undefined).length;
    const isCut = values.every(({ low }) => low === undefined) && rest > 0;
    return element("section", { "aria-label": column }, element("h3", {}, column), element("ul", {}, ...items), isCut ? element("p", { class: "soft" }, `and ${count(rest)} more`) : null);
  }

  #add(filter) {
    if (this.#filters.some(({ where }) => where === filter.where)) return;
    this.#narrow([...this.#filters, filter]);
  }

  #remove(place) {
    this.#narrow(this.#filters.filter((_, each) => each !== place));
  }

  #narrow(filters) {
    const where = filters.map((filter) => filter.where).join("\n  AND ");
    const sql = filters.length ? `SELECT *\nFROM (\n${this.#base}\n)\nWHERE ${where}` : this.#base;
    [this.#filters, this.#narrowed] = [filters, sql];
    this.onNarrow(sql);
  }
}

function name({ value, low, high }) {
  if (low !== undefined) return `${short(low)} to ${short(high)}`;
  if (value === null) return "NULL";
  return value === "" ? "(empty)" : value;
}

const short = (number) => String(Number(number.toPrecision(4)));
