// Make elements. Text is only ever set as text, so nothing that comes from the catalog becomes HTML.

/** Make an element: attributes (functions become listeners, false and null are left out), then children or text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Tell people something for a moment; screen readers say it too. */
export function say(text) {
  const place = byId("message");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => place.classList.remove("shown"), 1800);
}

/** Copy text; without the clipboard (plain http on another host) a field is selected and copied instead. */
export async function copy(text, what = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = element("textarea", { class: "hidden", "aria-hidden": "true" });
    const before = document.activeElement;
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    before?.focus();
  }
  say(what);
}

/** Say whether a key press is meant for a field and not for us. */
export function isTyping(event) {
  return event.target instanceof Element && event.target.closest("input:not([type=checkbox], [type=file]), textarea, select, [contenteditable]") !== null;
}

/** Make a row of tabs work with arrow keys: role=tab buttons in `list`, each naming its panel by aria-controls. */
export function tabs(list, onChange = () => {}) {
  const buttons = [...list.querySelectorAll("[role=tab]")];
  const choose = (chosen, focus = false) => {
    for (const button of buttons) {
      const isChosen = button === chosen;
      button.setAttribute("aria-selected", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
      byId(button.getAttribute("aria-controls")).hidden = !isChosen;
    }
    if (focus) chosen.focus();
    onChange(chosen.dataset.tab);
  };
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("[role=tab]");
    if (chosen) choose(chosen);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const shown = buttons.filter((button) => !button.hidden);
    choose(shown[(shown.indexOf(document.activeElement) + step + shown.length) % shown.length], true);
    event.preventDefault();
  });
  return (name) => choose(buttons.find((button) => button.dataset.tab === name));
}
