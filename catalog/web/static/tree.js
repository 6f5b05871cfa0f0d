// The tree of tables and columns with their meanings: typing filters it, arrow keys move in it, a click or Enter inserts a name.

import { element } from "./dom.js";

export class Tree {
  #root;
  #tables = [];

  constructor(root, search, onInsert) {
    this.#root = root;
    this.onInsert = onInsert;
    search.addEventListener("input", () => this.#draw(search.value.trim().toLowerCase()));
    search.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") this.#focus(this.#items()[0], event);
      if (event.key === "Enter") this.#insertBest(search.value.trim().toLowerCase(), event);
    });
    root.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("keydown", (event) => this.#pressed(event));
  }

  set tables(listed) {
    this.#tables = [...listed].sort((a, b) => a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name));
    this.#draw("");
  }

  #draw(filter) {
    const fits = (each) => `${each.name} ${each.comment ?? ""}`.toLowerCase().includes(filter);
    const drawn = [];
    for (const table of this.#tables) {
      const columns = filter && !fits(table) ? table.columns.filter(fits) : table.columns;
      if (fits(table) || columns.length) drawn.push(branch(table, columns, Boolean(filter) && !table.name.includes(filter)));
    }
    this.#root.replaceChildren(...(drawn.length ? drawn : [element("li", { class: "empty" }, filter ? "No table or column contains this." : "Loading…")]));
    const first = this.#items()[0];
    if (first) first.tabIndex = 0;
  }

  /** Items that can be seen, in order. */
  #items() {
    return [...this.#root.querySelectorAll("[role=treeitem]")].filter((item) => !item.closest("[role=group][hidden]"));
  }

  #focus(item, event) {
    if (!item) return;
    for (const other of this.#root.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
    event?.preventDefault();
  }

  /** Insert the item whose name fits best: the same, else one that has the text in it, else the first. */
  #insertBest(filter, event) {
    const items = this.#items();
    const name = (item) => item.dataset.name.toLowerCase();
    const best = items.find((item) => name(item) === filter) ?? items.find((item) => name(item).includes(filter)) ?? items[0];
    if (!best || !filter) return;
    event.preventDefault();
    this.onInsert(best.dataset.name);
  }

  #clicked(event) {
    const item = event.target.closest("[role=treeitem]");
    if (!item) return;
    this.#focus(item);
    if (event.target.closest(".name")) this.onInsert(item.dataset.name);
    else if (item.hasAttribute("aria-expanded")) open(item, item.getAttribute("aria-expanded") === "false");
  }

  #pressed(event) {
    const item = event.target.closest("[role=treeitem]");
    const items = this.#items();
    const here = items.indexOf(item);
    const isOpen = item.getAttribute("aria-expanded");
    if (event.key === "ArrowDown") this.#focus(items[here + 1], event);
    else if (event.key === "ArrowUp") this.#focus(items[here - 1], event);
    else if (event.key === "Home") this.#focus(items[0], event);
    else if (event.key === "End") this.#focus(items.at(-1), event);
    else if (event.key === "ArrowRight" && isOpen === "false") open(item, true);
    else if (event.key === "ArrowRight" && isOpen === "true") this.#focus(items[here + 1], event);
    else if (event.key === "ArrowLeft" && isOpen === "true") open(item, false);
    else if (event.key === "ArrowLeft") this.#focus(item.parentElement.closest("[role=treeitem]"), event);
    else if (event.key === "Enter") this.onInsert(item.dataset.name);
    else return;
    event.preventDefault();
  }
}

function branch(table, columns, isOpen) {
  const group = element("ul", { role: "group", hidden: !isOpen });
  const item = element(
    "li",
    { role: "treeitem", "aria-expanded": String(isOpen), "aria-level": 1, tabindex: -1, "data-name": table.name, class: table.kind },
    element("div", { class: "row" }, element("span", { class: "arrow", "aria-hidden": "true" }), element("span", { class: "name" }, table.name)),
    element("div", { class: "about" }, table.comment ?? ""),
    group,
  );
  group.append(...columns.map(leaf));
  return item;
}

function leaf(column) {
  return element(
    "li",
    { role: "treeitem", "aria-level": 2, tabindex: -1, "data-name": column.name },
    element("div", { class: "row" }, element("span", { class: "name" }, column.name), element("span", { class: "type" }, column.type.toLowerCase())),
    element("div", { class: "about" }, column.comment ?? ""),
  );
}

function open(item, isOpen) {
  item.setAttribute("aria-expanded", String(isOpen));
  item.querySelector("[role=group]").hidden = !isOpen;
}
