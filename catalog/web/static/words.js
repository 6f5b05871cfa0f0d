// What can be completed at a place of a statement: columns of its tables first, then tables, functions, keywords, questions.

import { FUNCTIONS, aliases, keywords, wordBefore } from "./sql.js";

const MOST = 12;

export class Words {
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

  /** List what fits at `at`: {start, options: [{text, insert, kind, about}]}; short words are asked about only when `wanted`. */
  at(sql, at, wanted) {
    const { owner, word, start, isText } = wordBefore(sql, at);
    if (isText || (!wanted && !owner && word.length < 2)) return { start, options: [] };
    const known = aliases(sql);
    const options = owner ? this.#columns([known[owner] ?? owner]) : this.#everything(known);
    const isDone = !wanted && options.some(({ text }) => text.toLowerCase() === word.toLowerCase());
    return { start, options: isDone ? [] : best(options, word) };
  }

  #everything(known) {
    return [
      ...this.#columns(new Set(Object.values(known))),
      ...[...this.tables.values()].map((t) => option(t.name, t.kind, t.comment)),
      ...FUNCTIONS.map((name) => option(name, "function", "", `${name}(`)),
      ...keywords.map((name) => option(name, "keyword", "")),
      ...this.questions.map((q) => option(q.name, "question", q.title, `(\n${q.sql.trim().replace(/;$/, "")}\n) AS ${q.name}`)),
    ];
  }

  #columns(names) {
    const found = new Map();
    for (const name of names) {
      for (const column of this.tables.get(name)?.columns ?? []) {
        found.set(column.name, option(column.name, column.type, column.comment));
      }
    }
    return [...found.values()];
  }
}

function option(text, kind, about, insert = text) {
  return { text, kind, about: about ?? "", insert };
}

function best(options, word) {
  const wanted = word.toLowerCase();
  const rank = ({ text }) => {
    const where = text.toLowerCase().indexOf(wanted);
    return where === 0 ? 0 : where > 0 ? 1 : 2;
  };
  return options
    .map((each, order) => ({ each, order, rank: rank(each) }))
    .filter((found) => found.rank < 2)
    .sort((a, b) => a.rank - b.rank || a.order - b.order)
    .slice(0, MOST)
    .map(({ each }) => each);
}
