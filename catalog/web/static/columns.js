// One line for each column of a result: what DuckDB's SUMMARIZE finds.

import { summary } from "./api.js";
import { count, kindOf } from "./cells.js";
import { byId, element } from "./dom.js";

const SHOWN = [
  ["column_name", "column"],
  ["column_type", "type"],
  ["null_percentage", "missing"],
  ["approx_unique", "distinct, approx."],
  ["min", "min"],
  ["q25", "25 %"],
  ["q50", "median"],
  ["q75", "75 %"],
  ["max", "max"],
  ["avg", "mean"],
  ["std", "std. dev."],
];

const TEXTS = new Set(["column_name", "column_type", "min", "max"]);

/** Draw the summary of a query's result. */
export async function drawColumns(query) {
  byId("columns").replaceChildren(element("p", { class: "soft" }, "Counting…"));
  const result = await summary(query.query_id).catch((error) => {
    byId("columns").replaceChildren(element("p", { class: "soft" }, "These columns could not be summed up."));
    throw error;
  });
  const place = Object.fromEntries(result.columns.map((column, each) => [column.name ?? column, each]));
  const shown = SHOWN.filter(([name]) => place[name] !== undefined);
  const head = element("tr", {}, ...shown.map(([name, title]) => element("th", { scope: "col", class: TEXTS.has(name) ? null : "n" }, title)));
  const body = result.rows.map((row) => {
    const isNumber = kindOf({ type: row[place.column_type] }) === "number";
    return element("tr", {}, ...shown.map(([name]) => cell(name, row[place[name]], isNumber)));
  });
  byId("columns").replaceChildren(element("table", { class: "columns" }, element("thead", {}, head), element("tbody", {}, ...body)));
}

function cell(name, value, isNumber) {
  if (value === null || value === "") return element("td", { class: "n" }, element("span", { class: "null" }, "NULL"));
  if (name === "column_name") return element("th", { scope: "row" }, value);
  if (name === "column_type") return element("td", { class: "soft mono" }, value.toLowerCase());
  if (name === "null_percentage") return element("td", { class: "n" }, ...share(Number(value)));
  if (name === "approx_unique") return element("td", { class: "n" }, count(value));
  const number = Number(value);
  const text = Number.isFinite(number) && !Number.isInteger(number) ? String(Number(number.toPrecision(5))) : String(value);
  return element("td", { class: isNumber ? "n" : null, title: text.length > 40 ? text : null }, text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

function share(percent) {
  const meter = element("meter", { min: 0, max: 100, value: percent, "aria-hidden": "true" });
  return [meter, ` ${Number(percent.toPrecision(3))} %`];
}
