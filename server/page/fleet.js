// The fleet at a glance, and the list of tenants.

import { badge, bars, el, follow, put, say } from "./dom.js";
import { Offline, ask, hear, query } from "./server.js";
import { HEALTHS, STATES, number, operation, reason, summary, time, version } from "./words.js";

const PAGE = 50;
/** How often the server is asked for one page that few tenants are on. */
const LOOKS = 20;
/** The shortest pause between two looks. */
const PAUSE = 2000;
/** How many times as long as a look took nothing is asked for after it began. */
const BREATH = 5;
/** A look although nothing was heard. */
const IDLE = 30000;
const CONCERNS = {
  failing: ["bad", "failing"],
  failed: ["warn", "failed"],
  on_its_way: ["info", "on its way"],
};
/** How many of those that need a look are shown at first. */
const FIRST = 8;

/** Shows the fleet in `main`, as `asked` says, until the answer is called. */
export function showFleet(main, asked, { linked, failed, went }) {
  const filter = Object.fromEntries(["prefix", "label", "state", "health", "provider"].map((name) => [name, asked.get(name) ?? ""]));
  const view = build(filter, (changed) => go({ ...filter, ...changed }));
  put(main, view.root);
  document.title = "Fleet · landlord";

  let over = false;
  let timer;
  /** Whether a look comes soon, as something was heard. */
  let coming = false;
  let looking = false;
  /** Whether something was heard that the last look does not tell of. */
  let isOld = false;
  /** When the next look may be. */
  let notBefore = 0;
  /** When the last event was that was heard, by the server's clock. */
  let heardOf = 0;
  let whole = false;
  // After which tenant each page begins that was left for the next one.
  const pages = [""];
  let next;

  const lookOnce = async () => {
    if (over) return;
    clearTimeout(timer);
    coming = false;
    const began = Date.now();
    looking = true;
    isOld = false;
    try {
      const [fleet, page] = await Promise.all([ask("v1/fleet"), listed(filter, pages.at(-1))]);
      if (over) return;
      view.fleet(fleet, whole);
      ({ next } = page);
      await view.list(page, pages.length, fleet, Object.values(filter).some(Boolean));
      view.trouble();
      // What was counted before the last event does not tell of it.
      isOld ||= Date.parse(fleet.at) < heardOf;
    } catch (error) {
      if (over) return;
      if (!(error instanceof Offline)) view.trouble(error);
      failed(error);
    }
    // Where few fulfil a filter, a look is long; the server has more to do.
    notBefore = began + Math.max(PAUSE, BREATH * (Date.now() - began));
    looking = false;
    if (isOld) lookSoon();
    if (!over && !coming) timer = setTimeout(look, IDLE);
  };
  // One after the other, so that the last answer is the last that is shown.
  let looked = Promise.resolve();
  const look = () => (looked = looked.then(lookOnce));
  const lookSoon = () => {
    if (looking) isOld = true;
    if (looking || coming || over) return;
    coming = true;
    clearTimeout(timer);
    timer = setTimeout(look, Math.max(100, notBefore - Date.now()));
  };
  const heard = (event) => {
    heardOf = Date.parse(event.at);
    lookSoon();
  };

  view.onPage = async (forward) => {
    if (forward && next) pages.push(next);
    if (!forward && pages.length > 1) pages.pop();
    await look();
    view.afterPage();
  };
  view.onAll = () => {
    whole = !whole;
    look();
  };
  let silence = () => {};
  const first = look().then(() => {
    if (!over) silence = hear("v1/events", { heard, linked, opened: lookSoon });
  });
  went(first);
  return () => {
    over = true;
    clearTimeout(timer);
    silence();
  };
}

function go(filter) {
  const given = Object.entries(filter).filter(([, value]) => value);
  location.hash = given.length ? `#/?${new URLSearchParams(given)}` : "#/";
}

