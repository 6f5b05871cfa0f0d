// Run one query at a time: start it, wait for its end, show the time that passes, cancel it.

import { cancelQuery, startQuery, waitQuery } from "./api.js";
import { byId } from "./dom.js";

export class Runner {
  #running = null;

  get isRunning() {
    return this.#running !== null;
  }

  /** Run a query and return how it ended; a newer run or a cancelled start returns null. */
  async run(request) {
    if (this.isRunning) this.cancel();
    const run = { id: null, isCancelled: false };
    this.#running = run;
    const stop = clock();
    this.#buttons();
    try {
      const started = await startQuery(request);
      run.id = started.query_id;
      if (run.isCancelled) await cancelQuery(run.id);
      let query = started;
      while (query.state === "running" || query.state === "waiting") query = await waitQuery(run.id);
      return this.#running === run ? query : null;
    } finally {
      stop();
      if (this.#running === run) this.#running = null;
      this.#buttons();
    }
  }

  /** Cancel the running query; `run` then returns its end. */
  async cancel() {
    const run = this.#running;
    if (!run) return;
    run.isCancelled = true;
    if (run.id) await cancelQuery(run.id).catch(() => {}); // it had ended before: `run` returns its end
  }

  #buttons() {
    byId("cancel").hidden = !this.isRunning;
    byId("run").hidden = this.isRunning;
  }
}

/** Show the seconds that pass, from the second tick on; returns how to stop. */
function clock() {
  const start = performance.now();
  const place = byId("status");
  place.setAttribute("aria-busy", "true");
  const tick = () => {
    place.textContent = `Running, ${((performance.now() - start) / 1000).toFixed(1)} s`;
  };
  const timer = setInterval(tick, 100);
  place.textContent = "Running";
  return () => {
    clearInterval(timer);
    place.removeAttribute("aria-busy");
  };
}
