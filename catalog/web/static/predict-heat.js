// The heat map of one answer over the picture: cells in red speak for it, cells in blue against it.

import { element } from "./dom.js";
import { svg } from "./predict-answers.js";

const FLAT = 1e-4; // of log-odds or of the value: less is no difference

/** Return the drawing for the sheet of a picture of this upright size in px, and a sentence on how to read it. */
export function drawHeatMap(map, width, height) {
  const { area, rows } = map;
  const most = Math.max(...rows.flat().map(Math.abs), FLAT);
  const [cellWidth, cellHeight] = [area.width / rows[0].length, area.height / rows.length];
  const cells = rows.flatMap((row, y) => row.map((drop, x) => svg("rect", {
    x: area.x + x * cellWidth, y: area.y + y * cellHeight, width: cellWidth, height: cellHeight,
    class: drop >= 0 ? "for" : "against", "fill-opacity": (0.65 * Math.abs(drop) / most).toFixed(3),
  }, svg("title", {}, `${drop >= 0 ? "" : "+"}${(-drop).toPrecision(2)}${map.unit ? ` ${map.unit}` : ""} when covered`))));
  const drawn = svg("svg", { class: "heat", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": `What counted for ${map.about}: ${place(map)}` }, ...cells);
  const isFlat = most <= FLAT;
  const note = element("p", { class: "soft heat-note" },
    isFlat ? `No covered part of the picture changed the answer ${map.about}.` : element("span", {}, element("b", { class: "heat-key for" }, "Red"), ` parts speak for ${map.about}, `, element("b", { class: "heat-key against" }, "blue"), " ones against it."),
    ` ${map.windows} parts were covered one after the other in ${map.seconds.toFixed(1)} s; the largest change of the ${map.unit === "log-odds" ? "log-odds" : "value"} is ${most.toPrecision(2)}${map.unit && map.unit !== "log-odds" ? ` ${map.unit}` : ""}.`);
  return [drawn, note];
}

/** Say in words where the strongest cell is. */
function place({ rows }) {
  const flat = rows.flat();
  const best = flat.indexOf(Math.max(...flat));
  const third = (at, of) => Math.min(2, Math.floor(3 * (at + 0.5) / of));
  const [y, x] = [third(Math.floor(best / rows[0].length), rows.length), third(best % rows[0].length, rows[0].length)];
  return `most in the ${["upper", "middle", "lower"][y]} ${["left", "centre", "right"][x]}`;
}
