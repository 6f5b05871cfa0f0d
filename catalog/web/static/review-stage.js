// Two pictures held against each other: side by side, one after the other in one place, or their difference.

import { byId, element } from "./dom.js";

const FLICKER_MS = 600; // below three flashes a second
const VIEWS = ["side", "flicker", "difference"];
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Stage {
  constructor() {
    this.frames = byId("frames");
    this.film = byId("film");
    this.view = localStorage.getItem("safelight.review.view") ?? "side";
    setInterval(() => this.frames.dataset.view === "flicker" && !stillness.matches && this.turn(), FLICKER_MS);
  }

  /** Show the pictures of an item; `onChoose` is called with the chosen one. */
  show(item, marked, onChoose) {
    this.item = item;
    this.onChoose = onChoose;
    this.film.replaceChildren(...item.pictures.map((picture, place) => this.#print(picture, place)));
    this.film.hidden = item.pictures.length < 2;
    this.#draw("left", item.pictures[0]);
    this.mark(marked);
    this.choose(item.pictures.length > 1 ? 1 : 0);
  }

  /** Look at the picture in this place; keeps within the item. */
  choose(place, { focus = false } = {}) {
    const last = this.item.pictures.length - 1;
    this.chosen = Math.max(0, Math.min(last, place));
    [...this.film.children].forEach((each, number) => {
      each.setAttribute("aria-selected", String(number === this.chosen));
      each.tabIndex = number === this.chosen ? 0 : -1;
    });
    const print = this.film.children[this.chosen];
    if (focus) print.focus();
    print.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#draw("right", this.picture);
    this.setView(this.view, { keep: false });
    this.onChoose(this.picture);
  }

  get picture() {
    return this.item.pictures[this.chosen];
  }

  /** Change the view; a picture is not held against itself. */
  setView(name, { keep = true } = {}) {
    if (!VIEWS.includes(name)) return;
    if (keep) localStorage.setItem("safelight.review.view", name);
    this.view = name;
    this.frames.dataset.view = this.chosen === 0 ? "single" : name;
    this.frames.classList.remove("turned");
    for (const button of document.querySelectorAll("[data-view-button]")) {
      button.setAttribute("aria-pressed", String(button.dataset.viewButton === name));
      button.disabled = this.item.pictures.length < 2;
    }
  }

  /** In flicker: the other picture. */
  turn() {
    this.frames.classList.toggle("turned");
  }

  mark(marked) {
    [...this.film.children].forEach((each, place) => each.classList.toggle("marked", marked.has(this.item.pictures[place].sha256)));
    byId("right").classList.toggle("marked", this.chosen !== undefined && marked.has(this.picture?.sha256));
  }

  #print(picture, place) {
    const image = element("img", { src: `/api/assets/${picture.sha256}/thumbnail?side=160`, alt: "", width: 104, height: 78, loading: "lazy" });
    const print = element("li", { role: "option", "data-role": picture.role, "aria-label": `${picture.role}: ${picture.title}`, title: picture.title, click: () => this.choose(place, { focus: true }) });
    print.append(image, element("span", {}, picture.role));
    return print;
  }

  #draw(side, picture) {
    const image = byId(side).querySelector("img");
    image.src = picture.src;
    image.alt = `${picture.role}: ${picture.title}`;
    byId(side).querySelector("figcaption").replaceChildren(element("b", {}, picture.role), ` ${picture.title}`);
    byId(side).querySelector("figcaption").title = picture.title;
    byId(side).dataset.role = picture.role;
  }
}

/** Have the pictures of an item ready before it is shown. */
export function preload(item) {
  for (const picture of item.pictures.slice(0, 2)) new Image().src = picture.src;
}
