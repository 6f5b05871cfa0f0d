// The pictures of a result as a contact sheet, with what else its rows say.

import { rows } from "./api.js";
import { formatExposure, isSha256, kindOf, pictureColumns, short } from "./cells.js";
import { byId, element } from "./dom.js";
import { card } from "./selection.js";

const MOST = 200;
const FACTS = 5;
const CHIEF = ["title", "camera", "f_number", "exposure_time", "iso"]; // what people look for first

/** Draw the first pictures of a query's result, and offer them to a selection. */
export async function drawGallery(query, selection) {
  const [place] = pictureColumns(query.columns);
  const page = await rows(query.query_id, { limit: MOST });
  const shown = page.rows.filter((row) => isSha256(row[place]));
  selection.offer([...new Set(shown.map((row) => row[place]))]);
  byId("pictures").replaceChildren(...shown.map((row) => print(selection, row, query.columns, place)));
  const total = Number(query.n_rows);
  byId("pictures-note").textContent = total > MOST ? `The pictures of the first ${MOST} of ${total.toLocaleString("en")} rows.` : "";
}

function print(selection, row, columns, place) {
  const facts = columns
    .map((column, each) => ({ column, value: row[each], each }))
    .filter(({ value, each }) => each !== place && value !== null && !isSha256(value))
    .sort((a, b) => rank(a.column) - rank(b.column))
    .slice(0, FACTS);
  const text = facts.map(({ column, value }) => fact(column, value));
  return card(selection, row[place], text[0] ?? row[place].slice(0, 12), text.join(" · "));
}

/** Order of a column in a caption: the chief ones, then the others as they come, keys and addresses last. */
function rank({ name }) {
  if (CHIEF.includes(name)) return CHIEF.indexOf(name);
  return /(_id|_url)$/.test(name) ? CHIEF.length + 1 : CHIEF.length;
}

function fact(column, value) {
  if (column.name === "exposure_time") return formatExposure(value);
  if (column.name === "f_number") return `f/${short(value, column)}`;
  if (column.name === "iso") return `ISO ${short(value, column)}`;
  return kindOf(column) === "number" ? `${column.name} ${short(value, column)}` : short(value, column);
}
