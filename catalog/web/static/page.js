// What every page does: theme, list of shortcuts, copy buttons, pictures that cannot be shown.

import { byId, copy, isTyping } from "./dom.js";

const root = document.documentElement;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  root.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem("safelight.theme", root.dataset.theme);
  document.dispatchEvent(new Event("themechange"));
}

byId("theme").addEventListener("click", switchTheme);
byId("help").addEventListener("click", () => byId("shortcuts").showModal());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")));

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button.dataset.copy);
});

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "?") byId("shortcuts").showModal();
  else if (event.key === "t") switchTheme();
  else return;
  event.preventDefault();
});

const NO_PREVIEW = "/static/no-preview.svg";

/** Show a drawing in place of a picture that cannot be shown; its alternative text stays. */
function replaceBroken(image) {
  if (image.getAttribute("src") && !image.src.endsWith(NO_PREVIEW)) image.src = NO_PREVIEW;
}

document.addEventListener("error", ({ target }) => target instanceof HTMLImageElement && replaceBroken(target), true); // they do not bubble
[...document.images].filter((image) => image.complete && image.naturalWidth === 0).forEach(replaceBroken);
