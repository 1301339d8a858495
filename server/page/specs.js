// A tenant's specs, and what changed between two of them, field by field.

import { confirmSpec } from "./actions.js";
import { el, put } from "./dom.js";
import { ask, tenantPath } from "./server.js";
import { version } from "./words.js";

/** Values that may be secret are shown when somebody asks for them. */
const HIDDEN = /(^|\.)(env|headers|provider_config|command|args|entrypoint)(\.|\[|$)/;
/** How many versions can be chosen. */
const VERSIONS = 50;

/** The fields of a spec: what stands in a list is named by its name, so that one more in front changes only itself. */
export function fields(value, path = "", all = new Map()) {
  if (Array.isArray(value)) {
    if (value.length === 0) all.set(path, "[]");
    value.forEach((one, at) => fields(one, `${path}[${one?.name ?? one?.container_port ?? at}]`, all));
  } else if (value !== null && typeof value === "object") {
    const names = Object.keys(value);
    if (names.length === 0) all.set(path, "{}");
    for (const name of names) fields(value[name], path ? `${path}.${name}` : name, all);
  } else all.set(path, typeof value === "string" ? value : JSON.stringify(value));
  return all;
}

/** What changed from one spec to another. */
export function changes(from, to) {
  const [before, after] = [fields(from), fields(to)];
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ path, from: before.get(path), to: after.get(path) }));
}

function table(rows, heads, caption, isShown) {
  const cell = (path, value) => {
    if (value === undefined) return el("span", { class: "absent" }, "not there");
    if (HIDDEN.test(path) && !isShown) return el("span", { class: "absent" }, "•••");
    return el("code", {}, value);
  };
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "fields" },
      el("caption", { class: "hidden" }, caption),
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows.map(({ path, values }) => el("tr", {}, el("th", { scope: "row" }, el("code", {}, path)), values.map((value) => el("td", {}, cell(path, value)))))),
    ),
  );
}

/** The section of a tenant's specs. `show` tells it how the tenant is now. */
export function specsSection(tenant, mayCommand) {
  const root = el("section", { class: "card", "aria-labelledby": "specs" }, el("h2", { id: "specs" }, "Spec"));
  if (!mayCommand) {
    const facts = el("div", {});
    root.append(facts);
    return { root, seen: () => {}, show: (document) => put(facts, inShort(document), el("p", { class: "note" }, "Whole specs, which may hold secrets, need an operator's token.")) };
  }
  const known = new Map();
  const from = el("select", { id: "spec-from", onchange: () => draw() });
  const to = el("select", { id: "spec-to", onchange: () => draw() });
  const shown = el("input", { type: "checkbox", id: "spec-values", onchange: () => draw() });
  const content = el("div", { "aria-live": "polite" });
  const again = el("button", { type: "button", id: "spec-again", onclick: () => rollback() });
  const controls = el(
    "div",
    { class: "controls" },
    el("label", { class: "field", for: "spec-to" }, el("span", {}, "Show"), to),
    el("label", { class: "field", for: "spec-from" }, el("span", {}, "as it differs from"), from),
    el("label", { class: "check", for: "spec-values" }, shown, " values that may be secret"),
    again,
  );
  root.append(controls, content);
  let now;
  let offered = "";
  // The latest version that was told of, whatever became of it.
  let latest = 0;

  const load = async (number) => {
    if (!known.has(number)) known.set(number, ask(`${tenantPath(tenant)}/specs/${number}`).then((document) => document.spec));
    try {
      return await known.get(number);
    } catch (error) {
      known.delete(number);
      throw error;
    }
  };
  const draw = async () => {
    const [left, right] = [Number(from.value), Number(to.value)];
    again.hidden = !right || (right === now?.spec && !now.operation) || Boolean(now?.operation) || now?.state === "destroying";
    again.textContent = `Run ${version(right)} again …`;
    try {
      const [one, other] = [left ? await load(left) : undefined, await load(right)];
      if (left !== Number(from.value) || right !== Number(to.value)) return;
      if (!one) {
        const rows = [...fields(other)].map(([path, value]) => ({ path, values: [value] }));
        return put(content, table(rows, ["Field", version(right)], `Spec ${version(right)}`, shown.checked));
      }
      const all = changes(one, other);
      if (all.length === 0) return put(content, el("p", { class: "note" }, `${version(left)} and ${version(right)} are the same.`));
      const rows = all.map(({ path, from, to }) => ({ path, values: [from, to] }));
      put(content, table(rows, ["Field", version(left), version(right)], `What changed from ${version(left)} to ${version(right)}`, shown.checked));
    } catch (error) {
      put(content, el("p", { class: "note" }, error.message));
    }
  };
  const rollback = async () => {
    const right = Number(to.value);
    const spec = await load(right);
    const runs = now.spec ? await load(now.spec) : undefined;
    const all = runs ? changes(runs, spec) : [];
    const rows = all.map(({ path, from, to }) => ({ path, values: [from, to] }));
    const planned = el("p", { class: "note", role: "status" }, "Asking what that does …");
    ask(`${tenantPath(tenant)}/plan`, { method: "POST", body: spec }).then(
      (plan) => put(planned, effects(plan)),
      (error) => put(planned, error.message),
    );
    const differs = runs && table(rows, ["Field", `${version(now.spec)}, runs`, version(right)], "What changes", shown.checked);
    confirmSpec({ tenant, spec, to: right, revision: now.revision, content: [differs, planned] });
  };
  const show = ({ tenant: view, events }) => {
    const numbers = [view.spec, view.operation?.target, view.next?.target, ...events.map((event) => event.what.spec)].filter(Boolean);
    latest = Math.max(latest, ...numbers);
    now = view;
    root.hidden = latest === 0;
    if (latest === 0) return;
    const runs = view.spec ?? latest;
    const is = `${latest} ${runs} ${view.state}`;
    if (is !== offered) {
      offered = is;
      const all = Array.from({ length: Math.min(latest, VERSIONS) }, (_, at) => latest - at);
      const option = (number) => el("option", { value: number }, number === view.spec ? `${version(number)} (runs)` : version(number));
      const chosen = all.includes(Number(to.value)) && document.activeElement === to ? Number(to.value) : latest;
      put(to, all.map(option));
      put(from, el("option", { value: "" }, "nothing"), all.map(option));
      to.value = chosen;
      from.value = chosen > 1 ? chosen - 1 : "";
    }
    draw();
  };
  const seen = (number) => {
    latest = Math.max(latest, number);
  };
  return { root, show, seen };
}

/** What an update would do to what runs. */
function effects({ changes, creates, corrections }) {
  if (creates) return "It is made.";
  const has = (effect) => changes.some((change) => change.effect === effect);
  const does = has("stop_first")
    ? "What runs ends first, and nobody serves until the new one does."
    : has("replace")
      ? "What runs is replaced: the new one begins to serve, then the old one ends."
      : changes.length > 0
        ? "What runs is changed where it is."
        : "Nothing that runs is changed.";
  return corrections.length > 0 ? `${does} Before that: ${corrections.join(", ")}.` : does;
}

/** What everybody may see of what runs. */
function inShort({ containers, spec }) {
  return el(
    "dl",
    { class: "facts" },
    containers.map((container) => [
      el("dt", {}, container.name),
      el("dd", {}, el("code", {}, container.image), container.env?.length ? el("span", { class: "reason" }, `environment: ${container.env.join(", ")}`) : undefined),
    ]),
    spec && [el("dt", {}, "resources"), el("dd", {}, `${spec.resources.cpu} millicores, ${spec.resources.memory} MB`)],
  );
}
