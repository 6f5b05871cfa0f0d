// Completions at a position of a statement: columns of its tables first, then tables, functions, keywords, questions.

import { FUNCTIONS, aliases, keywords, wordBefore } from "./sql.js";

const MAX_OPTIONS = 12;

export class Completer {
  constructor() {
    this.tables = new Map();
    this.questions = [];
  }

  setSchema(listed) {
    this.tables = new Map(listed.map((table) => [table.name, table]));
  }

  setQuestions(listed) {
    this.questions = listed;
  }

  /** List what fits at `at`: {start, options: [{text, insert, kind, about}]}; short words have options only when `isExplicit` (Ctrl Space). */
  at(sql, at, isExplicit) {
    const { owner, word, start, isText } = wordBefore(sql, at);
    if (isText || (!isExplicit && !owner && word.length < 2)) return { start, options: [] };
    const tableOf = aliases(sql);
    const options = owner ? this.#columns([tableOf[owner] ?? owner]) : this.#everything(tableOf);
    const isDone = !isExplicit && options.some(({ text }) => text.toLowerCase() === word.toLowerCase());
    return { start, options: isDone ? [] : best(options, word) };
  }

  #everything(tableOf) {
    return [
      ...this.#columns(new Set(Object.values(tableOf))),
      ...[...this.tables.values()].map((t) => option(t.name, t.kind, t.comment)),
      ...FUNCTIONS.map((name) => option(name, "function", "", `${name}(`)),
      ...keywords.map((name) => option(name, "keyword", "")),
      ...this.questions.map((q) => option(q.name, "question", q.title, `(\n${q.sql.trim().replace(/;$/, "")}\n) AS ${q.name}`)),
    ];
  }

  #columns(names) {
    const columns = new Map();
    for (const name of names) {
      for (const column of this.tables.get(name)?.columns ?? []) {
        columns.set(column.name, option(column.name, column.type, column.comment));
      }
    }
    return [...columns.values()];
  }
}

function option(text, kind, about, insert = text) {
  return { text, kind, about: about ?? "", insert };
}

function best(options, word) {
  const prefix = word.toLowerCase();
  const rank = ({ text }) => {
    const where = text.toLowerCase().indexOf(prefix);
    return where === 0 ? 0 : where > 0 ? 1 : 2;
  };
  return options
    .map((each, order) => ({ each, order, rank: rank(each) }))
    .filter((candidate) => candidate.rank < 2)
    .sort((a, b) => a.rank - b.rank || a.order - b.order)
    .slice(0, MAX_OPTIONS)
    .map(({ each }) => each);
}
