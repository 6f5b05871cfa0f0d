// The HTTP API: one function for each request. Errors are sentences that people can read.

export class ApiError extends Error {
  constructor(message, kind, status) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError("The server does not answer. Is it still running?", "offline", 0);
  }
  if (answer.status === 401) location.assign("/login");
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(content.error ?? `The server answered ${answer.status}.`, content.kind ?? "", answer.status);
  return content;
}

const of = (id) => `/api/queries/${encodeURIComponent(id)}`;

export const startQuery = (query) => call("POST", "/api/queries", query);
export const waitQuery = (id, seconds = 10) => call("GET", `${of(id)}?wait_s=${seconds}`);
export const cancelQuery = (id) => call("DELETE", of(id));
export const summary = (id) => call("GET", `${of(id)}/summary`);
export const facets = (id) => call("GET", `${of(id)}/facets`);
export const resultAddress = (id, format) => `${of(id)}/result.${format}`;
export const schema = () => call("GET", "/api/schema");
export const snapshots = () => call("GET", "/api/snapshots");
export const limits = () => call("GET", "/api/limits");
export const questions = () => call("GET", "/api/questions");
export const saveQuestion = (name, question) => call("PUT", `/api/questions/${encodeURIComponent(name)}`, question);
export const deleteQuestion = (name) => call("DELETE", `/api/questions/${encodeURIComponent(name)}`);

export const reviewOverview = () => call("GET", "/api/review");
export const reviewItems = (queue, parameters) => call("GET", `/api/review/queues/${encodeURIComponent(queue)}?${new URLSearchParams(parameters)}`);
export const decide = (decision) => call("POST", "/api/review/decisions", decision);
export const undoDecision = (queue, id, parameters) => call("DELETE", `/api/review/queues/${encodeURIComponent(queue)}/decisions/${encodeURIComponent(id)}?${new URLSearchParams(parameters)}`);

export function rows(id, { offset = 0, limit = 100, orderBy = null, descending = false } = {}) {
  const parameters = new URLSearchParams({ offset, limit });
  if (orderBy !== null) {
    parameters.set("order_by", orderBy);
    parameters.set("descending", String(descending));
  }
  return call("GET", `${of(id)}/rows?${parameters}`);
}
