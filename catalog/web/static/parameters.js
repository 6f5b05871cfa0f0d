// A field for each $name of the statement. An empty field is NULL; what reads as a number is sent as one.

import { byId, element } from "./dom.js";
import { parameterNames } from "./sql.js";

const NUMBER = /^-?(0|[1-9]\d{0,14})(\.\d+)?$/;

export class Parameters {
  #form = byId("parameters");
  #values = {};
  #about = {};

  constructor(onRun) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      onRun();
    });
    this.#form.addEventListener("input", (event) => {
      this.#values[event.target.name] = event.target.value;
    });
  }

  /** Take values (from a question, a link or the history), with what they mean. */
  set(values, about = {}) {
    for (const [name, value] of Object.entries(values)) this.#values[name] = value === null || value === undefined ? "" : String(value);
    Object.assign(this.#about, about);
  }

  /** Show the fields that `sql` needs. */
  show(sql) {
    const names = parameterNames(sql);
    const shown = [...this.#form.querySelectorAll("input")].map(({ name }) => name);
    if (names.join() !== shown.join()) this.#form.replaceChildren(...names.map((name) => this.#field(name)));
    for (const field of this.#form.querySelectorAll("input")) {
      if (document.activeElement !== field) field.value = this.#values[field.name] ?? "";
    }
    this.#form.hidden = !names.length;
  }

  #field(name) {
    const field = element("input", { name, id: `parameter-${name}`, placeholder: "NULL", autocomplete: "off", spellcheck: "false" });
    const hint = this.#about[name] ? element("span", { class: "soft" }, this.#about[name]) : null;
    return element("label", { for: `parameter-${name}` }, element("code", {}, `$${name}`), field, hint);
  }

  /** Give the values of the fields that are shown. */
  values() {
    const fields = [...this.#form.querySelectorAll("input")];
    return Object.fromEntries(fields.map(({ name, value }) => [name, typed(value.trim())]));
  }
}

export function typed(text) {
  if (text === "") return null;
  return NUMBER.test(text) ? Number(text) : text;
}
