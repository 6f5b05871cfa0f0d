// The SQL editor: a textarea that people know, with colours drawn behind it and a list of completions.

import { element } from "./dom.js";
import { pieces } from "./sql.js";

export class Editor {
  #field;
  #ink;
  #list;
  #completer;
  #offer = { start: 0, options: [] };
  #chosen = 0;

  /** `completer.at(sql, position, isExplicit)` lists the completions; `onChange` is called on every change. */
  constructor(root, completer, onChange) {
    this.#field = root.querySelector("textarea");
    this.#ink = root.querySelector("pre");
    this.#list = root.querySelector("[role=listbox]");
    this.#completer = completer;
    this.onChange = onChange;
    this.#field.addEventListener("input", () => this.#changed(true));
    this.#field.addEventListener("scroll", () => this.#follow());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    this.#field.addEventListener("blur", () => this.#close());
    this.#field.addEventListener("click", () => this.#close());
    this.#list.addEventListener("mousedown", (event) => {
      const item = event.target.closest("[role=option]");
      if (item) this.#take(Number(item.dataset.number));
      event.preventDefault();
    });
  }

  get text() {
    return this.#field.value;
  }

  set text(value) {
    this.#field.value = value;
    this.#field.setSelectionRange(0, 0);
    this.#field.scrollTop = 0;
    this.#changed(false);
  }

  get isOpen() {
    return !this.#list.hidden;
  }

  focus() {
    this.#field.focus();
  }

  /** Put text at the cursor, in a way that the browser can undo. */
  insert(text, start = this.#field.selectionStart, end = this.#field.selectionEnd) {
    this.#field.focus();
    this.#field.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) this.#field.setRangeText(text, start, end, "end");
    this.#close();
    this.#changed(false);
  }

  #changed(isTyped) {
    const parts = pieces(this.text).map(({ kind, text }) =>
      kind === "space" || kind === "word" || kind === "sign" ? text : element("span", { class: `sql-${kind}` }, text),
    );
    this.#ink.firstElementChild.replaceChildren(...parts, "\n");
    this.#follow();
    if (isTyped) this.#open(false);
    this.onChange(this.text);
  }

  #follow() {
    this.#ink.scrollTop = this.#field.scrollTop;
    this.#ink.scrollLeft = this.#field.scrollLeft;
  }

  #pressed(event) {
    if (event.key === " " && event.ctrlKey) {
      this.#open(true);
      event.preventDefault();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      this.#close();
    } else if (this.isOpen && !event.ctrlKey && !event.metaKey) {
      this.#pressedInList(event);
    } else if (event.key === "Enter" && !event.shiftKey) {
      const line = this.text.slice(0, this.#field.selectionStart).split("\n").at(-1);
      this.insert(`\n${/^ */.exec(line)[0]}`);
      event.preventDefault();
    }
  }

  #pressedInList(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#choose((this.#chosen + step + this.#offer.options.length) % this.#offer.options.length);
    else if (event.key === "Tab" || event.key === "Enter") this.#take(this.#chosen);
    else if (event.key === "Escape") this.#close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #open(isExplicit) {
    this.#offer = this.#completer.at(this.text, this.#field.selectionStart, isExplicit);
    if (!this.#offer.options.length) {
      this.#close();
      return;
    }
    this.#list.replaceChildren(
      ...this.#offer.options.map(({ text, kind, about }, number) =>
        element(
          "li",
          { role: "option", id: `completion-${number}`, "data-number": number },
          element("b", {}, text),
          element("span", { class: "kind" }, kind),
          element("span", { class: "about" }, about),
        ),
      ),
    );
    this.#list.hidden = false;
    this.#field.setAttribute("aria-expanded", "true");
    this.#place();
    this.#choose(0);
  }

  #choose(number) {
    this.#chosen = number;
    for (const [each, item] of [...this.#list.children].entries()) item.setAttribute("aria-selected", String(each === number));
    this.#list.children[number].scrollIntoView({ block: "nearest" });
    this.#field.setAttribute("aria-activedescendant", `completion-${number}`);
  }

  #take(number) {
    this.insert(this.#offer.options[number].insert, this.#offer.start, this.#field.selectionStart);
  }

  #close() {
    this.#list.hidden = true;
    this.#field.setAttribute("aria-expanded", "false");
    this.#field.removeAttribute("aria-activedescendant");
  }

  /** Put the list below the word: lines do not wrap and all letters are as wide, so a count is enough. */
  #place() {
    const before = this.text.slice(0, this.#offer.start).split("\n");
    const style = getComputedStyle(this.#field);
    const line = Number.parseFloat(style.lineHeight);
    const top = Number.parseFloat(style.paddingTop) + before.length * line - this.#field.scrollTop;
    const left = Number.parseFloat(style.paddingLeft) + before.at(-1).length * letterWidth(style.font) - this.#field.scrollLeft;
    const widest = this.#field.clientWidth - this.#list.offsetWidth - 4;
    this.#list.style.top = `${Math.min(top, this.#field.clientHeight)}px`;
    this.#list.style.left = `${Math.max(4, Math.min(left, widest))}px`;
  }
}

function letterWidth(font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  return pen.measureText("0".repeat(100)).width / 100;
}
