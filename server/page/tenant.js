// One tenant: how it is, why, what happened, what it runs and what it prints.

import { RELEASE, actionsFor, confirm } from "./actions.js";
import { badge, el, follow, put, say } from "./dom.js";
import { Offline, ask, hear, logs, tenantPath } from "./server.js";
import { specsSection } from "./specs.js";
import { address, clock, ended, event as happened, mood, operation, reason, time, version } from "./words.js";

/** How many events are read at first, and shown at most. */
const EVENTS = 100;
const SHOWN = 300;
/** The shortest pause between two looks. */
const PAUSE = 300;
/** The most lines of logs that are kept. */
const LINES = 2000;

/** Shows a tenant in `main` until the answer is called. */
export function showTenant(main, tenant, { linked, failed, went, access }) {
  document.title = `${tenant} · landlord`;
  const mayCommand = access.role === "operator";
  const head = el("div", { class: "head" });
  const actions = el("div", { class: "actions", role: "group", "aria-label": "Actions" });
  const trouble = el("div", {});
  const now = el("section", { class: "card", "aria-labelledby": "now" });
  const endpoints = el("section", { class: "card", "aria-labelledby": "endpoints" });
  const operations = el("section", { class: "card", "aria-labelledby": "operations" });
  const specs = specsSection(tenant, mayCommand);
  const timeline = el("ol", { class: "timeline", "aria-label": "Events, the latest first", tabindex: "0" });
  const printed = logsSection(tenant);
  const news = el("p", { class: "hidden", role: "status" });
  const columns = el("div", { class: "columns", hidden: true });
  put(
    main,
    el(
      "div",
      { class: "stack" },
      el("nav", { "aria-label": "Where this is" }, el("a", { href: "#/" }, "Fleet"), " / ", el("span", { "aria-current": "page" }, tenant)),
      head,
      actions,
      news,
      trouble,
      columns,
    ),
  );
  put(
    columns,
    el("div", { class: "stack" }, now, endpoints, printed.root, specs.root),
    el("div", { class: "stack" }, el("section", { class: "card", "aria-labelledby": "events" }, el("h2", { id: "events" }, "Timeline"), timeline), operations),
  );
  put(head, el("h1", {}, tenant));

  let over = false;
  let timer;
  let lastLook = 0;
  let looking = false;
  let events = [];

  const look = async () => {
    looking = true;
    lastLook = Date.now();
    try {
      const document = await ask(tenantPath(tenant));
      if (over) return;
      columns.hidden = false;
      show(document);
      put(trouble);
    } catch (error) {
      if (over) return;
      if (error.code === "tenant_gone") gone(error);
      else if (!(error instanceof Offline)) put(trouble, el("div", { class: "alert", role: "alert" }, el("p", {}, error.message)));
      failed(error);
    } finally {
      looking = false;
    }
  };
  const lookSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (looking ? lookSoon() : look()), Math.max(50, lastLook + PAUSE - Date.now()));
  };

  const show = (document) => {
    const view = document.tenant;
    put(
      head,
      el("h1", {}, tenant),
      badge(view.state, view.state),
      badge(view.health, view.health),
      view.paused && badge("warn", "paused"),
      view.protected && badge("info", "protected"),
      el("span", { class: "note" }, view.provider, ", life ", view.incarnation, ", revision ", view.revision),
    );
    if (mayCommand) {
      const all = actionsFor(view);
      put(actions, all.map((action) => el("button", { type: "button", id: `do-${action.name}`, class: action.danger ? "danger" : "", onclick: () => confirm(action, view) }, action.words)));
    } else put(actions, el("p", { class: "note" }, access.token ? `Token ${access.token} only looks.` : "Here everybody only looks: no engine answers."));
    put(now, el("h2", { id: "now" }, "Now"), facts(document));
    put(endpoints, el("h2", { id: "endpoints" }, "Endpoints"), places(view));
    put(operations, el("h2", { id: "operations" }, "Operations"), operationsTable(document.operations));
    specs.show(document);
    printed.show(document);
    say(news, `${tenant}: ${view.state}, ${view.health}`);
  };

  const gone = ({ document }) => {
    columns.hidden = false;
    put(head, el("h1", {}, tenant), badge("gone", "gone"));
    const left = document.left ?? [];
    put(
      now,
      el("h2", { id: "now" }, "Now"),
      document.explanation ? explained(document.explanation) : el("p", {}, document.detail),
      left.length > 0 && [el("h3", {}, "Left when it was abandoned"), el("ul", {}, left.map((line) => el("li", {}, line)))],
    );
    put(actions, document.retained && mayCommand && el("button", { type: "button", id: "do-release", class: "danger", onclick: () => confirm(RELEASE, { tenant_id: tenant }) }, "Release what it retained"));
    for (const section of [endpoints, specs.root, printed.root, operations]) section.hidden = true;
    printed.stop();
    put(trouble);
    say(news, `${tenant} is gone`);
  };

  const heard = (event) => {
    if (events.some((one) => one.revision === event.revision)) return;
    events = [event, ...events].sort((one, other) => other.revision - one.revision).slice(0, SHOWN);
    for (const section of [endpoints, specs.root, printed.root, operations]) if (event.to) section.hidden = false;
    if (event.what.spec) specs.seen(event.what.spec);
    follow(timeline, events.filter(isNews), (one) => String(one.revision), line, () => {});
    lookSoon();
  };

  let silence = () => {};
  went(
    look().then(() => {
      if (!over) silence = hear(`${tenantPath(tenant)}/events?last=${EVENTS}`, { heard, linked, opened: lookSoon });
    }),
  );
  return () => {
    over = true;
    clearTimeout(timer);
    silence();
    printed.stop();
  };
}

