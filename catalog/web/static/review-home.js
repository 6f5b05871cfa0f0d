// The list of queues: how much waits in each.

import { reviewOverview } from "./api.js";
import { byId, isTyping } from "./dom.js";

const links = [...document.querySelectorAll("#queues a")];

try {
  const overview = await reviewOverview();
  byId("no-run").hidden = overview.run_id !== null;
  byId("run").textContent = overview.run_id ? `Run ${overview.run_id}.` : "";
  for (const { queue, open, total } of overview.queues) {
    const link = links.find((each) => each.dataset.queue === queue);
    link.querySelector("[data-count]").textContent = total ? `${open.toLocaleString("en")} of ${total.toLocaleString("en")} open` : "empty";
    link.classList.toggle("done", open === 0);
  }
} catch (error) {
  byId("problem").textContent = error.message;
  byId("problem").hidden = false;
}
document.body.dataset.ready = "";

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const chosen = links[Number(event.key) - 1];
  if (chosen) chosen.click();
});
