// Asks the server, and hears what happens.

const KINDS = [
  "began", "already_running", "queued", "progressed", "waits", "succeeded", "found_nothing", "will_retry", "retried",
  "stopping", "undoing", "undone", "repair_failed", "not_undone", "health_changed", "recovered",
  "handed_over", "paused", "resumed", "queue_cancelled", "abandoned",
];
const AGAIN_FIRST = 1000;
const AGAIN_MOST = 15000;

/** Why the server did not do something, in its words. */
export class Problem extends Error {
  constructor(document) {
    super(document.detail);
    this.document = document;
    this.code = document.code;
  }
}

/** The server cannot be reached. */
export class Offline extends Error {}

/** Asks, and answers with a document. */
export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const answer = await raw(path, { method, body, headers, signal });
  return answer.status === 204 ? undefined : answer.json();
}

async function raw(path, { method = "GET", body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Offline("the server cannot be reached");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    document = { code: "", detail: `the server answers ${answer.status}` };
  }
  if (document.code === "unauthorized") dispatchEvent(new CustomEvent("landlord-unauthorized"));
  throw new Problem(document);
}

/** A path with a query of what is given. */
export function query(path, values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const tenantPath = (tenant) => `v1/tenants/${encodeURIComponent(tenant)}`;

/**
 * Hears what happens, until it is closed: `heard` gets each event, `linked` whether the server is there. It connects again
 * by itself, after the last event that it heard. `opened` is told each time, as what happened before may not be heard.
 */
export function hear(path, { heard, linked, opened }) {
  let source;
  let pause = AGAIN_FIRST;
  let timer;
  let last;
  const open = () => {
    source = new EventSource(last ? query(path.split("?")[0], { after: last }) : path);
    let isOpen = false;
    source.onopen = () => {
      pause = AGAIN_FIRST;
      linked(true);
      isOpen = true;
      opened();
    };
    source.onerror = async () => {
      source.close();
      clearTimeout(timer);
      timer = setTimeout(open, pause * (0.5 + Math.random() / 2));
      pause = Math.min(AGAIN_MOST, pause * 2);
      if (isOpen) return linked(false);
      // Why it is refused, an event source does not say. Where the server is there, it no longer knows the place: from now on.
      try {
        await ask("v1/access");
        last = undefined;
      } catch (error) {
        if (error instanceof Offline) linked(false);
      }
    };
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        last = message.lastEventId;
        heard(JSON.parse(message.data).data, message.lastEventId);
      });
    }
    source.addEventListener("gap", (message) => {
      last = message.lastEventId;
      opened();
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}

/** The lines of a tenant's logs, one after the other. */
export async function* logs(tenant, { container, follow, signal }) {
  const answer = await raw(query(`${tenantPath(tenant)}/logs`, { container, follow }), { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop();
    for (const line of lines.filter(Boolean)) {
      const document = JSON.parse(line);
      if (document.problem) throw new Problem(document.problem);
      yield document;
    }
    if (done) return;
  }
}
