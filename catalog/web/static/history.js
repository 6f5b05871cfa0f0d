// What was run in this browser: kept in localStorage, never sent anywhere.

import { count } from "./cells.js";
import { byId, element } from "./dom.js";

const KEY = "safelight.history";
const MOST = 200;

export class History {
  constructor(onChoose) {
    this.onChoose = onChoose;
    byId("find-history").addEventListener("input", () => this.draw());
    byId("forget").addEventListener("click", () => {
      localStorage.removeItem(KEY);
      this.draw();
    });
    this.draw();
  }

  #entries() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
      return Array.isArray(kept) ? kept : [];
    } catch {
      return [];
    }
  }

  /** Remember a run; the same text again replaces its older entry. */
  add(entry) {
    const others = this.#entries().filter(({ sql }) => sql !== entry.sql);
    localStorage.setItem(KEY, JSON.stringify([{ ...entry, at: new Date().toISOString() }, ...others].slice(0, MOST)));
    this.draw();
  }

  draw() {
    const text = byId("find-history").value.trim().toLowerCase();
    const matches = this.#entries().filter(({ sql }) => sql.toLowerCase().includes(text));
    const items = matches.map((entry) =>
      element(
        "li",
        {},
        element("button", { type: "button", class: "entry", click: () => this.onChoose(entry) }, element("code", {}, entry.sql.slice(0, 240)), element("span", { class: "soft" }, about(entry))),
      ),
    );
    byId("history").replaceChildren(...(items.length ? items : [element("li", { class: "empty" }, text ? "No query of the history contains this." : "Queries that you run are listed here and stored in this browser only.")]));
    byId("forget").hidden = !matches.length;
  }
}

function about({ at, state, n_rows: rows, duration_ms: took }) {
  const when = new Date(at).toLocaleString("sv").slice(0, 16);
  return state === "done" ? `${when} · ${count(rows)} rows · ${Math.round(took)} ms` : `${when} · ${String(state).replace("_", " ")}`;
}
