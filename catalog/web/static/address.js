// A query as an address. All of it follows the #, which browsers do not send to servers.

const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

function decode(text) {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0)));
  } catch {
    return "";
  }
}

function object(text) {
  try {
    const settings = JSON.parse(decode(text));
    return settings && typeof settings === "object" ? settings : {};
  } catch {
    return {};
  }
}

/** Write {sql, asOf, parameters, chart} as the part behind the #. */
export function fragment({ sql, asOf, parameters, chart }) {
  const parts = [`q=${encode(sql)}`];
  if (asOf) parts.push(`as_of=${asOf}`);
  if (parameters && Object.keys(parameters).length) parts.push(`p=${encode(JSON.stringify(parameters))}`);
  if (chart) parts.push(`chart=${encode(JSON.stringify(chart))}`);
  return `#${parts.join("&")}`;
}

/** Read what fragment() wrote; a plain ?q= works too. */
export function fromAddress({ hash, search }) {
  const inside = new URLSearchParams(hash.slice(1));
  const asOf = inside.get("as_of") ?? "";
  return {
    sql: inside.has("q") ? decode(inside.get("q")) : (new URLSearchParams(search).get("q") ?? ""),
    asOf: /^\d+$/.test(asOf) ? asOf : "",
    parameters: inside.has("p") ? object(inside.get("p")) : {},
    chart: inside.has("chart") ? object(inside.get("chart")) : null,
  };
}
