// Questions: those that Safelight brings, and those that people saved in this workspace.

import { deleteQuestion, questions, saveQuestion } from "./api.js";
import { byId, element, say } from "./dom.js";

export class Questions {
  #listed = [];

  constructor(onChoose, onList) {
    this.onChoose = onChoose;
    this.onList = onList;
    byId("find-question").addEventListener("input", () => this.#draw());
    byId("save-cancel").addEventListener("click", () => byId("save-dialog").close());
    byId("save-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
  }

  async load() {
    this.#listed = await questions();
    this.onList(this.#listed);
    this.#draw();
  }

  /** Ask for a name for `sql`. */
  ask(sql) {
    this.sql = sql;
    byId("save-problem").textContent = "";
    byId("save-dialog").showModal();
    byId("save-name").focus();
  }

  async #save() {
    const [name, title] = [byId("save-name").value, byId("save-question").value];
    try {
      await saveQuestion(name, { title: title || name.replaceAll("_", " "), sql: this.sql });
      byId("save-dialog").close();
      say(`Saved as ${name}`);
      await this.load();
    } catch (error) {
      byId("save-problem").textContent = error.message;
    }
  }

  async #delete(question) {
    try {
      await deleteQuestion(question.name);
      say(`Deleted ${question.name}`);
      await this.load();
      byId("find-question").focus();
    } catch (error) {
      say(error.message);
    }
  }

  #draw() {
    const word = byId("find-question").value.trim().toLowerCase();
    const matches = this.#listed.filter(({ name, title, sql }) => `${name} ${title} ${sql}`.toLowerCase().includes(word));
    byId("questions").replaceChildren(...(matches.length ? matches.map((each) => this.#item(each)) : [element("li", { class: "empty" }, "No question contains this.")]));
  }

  #item(question) {
    const parameters = question.parameters.map(({ name }) => `$${name}`).join(" ");
    const remove = question.own
      ? element("button", { type: "button", class: "link remove", "aria-label": `Delete ${question.name}`, click: () => this.#delete(question) }, "delete")
      : null;
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", class: "entry", "data-name": question.name, click: () => this.onChoose(question) },
        element("b", {}, question.title || question.name),
        element("span", { class: "soft" }, [question.name, parameters].filter(Boolean).join(" ")),
        question.answer ? element("span", { class: "soft" }, ...withCode(question.answer)) : null,
      ),
      remove,
    );
  }
}

/** Set words between backticks as code. */
function withCode(text) {
  return text.split("`").map((part, number) => (number % 2 ? element("code", {}, part) : part));
}