/** A page of the list. Where few fulfil the filter, the server ends it early, and is asked again. */
async function listed(filter, after) {
  const tenants = [];
  let next = after;
  for (let look = 0; look < LOOKS; look++) {
    const page = await ask(query("v1/tenants", { ...filter, after: next, limit: PAGE - tenants.length }));
    tenants.push(...page.tenants);
    ({ next } = page);
    if (!next || tenants.length >= PAGE) break;
  }
  return { tenants, next };
}

function build(filter, choose) {
  const view = {};
  const total = el("strong", { class: "total" }, "…");
  const attended = el("p", { class: "note" });
  const trouble = el("div", {});
  const states = el("ul", { class: "tiles", "aria-label": "By state" });
  const healths = el("ul", { class: "tiles", "aria-label": "By health" });
  const charts = el("div", { class: "charts" });
  const concerns = el("section", { class: "card", "aria-labelledby": "concerns", hidden: true });
  const body = el("tbody", {});
  const about = el("p", { class: "note", role: "status" }, "Loading …");
  const back = el("button", { type: "button", id: "page-back", onclick: () => view.onPage(false) }, "Previous");
  const on = el("button", { type: "button", id: "page-on", onclick: () => view.onPage(true) }, "Next");
  const empty = el("div", {});
  const scroll = el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "tenants" },
      el("caption", { class: "hidden" }, "Tenants, ordered by their names"),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ["Tenant", "State", "Health", "What", "Spec", "Provider", "Labels"].map((name) =>
            el("th", { scope: "col", class: WIDE[name] ?? "" }, name),
          ),
        ),
      ),
      body,
    ),
  );
  const pager = el("nav", { class: "pager", "aria-label": "Pages of tenants" }, back, on);
  const form = search(filter, choose);

  view.root = el(
    "div",
    { class: "stack" },
    el("div", { class: "head" }, el("h1", {}, "Fleet"), el("p", { class: "count" }, total, " tenants"), attended),
    trouble,
    el(
      "section",
      { class: "glance", "aria-label": "At a glance" },
      el("div", { class: "group" }, el("h2", {}, "State"), states),
      el("div", { class: "group" }, el("h2", {}, "Health"), healths),
      charts,
    ),
    concerns,
    el("section", { class: "card", "aria-labelledby": "tenants" }, el("h2", { id: "tenants", tabindex: "-1" }, "Tenants"), form.root, about, scroll, empty, pager),
  );
  pager.hidden = true;

  view.fleet = (fleet, whole) => {
    const count = (wanted) => fleet.counts.filter(wanted).reduce((sum, one) => sum + one.tenants, 0);
    say(total, number(count(() => true)));
    attention(attended, fleet.engine);
    tiles(states, STATES, filter.state, (state) => count((one) => one.state === state), (state) => choose({ state }));
    tiles(healths, HEALTHS, filter.health, (health) => count((one) => one.health === health), (health) => choose({ health }));
    form.providers([...new Set(fleet.counts.map((one) => one.provider))].sort());
    chart(charts, fleet.minutes);
    concerned(concerns, fleet.concerns, whole, () => view.onAll());
  };
  view.list = async ({ tenants, next }, page, fleet, isFiltered) => {
    follow(body, tenants, (tenant) => tenant.tenant_id, row, fillRow);
    const none = tenants.length === 0;
    scroll.hidden = none;
    pager.hidden = page === 1 && !next;
    back.disabled = page === 1;
    on.disabled = !next;
    if (!none) {
      say(about, `Page ${page}: ${tenants.length} of the tenants${isFiltered ? " that fulfil the filter" : ""}`);
      empty.replaceChildren();
    } else if (isFiltered || fleet.counts.length > 0 || page > 1) {
      say(about, next ? "None so far; the next page looks further." : "No tenant fulfils the filter.");
      empty.replaceChildren();
    } else {
      say(about, "There is no tenant yet.");
      if (!empty.hasChildNodes()) put(empty, await firstTenant());
    }
  };
  view.trouble = (error) => {
    put(trouble, error && el("div", { class: "alert", role: "alert" }, el("p", {}, error.message)));
  };
  view.afterPage = () => document.getElementById("tenants")?.focus();
  return view;
}