/** Whether it tells more than the event before it: a provider may take the same step several times. */
function isNews(event, at, events) {
  const before = events[at + 1];
  return !(event.what.kind === "progressed" && before?.what.kind === "progressed" && before.what.step === event.what.step && before.operation === event.operation);
}

const pair = (name, ...value) => [el("dt", {}, name), el("dd", {}, value)];

function facts({ tenant: view, explanation, message, not_enforced: notEnforced, operations }) {
  const { operation: on, last_failure: failure } = view;
  const began = on && operations.find((one) => one.id === on.id);
  return [
    explanation && explained(explanation),
    failure && failed(failure),
    el(
      "dl",
      { class: "facts" },
      on && pair("operation", el("strong", {}, began?.kind ?? "operation"), " ", el("code", {}, on.id), " ", operation({ ...on, attempt: 1, until: undefined })),
      on && pair("attempt", String(on.attempt), began && [", asked for ", time(began.accepted_at)], began?.reason && `: ${began.reason}`),
      on?.waits && pair("waits", "for ", time(on.waits.since, "since"), ` until ${on.waits.what}`),
      on?.until && pair(on.run === "stopping" ? "may go on until" : "next try", time(on.until), " (", time(on.until, "clock"), ")"),
      on?.deadline && pair("deadline", time(on.deadline), " (", time(on.deadline, "clock"), ")"),
      view.next && pair("waits for its turn", el("code", {}, view.next.id), view.next.target ? `, an update to ${version(view.next.target)}` : ", a restart"),
      view.paused && pair("paused", time(view.paused), ": no retry and no repair begins"),
      pair("runs", view.spec ? `spec ${version(view.spec)}` : "nothing"),
      view.repairs > 0 && pair("repairs", `${view.repairs} without a quiet time between them`),
      view.repair_due && pair("next repair", time(view.repair_due)),
      message && pair("last success", message),
      view.settled_at && !on && pair("at rest since", time(view.settled_at)),
      Object.entries(view.labels ?? {}).length > 0 && pair("labels", Object.entries(view.labels).map(([name, value]) => el("span", { class: "label" }, `${name}=${value}`))),
      Object.entries(view.resources ?? {}).map(([name, id]) => pair(name, el("code", {}, id))),
      notEnforced.length > 0 && pair("not enforced", notEnforced.join(", ")),
    ),
  ];
}

/** Why the tenant is where it is, and what comes next. */
function explained({ why, since, tried = [], next = [], todo = [] }) {
  const line = (...parts) => el("div", {}, parts);
  const coming = ({ at, what }) => line(at && [time(at), " (", time(at, "clock"), "): "], what);
  return el(
    "div",
    { class: "explanation" },
    el("p", {}, why),
    el(
      "dl",
      { class: "reasons" },
      since && pair("since", time(since, "clock"), " (", time(since), ")"),
      tried.length > 0 && pair("tried", tried.map((one) => line(one))),
      next.length > 0 && pair("next", next.map(coming)),
      todo.length > 0 && pair("to do", todo.map(({ command, what }) => line(el("code", {}, command), ": ", what))),
    ),
  );
}

