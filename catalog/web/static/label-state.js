// What is labelled so far, drawn: counts, agreement, people, the pictures that come next, a published release.

import { byId, element } from "./dom.js";
import { svg } from "./predict-answers.js";

export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** Draw the progress of a person at a task. */
export function drawState(progress, classes) {
  const { labels, counts, order, learnt_from: learnt, until_next: until } = progress;
  byId("progress").textContent = `${labels} ${labels === 1 ? "label" : "labels"} of ${progress.pool.toLocaleString("en")} pictures`;
  byId("learnt").textContent = progress.has_vectors
    ? `Order ${order}${learnt ? `, learnt from ${learnt} labels` : ", not learnt yet"} · ${progress.is_learning ? "learning …" : until ? `${until} more until the next` : "the next one follows"}`
    : "No vectors yet, so the order is random: safelight curate run makes them";
  const names = [...new Set([...classes, ...Object.keys(counts)])];
  const most = Math.max(1, ...Object.values(counts));
  byId("counts").replaceChildren(element("ul", { class: "tally" }, ...names.map((name) => element("li", {}, element("span", {}, name), element("span", { class: "n" }, String(counts[name] ?? 0)),
    svg("svg", { class: "bar", "aria-hidden": "true" }, svg("rect", { width: "100%", height: "100%", class: "rest" }), svg("rect", { width: `${100 * (counts[name] ?? 0) / most}%`, height: "100%" }))))));
  byId("agreement").replaceChildren(
    row("you with yourself, on repeats", progress.with_oneself),
    row("the model with you, on random pictures before you labelled them", progress.model));
  const others = progress.people.filter((each) => each.name !== progress.by);
  byId("people").replaceChildren(...(others.length ? [element("h3", {}, "People"), element("dl", { class: "agreement" }, ...others.map((each) => row(`${each.name}, ${each.labels} labelled: the same as you`, each.agreement)))] : []));
}

function row(name, { same, of }) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, of ? `${same} of ${of} (${percent(same / of)})` : "none yet"));
}

export function askedNext(pictures) {
  return pictures.map(({ picture }) => element("li", { "data-picture": picture }, element("img", { src: `/api/assets/${picture}/thumbnail?side=160`, alt: `Picture ${picture.slice(0, 8)}` })));
}

/** Say what was published, and what trains on it. */
export function drawPublished({ dataset, version, pictures, left_out: leftOut, splits, command }) {
  const parts = Object.entries(splits).map(([split, counts]) => `${split} ${Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(", ")}`);
  byId("published").replaceChildren(
    element("p", {}, element("a", { href: `/datasets/${dataset}/${version}` }, `${dataset}@${version}`), ` has ${pictures} pictures: ${parts.join("; ")}.`),
    ...(leftOut ? [element("p", { class: "soft" }, `${leftOut} labelled ${leftOut === 1 ? "picture is" : "pictures are"} not in it, because the current curation run has not kept ${leftOut === 1 ? "it" : "them"}; the next one takes the labels in.`)] : []),
    element("div", { class: "command" }, element("code", {}, command), element("button", { type: "button", class: "link", "data-copy": command }, "Copy")));
}