const WIDE = { Health: "wide-1", What: "", Spec: "wide-2", Provider: "wide-2", Labels: "wide-3" };

function attention(note, engine) {
  const words = {
    looks_after: "An engine looks after them",
    runs: "An engine runs",
    none: "No engine runs: nobody looks after them",
    unknown: "",
  }[engine.state];
  put(note, words, engine.looked_at && [", each looked at ", time(engine.looked_at)]);
}

function tiles(list, names, chosen, count, choose) {
  follow(
    list,
    names,
    (name) => name,
    (name) => {
      const figure = el("span", { class: "figure" });
      const button = el("button", { type: "button", class: `tile ${name}`, "aria-pressed": String(name === chosen), onclick: () => choose(name === chosen ? "" : name) }, figure, el("span", { class: "name" }, name));
      return el("li", {}, button);
    },
    (item, name) => {
      say(item.querySelector(".figure"), number(count(name)));
      item.classList.toggle("none", count(name) === 0);
    },
  );
}

function chart(place, minutes) {
  if (!minutes) return put(place);
  const all = [
    ["done", "Done", "good"],
    ["failed", "Failed", "bad"],
    ["retried", "Tried again", "warn"],
  ];
  put(
    place,
    all.map(([name, words, kind]) => {
      const numbers = minutes.map((minute) => minute[name]);
      const sum = numbers.reduce((one, other) => one + other, 0);
      // The minute that goes on is not over.
      const last = numbers.at(-2) ?? 0;
      const told = `${words}: ${number(sum)} in the last hour, ${number(last)} in the last minute`;
      return el(
        "figure",
        { class: "chart" },
        el("figcaption", {}, el("span", { class: "name" }, words), el("span", { class: "figure" }, number(sum)), el("span", { class: "unit" }, "/h"), el("span", { class: "figure last" }, number(last)), el("span", { class: "unit" }, "/min")),
        bars(numbers, told, kind),
      );
    }),
  );
}

function concerned(section, concerns, whole, turn) {
  section.hidden = concerns.length === 0;
  if (concerns.length === 0) return put(section);
  if (!section.hasChildNodes()) {
    const table = el(
      "table",
      { class: "concerned" },
      el("caption", { class: "hidden" }, "Tenants that need a look, the most urgent first"),
      el("thead", {}, el("tr", {}, ["Tenant", "Why", "What", "Since"].map((name) => el("th", { scope: "col", class: name === "Since" ? "wide-1" : "" }, name)))),
      el("tbody", {}),
    );
    put(section, el("h2", { id: "concerns" }, "Failing and slow first"), el("div", { class: "scroll" }, table), el("button", { type: "button", id: "all-concerns", class: "quiet", onclick: turn }));
  }
  const shown = whole ? concerns : concerns.slice(0, FIRST);
  follow(
    section.querySelector("tbody"),
    shown,
    (one) => one.tenant.tenant_id,
    (one) => el("tr", {}, el("th", { scope: "row" }, link(one.tenant.tenant_id)), el("td", {}), el("td", { class: "what" }), el("td", { class: "wide-1 num" })),
    (line, { concern, since, tenant }) => {
      const [, why, what, long] = line.children;
      const [kind, words] = CONCERNS[concern] ?? ["", concern];
      put(why, badge(kind, tenant.health === "unhealthy" && concern === "failing" ? "unhealthy" : words));
      const now = tenant.operation
        ? operation(tenant.operation)
        : summary({ ...tenant, last_failure: undefined }) || (concern === "failing" && `${tenant.state}, and ${tenant.health} as it was last seen`);
      const failure = tenant.last_failure && reason(tenant.last_failure.error);
      put(what, now && el("span", {}, now), failure && el("span", { class: "reason" }, failure));
      const at = since ?? tenant.last_failure?.at ?? tenant.settled_at;
      put(long, at && time(at, "since"));
    },
  );
  const button = section.querySelector("#all-concerns");
  button.hidden = concerns.length <= FIRST;
  say(button, whole ? "Show fewer" : `Show all ${concerns.length}`);
}

