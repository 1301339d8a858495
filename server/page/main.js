// Which view is shown, whose it is, and whether the server is there.

import { el, put, say } from "./dom.js";
import { showFleet } from "./fleet.js";
import { Offline, ask } from "./server.js";
import { time } from "./words.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
const who = document.getElementById("who");
const leave = document.getElementById("leave");

let close = () => {};
let access;
/** Since when the server is not there. */
let away;

function linked(isLinked) {
  if (isLinked) {
    away = undefined;
    link.className = "link live";
    if (link.textContent !== "live") put(link, "live");
  } else if (!away) {
    away = new Date().toISOString();
    link.className = "link away";
    put(link, "not connected since ", time(away, "clock"), ", connecting again");
  }
}

function failed(error) {
  if (error instanceof Offline) linked(false);
}

/** Who looks; asked for once, and after the first view, which tells more. */
async function whose() {
  access ??= await ask("v1/access");
  const what = access.role === "operator" ? "" : "read-only";
  put(who, access.token && `token ${access.token}`, access.token && what ? ", " : "", what);
  leave.hidden = !access.token;
  return access;
}

async function show() {
  close();
  close = () => {};
  const [path, search] = location.hash.slice(1).split("?");
  const isFirst = main.dataset.path === undefined;
  const isAnother = main.dataset.path !== path;
  main.dataset.path = path;
  const mine = Symbol(path);
  show.now = mine;
  const tools = { linked, failed, went: (first) => first.then(() => { if (show.now === mine) whose().catch(failed); }) };
  const tenant = path.match(/^\/tenants\/([^/]+)$/);
  if (tenant) {
    try {
      const [{ showTenant }, known] = await Promise.all([import("./tenant.js"), whose()]);
      if (show.now !== mine) return;
      close = showTenant(main, decodeURIComponent(tenant[1]), { ...tools, access: known });
    } catch (error) {
      if (show.now !== mine) return;
      failed(error);
      if (error.code === "unauthorized") return;
      put(main, el("div", { class: "alert", role: "alert" }, el("p", {}, error instanceof Offline ? "The server cannot be reached." : error.message), el("button", { type: "button", onclick: () => location.reload() }, "Load again")));
    }
  } else close = showFleet(main, new URLSearchParams(search ?? ""), tools);
  // Another view begins at its beginning, also for who does not see it. The first one does by itself.
  if (!isFirst && isAnother) {
    document.getElementById("said").replaceChildren();
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function login() {
  if (document.getElementById("token")) return;
  close();
  close = () => {};
  access = undefined;
  put(who);
  leave.hidden = true;
  link.className = "link";
  put(link);
  document.title = "Log in · landlord";
  const token = el("input", { type: "password", id: "token", name: "token", autocomplete: "off", required: true, spellcheck: "false" });
  const trouble = el("div", {});
  const begin = async (event) => {
    event.preventDefault();
    try {
      access = await ask("session", { method: "POST", body: { token: token.value.trim() } });
      token.value = "";
      show();
      main.focus({ preventScroll: true });
    } catch (error) {
      put(trouble, el("div", { class: "alert", role: "alert" }, el("p", {}, error.message)));
      token.select();
    }
  };
  put(
    main,
    el(
      "form",
      { class: "login card", onsubmit: begin },
      el("h1", {}, "Log in"),
      el("label", { class: "field", for: "token" }, el("span", {}, "Token"), token),
      el("p", { class: "note" }, "“landlord-compute token create NAME --role viewer --tenants '*'” makes one on the machine of the server. It is kept for twelve hours at most, in a cookie that no script reads."),
      trouble,
      el("p", { class: "buttons" }, el("button", { type: "submit", class: "primary" }, "Log in")),
    ),
  );
  token.focus();
}

leave.addEventListener("click", async () => {
  try {
    await ask("session", { method: "DELETE" });
    login();
  } catch (error) {
    failed(error);
  }
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("landlord-unauthorized", login);
addEventListener("hashchange", show);
addEventListener("offline", () => linked(false));
say(link, "");
show();
