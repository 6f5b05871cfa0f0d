// plotly, loaded once with the first chart, and the look of its charts in the theme of the page.

import { element } from "./dom.js";

const NARROW_PX = 600;
// plotly writes the style of its maps into the page unless an element has this id; we draw no maps, and the policy forbids it.
const MAP_STYLE = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";

/** Read the colours of the theme from the page. */
export function shade(name) {
  const probe = element("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export const palette = () => ["chart-1", "chart-2", "chart-3", "chart-4", "chart-5", "chart-6"].map(shade);

export function look(width) {
  const [ink, line, faint] = [shade("soft"), shade("line"), shade("grey")];
  const axis = (given) => ({ ...given, gridcolor: line, linecolor: faint, zerolinecolor: line, tickcolor: faint });
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
    margin: { l: 60, r: 16, t: 12, b: 48 },
    legend: width < NARROW_PX ? { orientation: "h", y: -0.25 } : {},
    template: { layout: { xaxis: axis({}), yaxis: axis({}) } },
    hoverlabel: { font: { family: getComputedStyle(document.body).fontFamily } },
  };
}

/** Fetch plotly once. */
export function library() {
  library.loading ??= new Promise((resolve, reject) => {
    document.body.append(element("span", { id: MAP_STYLE, hidden: true }));
    const script = element("script", { src: "/static/plotly.min.js" });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly is not installed on the server: pip install 'safelight[serve]'")));
    document.head.append(script);
  });
  return library.loading;
}