const link = (tenant) => el("a", { href: `#/tenants/${encodeURIComponent(tenant)}` }, tenant);

function row(tenant) {
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, link(tenant.tenant_id)),
    el("td", {}),
    el("td", { class: "wide-1" }),
    el("td", { class: "what" }),
    el("td", { class: "wide-2 num" }),
    el("td", { class: "wide-2" }),
    el("td", { class: "wide-3 labels" }),
  );
}

function fillRow(line, tenant) {
  const is = JSON.stringify(tenant);
  if (line.is === is) return;
  line.is = is;
  const [, state, health, what, spec, provider, labels] = line.children;
  put(state, badge(tenant.state, tenant.state), tenant.paused && badge("warn", "paused"));
  put(health, badge(tenant.health, tenant.health));
  what.classList.toggle("reason", !tenant.operation && Boolean(tenant.last_failure));
  say(what, summary(tenant));
  say(spec, tenant.spec ? version(tenant.spec) : "–");
  say(provider, tenant.provider);
  put(labels, Object.entries(tenant.labels ?? {}).map(([name, value]) => el("span", { class: "label" }, `${name}=${value}`)));
}

/** What asks for tenants. */
function search(filter, choose) {
  const field = (name, words, input) => el("label", { class: "field", for: `by-${name}` }, el("span", {}, words), input);
  const text = (name, words, hint) => field(name, words, el("input", { type: "search", id: `by-${name}`, name, placeholder: hint, ".value": filter[name], spellcheck: "false", autocapitalize: "off", autocomplete: "off" }));
  const select = (name, words, all) => {
    const options = [el("option", { value: "" }, "any"), ...all.map((one) => el("option", { value: one }, one))];
    return field(name, words, el("select", { id: `by-${name}`, name, ".value": filter[name], onchange: () => form.requestSubmit() }, options));
  };
  const submit = (event) => {
    event.preventDefault();
    choose(Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()])));
  };
  const form = el(
    "form",
    { class: "search", role: "search", onsubmit: submit },
    text("prefix", "Name begins with", "acme"),
    text("label", "Labels", "team=blue"),
    select("state", "State", STATES),
    select("health", "Health", HEALTHS),
    select("provider", "Provider", filter.provider ? [filter.provider] : []),
    el("button", { type: "submit" }, "Find"),
    Object.values(filter).some(Boolean) && el("button", { type: "button", class: "quiet", onclick: () => (location.hash = "#/") }, "Clear"),
  );
  for (const name of ["state", "health", "provider"]) form.elements[name].value = filter[name];
  const providers = (all) => {
    const list = form.elements.provider;
    const there = [...list.options].map((option) => option.value);
    for (const one of all.filter((one) => !there.includes(one))) list.append(el("option", { value: one }, one));
  };
  return { root: form, providers };
}

/** How a first tenant is made. */
async function firstTenant() {
  const { providers } = await ask("v1/providers");
  const names = providers.map((provider) => provider.name);
  const name = names.includes("process") ? "process" : (names[0] ?? "process");
  const [image, command] = name === "process" ? ["host", "\n    command: [landlord-compute, demo-tenant, --greeting, hello]"] : ["nginx:1.29", ""];
  const spec = `cat > acme.yaml <<'END'
tenant_id: acme
provider_type: ${name}
containers:
  - name: web
    image: ${image}${command}
    ports: [{ container_port: 80, name: http }]
resources: { cpu: 250, memory: 256 }
END`;
  return el(
    "div",
    { class: "first" },
    el("p", {}, "Two commands in a terminal make the first one. It appears here by itself."),
    el("pre", { tabindex: "0", "aria-label": "The two commands" }, el("code", {}, `${spec}\nlandlord-compute provision -f acme.yaml`)),
  );
}
