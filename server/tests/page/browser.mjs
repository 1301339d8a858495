// A browser, driven over WebDriver.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
/** The longest wait for something to become so. */
const PATIENCE = 30_000;

/** Waits until something is so, and answers with it. */
export async function until(what, is) {
  const end = Date.now() + PATIENCE;
  let last;
  while (Date.now() < end) {
    try {
      const found = await is();
      if (found) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never: ${what}; last: ${last?.stack ?? last}`);
}

/** A port that nobody has. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Browser {
  /** Starts one. Names of hosts that end in `.test` lead to this machine. */
  static async start() {
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), "page-"));
    const driver = spawn("chromedriver", [`--port=${port}`], { stdio: "ignore" });
    const browser = new Browser(`http://127.0.0.1:${port}`, driver, folder);
    await until("the driver answers", async () => (await fetch(`${browser.base}/status`)).ok);
    const args = [
      "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
      "--no-first-run", "--disable-background-networking", "--force-color-profile=srgb",
      `--user-data-dir=${folder}`, "--host-resolver-rules=MAP *.test 127.0.0.1",
    ];
    const always = { browserName: "chrome", acceptInsecureCerts: true, "goog:chromeOptions": { args }, "goog:loggingPrefs": { browser: "ALL" } };
    const { sessionId } = await browser.command("POST", "/session", { capabilities: { alwaysMatch: always } });
    browser.base += `/session/${sessionId}`;
    return browser;
  }

  constructor(base, driver, folder) {
    Object.assign(this, { base, driver, folder });
  }

  async command(method, path, body) {
    const answer = await fetch(this.base + path, { method, body: body && JSON.stringify(body) });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${value.error}: ${value.message.split("\n")[0]}`);
    return value;
  }

  go(url) {
    return this.command("POST", "/url", { url });
  }

  /** Runs this as the body of a function in the page. */
  run(script, ...args) {
    return this.command("POST", "/execute/sync", { script, args });
  }

  runAsync(script, ...args) {
    return this.command("POST", "/execute/async", { script, args });
  }

  devtools(cmd, params) {
    return this.command("POST", "/goog/cdp/execute", { cmd, params });
  }

  /** The first element that this selects, once there is one. */
  find(value) {
    return until(value, async () => (await this.command("POST", "/element", { using: "css selector", value }))[ELEMENT]);
  }

  /** Does this with an element, once that is possible. */
  with(selector, what, body) {
    return until(`${what} ${selector}`, async () => {
      await this.command("POST", `/element/${await this.find(selector)}/${what}`, body);
      return true;
    });
  }

  click(selector) {
    return this.with(selector, "click", {});
  }

  type(selector, text) {
    return this.with(selector, "value", { text });
  }

  /** Presses keys, one after the other, on whatever has the focus. */
  async press(...keys) {
    const actions = keys.flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]);
    await this.command("POST", "/actions", { actions: [{ type: "key", id: "keys", actions }] });
  }

  /** What the page says, as its visitor reads it. */
  text(selector = "body") {
    return this.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector);
  }

  /** Waits until the page says this. */
  says(words, selector = "body") {
    return until(`${selector} says ${words}`, async () => {
      const text = await this.text(selector);
      return words instanceof RegExp ? words.test(text) : text.includes(words);
    });
  }

  async look({ width, height = 900, scheme }) {
    await this.devtools("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    await this.devtools("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }, { name: "prefers-reduced-motion", value: "reduce" }],
    });
  }

  async picture() {
    return Buffer.from(await this.command("GET", "/screenshot"), "base64");
  }

  /** What went wrong in the page since this was asked last. */
  async complaints() {
    const lines = await this.command("POST", "/se/log", { type: "browser" });
    return lines.filter((line) => line.level === "SEVERE").map((line) => line.message);
  }

  async end() {
    await this.command("DELETE", "").catch(() => {});
    const ended = new Promise((resolve) => this.driver.once("exit", resolve));
    this.driver.kill();
    await ended;
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
