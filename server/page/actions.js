// What can be commanded, each after it was confirmed.

import { el, put, tell } from "./dom.js";
import { ask, query, tenantPath } from "./server.js";
import { version } from "./words.js";

/** What can be commanded for a tenant as it is now, the usual first. */
export function actionsFor(view) {
  const { operation, state } = view;
  const waits = operation?.run === "waiting" || Boolean(view.repair_due);
  const goesOn = Boolean(operation) && state !== "destroying";
  return [
    waits && !view.paused && RETRY,
    goesOn && operation.direction !== "undo" && CANCEL,
    !goesOn && view.next && CANCEL,
    state === "running" && RESTART,
    view.paused ? RESUME : state !== "destroying" && PAUSE,
    state === "destroying" && ABANDON,
    state !== "destroying" && DESTROY,
  ].filter(Boolean);
}

const RETRY = { name: "retry", words: "Retry now", asks: "Try again now what waits to be tried again." };
const CANCEL = { name: "cancel", words: "Cancel", asks: "Stop what is on its way, and undo it: everything becomes as it was before." };
const RESTART = { name: "restart", words: "Restart", asks: "Start anew what runs, with the values that its secrets have now." };
const PAUSE = { name: "pause", words: "Pause", asks: "Begin nothing until it is resumed: no retry, no repair. What runs goes on." };
const RESUME = { name: "resume", words: "Resume", asks: "Go on after the pause." };
const ABANDON = { name: "abandon", words: "Abandon", danger: true, why: true, asks: "Give up the removal. What is left on the platform stays there, and nobody looks after it." };
const DESTROY = { name: "destroy", words: "Destroy", danger: true, named: true, asks: "Remove everything of this tenant, but for what its spec retains. This cannot be undone." };

/** For a tenant that is gone and has retained something. */
export const RELEASE = { name: "release", words: "Release", danger: true, named: true, asks: "Remove what this tenant has retained, such as its volumes. This cannot be undone." };

/** Asks whether to do it, does it, and says what became of it. */
export function confirm(action, view) {
  const tenant = view.tenant_id;
  if (action.named && view.protected) {
    return dialog({
      title: `${tenant} is protected`,
      content: [el("p", {}, "Its spec has deletion_protection, so that a destroy is refused. Update it to a spec without that first.")],
    });
  }
  return dialog({
    title: `${action.words}: ${tenant}`,
    content: [el("p", {}, action.asks)],
    named: action.named && tenant,
    reason: action.why ? "required" : "optional",
    verb: action.words,
    danger: action.danger,
    run: (reason, key) => ask(query(`${tenantPath(tenant)}/${action.name}`, { reason }), { method: "POST", headers: { "idempotency-key": key } }),
  });
}

/** Asks whether a tenant should run one of its earlier specs again, does it, and says what became of it. */
export function confirmSpec({ tenant, spec, to, revision, content }) {
  return dialog({
    title: `Run spec ${version(to)} again: ${tenant}`,
    content: [el("p", {}, "Update the tenant to this spec. Should that fail, it is undone."), content],
    reason: "optional",
    verb: `Run ${version(to)}`,
    run: (reason, key) =>
      ask(query(tenantPath(tenant), { reason }), { method: "PUT", body: spec, headers: { "idempotency-key": key, "if-match": String(revision) } }),
  });
}

function dialog({ title, content, named, reason, verb, danger, run }) {
  const before = document.activeElement;
  const trouble = el("div", {});
  // Twice the same click is the same request.
  const key = `page ${crypto.randomUUID()}`;
  const name = named && el("input", { id: "confirm-name", autocomplete: "off", autocapitalize: "off", spellcheck: "false", oninput: () => check() });
  const why = run && el("input", { id: "confirm-reason", maxlength: "500", autocomplete: "off", required: reason === "required", oninput: () => check() });
  const confirm = run && el("button", { type: "submit", class: danger ? "danger" : "primary", id: "confirm" }, verb);
  const check = () => {
    confirm.disabled = Boolean((named && name.value.trim() !== named) || (reason === "required" && !why.value.trim()));
  };
  const box = el(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    el(
      "form",
      {
        onsubmit: async (event) => {
          event.preventDefault();
          if (!run || confirm.disabled) return;
          confirm.disabled = true;
          try {
            const accepted = await run(why.value.trim(), key);
            box.close();
            tell(accepted?.operation ? `${title}: operation ${accepted.operation}` : `${title}: it is so`);
          } catch (error) {
            put(trouble, el("div", { class: "alert", role: "alert" }, el("p", {}, error.message)));
            check();
          }
        },
      },
      el("h2", { id: "dialog-title" }, title),
      content,
      named && el("label", { class: "field", for: "confirm-name" }, el("span", {}, "Type ", el("b", {}, named), " to confirm"), name),
      why && el("label", { class: "field", for: "confirm-reason" }, el("span", {}, reason === "required" ? "Why" : "Why, for the records (not required)"), why),
      trouble,
      el("p", { class: "buttons" }, el("button", { type: "button", onclick: () => box.close() }, run ? "Keep it as it is" : "Close"), confirm),
    ),
  );
  box.addEventListener("close", () => {
    box.remove();
    // The button may be another element by now, of the same id.
    const back = before?.isConnected ? before : document.getElementById(before?.id);
    (back ?? document.getElementById("main")).focus();
  });
  document.body.append(box);
  if (run) check();
  box.showModal();
  (name || why || box.querySelector("button")).focus();
}
