// The answers about one picture, drawn: classes, values, votes, severities, rings of camera settings, faces, the catalog's row.

import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SHOWN_CLASSES = 5;
const SETTINGS = new Set(["f_number", "iso", "exposure_time"]);
const RADIUS = 17;

export function sentence(text) {
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** The answers about one face or the whole picture, headed by h<level>; `explain` gets a button and the name of its answer. */
export function section(subject, title, level, explain) {
  const heading = `h${level + (title ? 1 : 0)}`;
  const heads = subject.refusal ? [element("p", { class: "verdict" }, sentence(subject.refusal.text))] : groups(subject.heads).map((given) => group(given, heading, explain));
  return element("section", { class: "subject" }, title ? element(`h${level}`, { class: "face" }, title) : null, ...heads);
}

/** Put the three camera settings together, and the defects; every other answer stays alone. */
function groups(heads) {
  const made = [];
  for (const given of heads) {
    const kind = SETTINGS.has(given.task) && given.classes.length ? "rings" : given.scale && !given.votes.length ? "gauges" : "";
    if (kind && made.at(-1)?.kind === kind) made.at(-1).heads.push(given);
    else made.push({ kind, heads: [given] });
  }
  return made;
}

function group({ kind, heads }, heading, explain) {
  if (kind === "rings") return element("div", { class: "rings" }, ...heads.map((given) => ring(given, heading, why(given, explain))));
  if (kind === "gauges") return element("div", { class: "gauges" }, ...heads.map((given) => gauge(given, heading, why(given, explain))));
  const [given] = heads;
  const body = given.classes.length ? classes(given) : given.value === null ? [] : given.votes.length ? votes(given) : value(given);
  return element("div", { class: "head" }, name(given, heading), ...body, recorded(given), why(given, explain));
}

function name(given, heading) {
  return element(heading, { class: "title-of" }, given.title);
}

function why(given, explain) {
  if (!given.classes.length && given.value === null) return null;
  const button = element("button", { type: "button", class: "link why", "aria-pressed": "false", title: "Cover the picture piece by piece and see where the answer changes; takes some seconds" }, "What counted");
  button.setAttribute("aria-label", `What counted for ${given.title}`);
  button.addEventListener("click", () => explain(button, given.task));
  return button;
}

/** A ring of the classes of a camera setting in their order, the predicted one in red; EXIF below. */
function ring(given, heading, button) {
  let start = 0;
  const arcs = given.classes.map((each) => {
    const arc = svg("circle", { class: `arc${each.name === given.predicted ? " chosen" : ""}${each.name === given.recorded_class ? " true" : ""}`, cx: 21, cy: 21, r: RADIUS, pathLength: 100, "stroke-dasharray": `${Math.max(100 * each.probability - 1.2, 0.4)} 100`, "stroke-dashoffset": -start },
      svg("title", {}, `${each.description}: ${percent(each.probability)}`));
    start += 100 * each.probability;
    return arc;
  });
  const label = given.classes.map((each) => `${each.description} ${percent(each.probability)}`).join(", ");
  const drawing = svg("svg", { class: "ring", viewBox: "0 0 42 42", role: "img", "aria-label": `${given.title}: ${label}` }, svg("g", { transform: "rotate(-90 21 21)" }, ...arcs));
  const isRight = given.recorded_class !== null && given.recorded_class === given.predicted;
  const exif = given.recorded === null ? element("p", { class: "soft recorded" }, "no EXIF")
    : element("p", { class: "recorded" }, element("span", { class: isRight ? "right" : "wrong", "aria-hidden": "true" }, isRight ? "✓ " : "✗ "), `EXIF: ${given.recorded}`, given.recorded_class === null ? "" : ` (${isRight ? "as predicted" : describe(given, given.recorded_class)})`);
  const most = given.classes.find((each) => each.name === given.predicted);
  return element("div", { class: "head" }, name(given, heading), drawing,
    element("p", { class: "said" }, given.text), element("p", { class: "soft" }, most ? `probability ${percent(most.probability)}` : ""), exif, button);
}

function describe(given, name) {
  return given.classes.find((each) => each.name === name)?.description ?? name;
}

/** One severity on its whole scale: a bar from zero, and the interval as a line. */
function gauge(given, heading, button) {
  const { low, high } = given.scale;
  const place = (number) => 100 * (number - low) / (high - low);
  const zero = place(Math.min(Math.max(0, low), high));
  const at = place(given.value);
  const drawing = svg("svg", { class: "gauge", role: "img", "aria-label": `${short(given.value)} on a scale from ${short(low)} to ${short(high)}` },
    svg("rect", { width: "100%", height: "50%", y: "25%", rx: 3, class: "rest" }),
    svg("rect", { x: `${Math.min(zero, at).toFixed(2)}%`, width: `${Math.max(Math.abs(at - zero), 0.6).toFixed(2)}%`, height: "50%", y: "25%", class: "severity" }),
    ...(given.low === null ? [] : [svg("line", { x1: `${place(given.low).toFixed(2)}%`, x2: `${place(given.high).toFixed(2)}%`, y1: "50%", y2: "50%", class: "interval" }, svg("title", {}, `90 % interval ${short(given.low)} to ${short(given.high)}`))]),
    ...(low < 0 ? [svg("line", { x1: `${zero}%`, x2: `${zero}%`, y1: "5%", y2: "95%", class: "zero" })] : []));
  return element("div", { class: "head severity-of" }, name(given, heading), drawing, element("span", { class: "n" }, given.value.toFixed(2)), button);
}

/** The expected votes of many people as columns, with the mean and its interval. */
function votes(given) {
  const most = Math.max(...given.votes.map((each) => each.share), 1e-9);
  const step = 100 / given.votes.length;
  const { low, high } = given.scale;
  const mean = step * (given.value - low + 0.5);
  const label = given.votes.map((each) => `${short(each.score)}: ${percent(each.share)}`).join(", ");
  const columns = given.votes.flatMap((each, place) => [
    svg("rect", { x: `${step * (place + 0.1)}%`, width: `${step * 0.8}%`, y: `${(78 * (1 - each.share / most) + 2).toFixed(2)}%`, height: `${Math.max(78 * each.share / most, 0.7).toFixed(2)}%` }, svg("title", {}, `${short(each.score)}: ${percent(each.share)}`)),
    svg("text", { x: `${step * (place + 0.5)}%`, y: "97%", "text-anchor": "middle" }, short(each.score)),
  ]);
  const drawing = svg("svg", { class: "votes", role: "img", "aria-label": `Expected votes. ${label}` }, ...columns, svg("line", { x1: `${mean}%`, x2: `${mean}%`, y1: 0, y2: "81%", class: "mean" }));
  const interval = given.low === null ? "" : `, 90 % interval ${short(given.low)} to ${short(given.high)}`;
  return [element("p", { class: "said" }, short(given.value), element("span", { class: "soft" }, ` mean of ${short(low)} to ${short(high)}${interval}`)), drawing];
}

function classes(given) {
  const best = [...given.classes].sort((a, b) => b.probability - a.probability);
  const shown = given.classes.length <= SHOWN_CLASSES ? given.classes : best.slice(0, SHOWN_CLASSES);
  const rows = shown.map((each) => chance(each, each.name === given.predicted));
  const rest = best.slice(SHOWN_CLASSES).map((each) => chance(each, each.name === given.predicted));
  const more = given.classes.length > SHOWN_CLASSES ? element("details", {}, element("summary", {}, `${rest.length} more`), element("ul", { class: "chances" }, ...rest)) : null;
  return [element("p", { class: "said" }, given.text), element("ul", { class: "chances" }, ...rows), more];
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %`;
}

function chance(each, isChosen) {
  const name = each.description === each.name ? each.name : each.description;
  return element("li", isChosen ? { class: "chosen" } : {}, element("span", {}, name), element("span", { class: "n" }, percent(each.probability)), bar(each.probability));
}

function value(given) {
  const hasInterval = given.low !== null && given.high !== null;
  const interval = hasInterval ? element("span", { class: "soft" }, ` 90 % interval ${short(given.low)} to ${short(given.high)}${given.unit ? ` ${given.unit}` : ""}`) : element("span", { class: "soft" }, " without an interval: too few pictures to measure one");
  return [element("p", { class: "said" }, given.text, interval), hasInterval ? range(given) : null];
}

function recorded(given) {
  if (given.recorded === null) return null;
  const inClass = given.recorded_class === null ? "" : ` (${given.classes.find((each) => each.name === given.recorded_class)?.description ?? given.recorded_class})`;
  return element("p", { class: "soft recorded" }, `EXIF of the file: ${given.recorded}${inClass}`);
}

function short(number) {
  return Math.abs(number) < 1000 ? String(Number(number.toPrecision(3))) : Math.round(number).toLocaleString("en");
}

export function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, given] of Object.entries(attributes)) made.setAttribute(name, String(given));
  made.append(...children);
  return made;
}

function bar(share) {
  return svg("svg", { class: "bar", "aria-hidden": "true" },
    svg("rect", { width: "100%", height: "100%", class: "rest" }), svg("rect", { width: `${(100 * share).toFixed(2)}%`, height: "100%" }));
}

/** Draw an interval and its value on a track that is half as wide again. */
function range({ low, high, value: at }) {
  const [first, width] = [low - (high - low) / 4, 1.5 * (high - low) || 1];
  const place = (number) => `${(100 * (number - first) / width).toFixed(2)}%`;
  return svg("svg", { class: "range", "aria-hidden": "true" },
    svg("rect", { width: "100%", height: "40%", y: "30%", rx: 3, class: "track" }),
    svg("rect", { x: place(low), width: `${(100 * (high - low) / width).toFixed(2)}%`, height: "40%", y: "30%", rx: 3, class: "span" }),
    svg("circle", { cx: place(at), cy: "50%", r: 6, class: "point" }));
}

/** Boxes around the faces, with numbers where there are several. */
export function faces(boxed, width, height) {
  const size = Math.max(width, height) / 28;
  const marks = boxed.flatMap(({ box }, place) => [
    svg("rect", box, svg("title", {}, `Face ${place + 1}`)),
    ...(boxed.length > 1 ? [svg("text", { x: box.x, y: Math.max(box.y - size / 5, size), "font-size": size }, String(place + 1))] : []),
  ]);
  return svg("svg", { class: "faces", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": boxed.length === 1 ? "1 face" : `${boxed.length} faces` }, ...marks);
}

/** A warning, where the model was trained on the picture; null elsewhere. */
export function learnt(row, model) {
  if (!row.split || row.split === "test") return null;
  return element("p", { class: "verdict bad learnt" }, `The model was trained on ${model.dataset}@${model.version}, whose split ${row.split} has this picture: its answer says nothing about new pictures.`);
}

/** What the catalog has about the same bytes: the picture's page, its source, licence, decision and releases. */
export function inCatalog(row) {
  const releases = row.releases.flatMap(({ dataset, version, split }, place) => [place ? ", " : "", element("a", { href: `/datasets/${dataset}/${version}` }, `${dataset}@${version}`), ` (${split})`]);
  const facts = [
    ["Picture", [element("a", { class: "mono", href: `/pictures/${row.sha256}` }, row.sha256.slice(0, 12))]],
    ["Source", row.source ? [row.page_url ? element("a", { href: row.page_url, rel: "noopener noreferrer" }, row.source) : row.source] : null],
    ["Licence", row.licence ? [/^https?:/.test(row.licence) ? element("a", { href: row.licence, rel: "noopener noreferrer" }, row.licence) : row.licence] : null],
    ["Training", row.training_allowed === null ? null : [row.training_allowed ? "allowed" : "not allowed"]],
    ["Decision", row.decision ? [row.decision + (row.reason ? `: ${row.reason.replaceAll("_", " ")}` : "")] : ["not curated yet"]],
    ["Releases", releases.length ? releases : ["none"]],
  ].filter(([, body]) => body);
  return element("section", { class: "in-catalog" }, element("h3", {}, "In the catalog"),
    element("dl", { class: "facts" }, ...facts.map(([name, body]) => element("div", {}, element("dt", {}, name), element("dd", {}, ...body)))));
}
