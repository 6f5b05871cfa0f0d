// Values as people read them, and which columns name pictures.

export const PAGE = 100;
const LONGEST = 160;
const PICTURES = new Set(["asset_sha256", "keeper", "sha256", "asset_a", "asset_b"]);
const SHA256 = /^[0-9a-f]{64}$/;

/** List the places of columns whose values are pictures of the catalog; `asset_sha256` first. */
export function pictureColumns(columns) {
  const places = columns.flatMap(({ name }, place) => (PICTURES.has(name) || name.endsWith("_asset_sha256") ? [place] : []));
  return places.sort((a, b) => Number(columns[b].name === "asset_sha256") - Number(columns[a].name === "asset_sha256"));
}

export const isSha256 = (value) => typeof value === "string" && SHA256.test(value);
export const thumbnail = (sha256, side) => `/api/assets/${sha256}/thumbnail?side=${side}`;
export const picturePage = (sha256) => `/pictures/${sha256}`;

const NUMBERS = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|REAL|DECIMAL(\(.*\))?|INT\d*|BIGINT|HUGEINT|int\d+|uint\d+|float|double|halffloat|decimal\d*(\(.*\))?)$/i;
const TIMES = /^(TIMESTAMP.*|DATE|TIME.*|date.*|timestamp.*)$/i;

/** Say what a column is to a chart: number, time or category. */
export function kindOf(column) {
  if (NUMBERS.test(column.type)) return "number";
  return TIMES.test(column.type) ? "time" : "category";
}

/** Write a value whole: lists and structures as JSON. */
export function whole(value) {
  if (value === null) return "NULL";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Write a value on one line of the grid; what is cut ends in an ellipsis. */
export function short(value, column) {
  if (isSha256(value)) return `${value.slice(0, 12)}…`;
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  if (kindOf(column) === "time" && typeof value === "string") return value.replace("T", " ").replace(/(\.\d{3})\d+/, "$1");
  const text = whole(value).replace(/\s+/g, " ");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** Write an exposure time in seconds as the pages do (number_formats.py): 1/250 s. */
export function formatExposure(seconds) {
  if (!(seconds > 0)) return String(seconds);
  return seconds < 0.3 - 1e-6 ? `1/${Math.round(1 / seconds)} s` : `${Number(seconds.toPrecision(3))} s`;
}

export const count = (number) => Number(number).toLocaleString("en");