function failed(failure) {
  const { error } = failure;
  return el(
    "div",
    { class: "failure" },
    el("h3", {}, `The last ${failure.kind ?? "operation"} failed `, time(failure.at), " ", el("code", { class: "code" }, error.code)),
    el("p", {}, error.message),
    error.platform && !error.message.includes(error.platform) && el("blockquote", { "aria-label": "In the platform's words" }, error.platform),
  );
}

function places(view) {
  const all = view.endpoints ?? [];
  if (all.length === 0) return el("p", { class: "note" }, "It answers nowhere.");
  return el(
    "ul",
    { class: "plain" },
    all.map((endpoint) => {
      const url = address(endpoint);
      const isWeb = /^https?:\/\//.test(url);
      const where = [endpoint.container, endpoint.container_port && `port ${endpoint.container_port}`, endpoint.port_name].filter(Boolean).join(", ");
      return el("li", {}, isWeb ? el("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, url) : el("code", {}, url), where && el("span", { class: "note" }, ` ${where}`));
    }),
  );
}

function operationsTable(operations) {
  if (operations.length === 0) return el("p", { class: "note" }, "None is kept.");
  const heads = ["Id", "Kind", "Spec", "Asked for", "Ended", "Why"];
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      {},
      el("caption", { class: "hidden" }, "Operations, the latest first"),
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el(
        "tbody",
        {},
        operations.toReversed().map((one) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, el("code", {}, one.id)),
            el("td", {}, one.kind),
            el("td", { class: "num" }, one.target ? version(one.target) : "–"),
            el("td", { class: "num" }, time(one.accepted_at, "clock")),
            el("td", { class: one.settled?.as === "failed" ? "reason" : "" }, ended(one.settled)),
            el("td", {}, one.reason ?? ""),
          ),
        ),
      ),
    ),
  );
}

function line(event) {
  const attempt = event.attempt > 1 && el("span", { class: "note" }, `attempt ${event.attempt}`);
  return el(
    "li",
    { class: mood(event) },
    time(event.at, "clock"),
    el("p", {}, happened(event), " ", attempt),
    event.operation && el("code", { class: "note" }, event.operation),
  );
}

/** What the containers print, when somebody asks for it: it may hold the tenant's secrets. */
function logsSection(tenant) {
  const container = el("select", { id: "log-container" }, el("option", { value: "" }, "all"));
  const lines = el("div", { class: "lines", role: "log", "aria-live": "off", "aria-label": "Logs", tabindex: "0", hidden: true });
  const about = el("p", { class: "note", role: "status" });
  const start = el("button", { type: "button", id: "log-start", onclick: () => (stopping ? stop() : begin()) }, "Follow");
  const root = el(
    "section",
    { class: "card", "aria-labelledby": "logs" },
    el("h2", { id: "logs" }, "Logs"),
    el("div", { class: "controls" }, el("label", { class: "field", for: "log-container" }, el("span", {}, "Container"), container), start),
    about,
    lines,
  );
  let stopping;

  const begin = async () => {
    const mine = (stopping = new AbortController());
    say(start, "Stop");
    say(about, "Following …");
    lines.replaceChildren();
    lines.hidden = false;
    try {
      let waiting = [];
      let drawn;
      const draw = () => {
        drawn = undefined;
        const atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 8;
        lines.append(...waiting.slice(-LINES));
        waiting = [];
        while (lines.childElementCount > LINES) lines.firstElementChild.remove();
        if (atEnd) lines.scrollTop = lines.scrollHeight;
      };
      for await (const one of logs(tenant, { container: container.value, follow: true, signal: mine.signal })) {
        waiting.push(el("div", { class: `line ${one.source}` }, one.at && el("time", { datetime: one.at }, clock(one.at)), el("span", { class: "from" }, one.container), el("span", { class: "text" }, one.text)));
        drawn ??= requestAnimationFrame(draw);
      }
      if (stopping === mine) stop("The logs end here.");
    } catch (error) {
      if (stopping === mine) stop(error.name === "AbortError" ? "" : error.message);
    }
  };
  const stop = (words = "Stopped.") => {
    stopping?.abort();
    stopping = undefined;
    say(start, "Follow");
    say(about, words);
  };
  const show = ({ containers }) => {
    const there = new Set([...container.options].map((option) => option.value));
    for (const { name } of containers) if (!there.has(name)) container.append(el("option", { value: name }, name));
  };
  return { root, show, stop: () => stopping && stop() };
}
