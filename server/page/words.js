// What is known, in the words of the command line.

import { el } from "./dom.js";

export const STATES = ["pending", "provisioning", "running", "updating", "destroying"];
export const HEALTHS = ["healthy", "unhealthy", "unknown"];

const numbers = new Intl.NumberFormat("en");
/** A number for people. */
export const number = (value) => numbers.format(value);

/** A time as a distance from now: `in 3 s`, `5 min ago`. */
export function when(at, now = Date.now()) {
  const seconds = Math.trunc((Date.parse(at) - now) / 1000);
  if (seconds === 0) return "just now";
  return seconds > 0 ? `in ${distance(seconds)}` : `${distance(-seconds)} ago`;
}

/** How long, in one unit. */
export function distance(seconds) {
  if (seconds >= 86400) return `${Math.floor(seconds / 86400)} d`;
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h`;
  if (seconds >= 60) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds)} s`;
}

/** A time on the clock of this machine, without the day where that is today. */
export function clock(at) {
  const date = new Date(at);
  const two = (part) => String(part).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

const told = { when, since: (at) => distance(Math.max(0, (Date.now() - Date.parse(at)) / 1000)), clock };

/** A time that goes on: how it is told is `when`, `since` or `clock`. */
export function time(at, how = "when") {
  return el("time", { datetime: at, title: at, "data-how": how }, told[how](at));
}

/** Tells every time on the page anew. */
export function tick() {
  for (const element of document.querySelectorAll("time[data-how]")) {
    const words = told[element.dataset.how](element.dateTime);
    if (element.textContent !== words) element.textContent = words;
  }
}
setInterval(tick, 1000);

/** An error's message, and the platform's words unless the message has them. */
export function reason(error) {
  if (!error) return "";
  return error.platform && !error.message.includes(error.platform) ? `${error.message} [${error.platform}]` : error.message;
}

/** What a spec's number is called. */
export const version = (spec) => `v${spec}`;

const WAYS = {
  forward: "on its way",
  repair: "being repaired",
  undo: "being undone",
  destroy: "being removed",
  release: "what it retained is being removed",
};

/** What is on its way for a tenant, in a few words: `being undone, tries again in 3 s`. */
export function operation(view) {
  let words = WAYS[view.direction] ?? view.direction;
  if (view.target && view.direction === "forward") words += ` to ${version(view.target)}`;
  if (view.waits) words += `, waits until ${view.waits.what}`;
  if (view.run === "stopping") words += ", stopping";
  if (view.run === "waiting") words += view.until ? `, tries again ${when(view.until)}` : ", waits";
  if (view.attempt > 1) words += ` (attempt ${view.attempt})`;
  return words;
}

/** What a person has to know of a tenant, in a line. */
export function summary(view) {
  if (view.operation) return operation(view.operation);
  if (view.repair_due) return `repair ${when(view.repair_due)}`;
  if (view.last_failure) return `last ${view.last_failure.kind ?? "operation"} failed ${when(view.last_failure.at)}: ${reason(view.last_failure.error)}`;
  if (view.paused) return `paused ${when(view.paused)}`;
  return "";
}

/** How an operation ended. */
export function ended(settled) {
  switch (settled?.as) {
    case undefined: return "on its way";
    case "failed": return settled.undone ? "failed, and undone" : "failed";
    case "cancelled": return "cancelled";
    case "superseded": return `superseded by ${settled.by}`;
    default: return settled.as;
  }
}

/** What happened, and what ended with it. */
export function event(event) {
  let words = happened(event);
  for (const { operation, settled } of event.settled ?? []) words += `; operation ${operation} ${ended(settled)}`;
  return words;
}

const STOPS = {
  cancelled: "stopping, it was cancelled",
  destroy: "stopping, a destroy follows",
  deadline_exceeded: "stopping, its deadline is over",
};

function happened({ what, at }) {
  const now = Date.parse(at);
  switch (what.kind) {
    case "began": {
      const to = what.spec ? ` to spec ${version(what.spec)}` : "";
      return `${what.operation_kind}${what.operation_kind === "restart" ? to.replace(" to", " of") : to} began${what.reason ? `: ${what.reason}` : ""}`;
    }
    case "already_running": return "runs this spec already";
    case "queued":
      return what.spec ? `update ${what.queued} to spec ${version(what.spec)} waits for its turn` : `restart ${what.queued} waits for its turn`;
    case "progressed": return what.step;
    case "waits": return `waits until ${what.what}`;
    case "succeeded": {
      const changes = what.changes?.length ? `: ${what.changes.join(", ")}` : "";
      const retained = what.retained ? "; some of it is retained, as its spec asks" : "";
      return `succeeded${changes}${retained}`;
    }
    case "found_nothing": return "found nothing to update, provisions instead";
    case "will_retry": return `tries again ${when(what.at, now)}: ${reason(what.error)}`;
    case "retried": return "tries again";
    case "stopping": return STOPS[what.why] ?? "stopping";
    case "undoing": return what.error ? `undoing it: ${reason(what.error)}` : "undoing it, it was cancelled";
    case "undone": return "undone, everything is as it was before";
    case "repair_failed": {
      const next = what.next_at ? `, the next one ${when(what.next_at, now)}` : "";
      return what.error ? `repair failed${next}: ${reason(what.error)}` : `repair cancelled${next}`;
    }
    case "not_undone": return `not undone, a repair follows ${when(what.next_at, now)}: ${reason(what.error)}`;
    case "health_changed": return what.reason ? `${what.health}: ${what.reason}` : what.health;
    case "recovered": return "the engine was started again and goes on";
    case "handed_over": return "another engine goes on";
    case "queue_cancelled": return "what waited was cancelled";
    case "abandoned": return `abandoned: ${what.reason}${what.left?.length ? `; left: ${what.left.join(", ")}` : ""}`;
    default: return what.kind.replaceAll("_", " ");
  }
}

/** Whether an event tells of trouble, of success, or of neither. */
export function mood(event) {
  if (["will_retry", "undoing", "repair_failed", "not_undone", "abandoned"].includes(event.what.kind)) return "bad";
  if (event.settled?.some(({ settled }) => settled.as === "failed")) return "bad";
  if (event.what.kind === "health_changed") return event.what.health === "unhealthy" ? "bad" : event.what.health === "healthy" ? "good" : "";
  return event.what.kind === "succeeded" ? "good" : "";
}

/** Where a tenant answers, as it is typed into a browser. */
export const address = (endpoint) => endpoint.url ?? `${endpoint.type}://${endpoint.address}:${endpoint.port}`;
