// The page, as people see and use it.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Browser, freePort, until } from "./browser.mjs";
import { Server, spec } from "./server.mjs";

const AXE = await readFile(process.env.LANDLORD_AXE, "utf8");
const PICTURES = process.env.LANDLORD_SCREENSHOTS;
const KEYS = { tab: "\uE004", enter: "\uE007", escape: "\uE00C" };

let browser;
before(async () => (browser = await Browser.start()));
after(() => browser.end());

/** Looks at a view in both widths, light and dark: axe finds no violation, and nothing is wider than the page. */
async function inspect(name) {
  for (const [width, height] of [[1440, 900], [390, 844]]) {
    for (const scheme of ["light", "dark"]) {
      await browser.look({ width, height, scheme });
      if (PICTURES) {
        await mkdir(PICTURES, { recursive: true });
        await writeFile(join(PICTURES, `${name}-${width}-${scheme}.png`), await browser.picture());
      }
      const found = await browser.runAsync(`
        const done = arguments[0];
        ${AXE};
        axe.run(document, { resultTypes: ["violations"] }).then(
          ({ violations }) => done(violations.map((one) => one.id + ": " + one.nodes.map((node) => node.target + " " + node.failureSummary).join("; "))),
          (error) => done([String(error)]),
        );`);
      assert.deepEqual(found, [], `${name} at ${width}, ${scheme}`);
      const over = await browser.run("return document.documentElement.scrollWidth - innerWidth");
      assert.ok(over <= 0, `${name} at ${width} is ${over} px wider than the page`);
    }
  }
  await browser.look({ width: 1440, height: 900, scheme: "light" });
}

/** Marks the page, so that it is known whether it was loaded again. */
const mark = () => browser.run("window.isTheSame = true");
const isMarked = () => browser.run("return window.isTheSame === true");

describe("over the socket, without a token", () => {
  let server;
  let url;
  before(async () => {
    server = await Server.start();
    url = await server.page();
    await browser.look({ width: 1440, height: 900, scheme: "light" });
  });
  after(() => server.end("acme", "awry", "atlas", "absent", "armed", "aloud", "agape", "armoured"));

  test("without a tenant it says how a first one is made", async () => {
    await browser.go(url);
    await browser.says("landlord-compute provision -f acme.yaml");
    await browser.says("live", "#link");
    await inspect("empty");
  });

  test("a provision, a failure, a rollback and a destroy are seen live", async () => {
    await mark();
    await server.put(spec("acme", { labels: { team: "blue" } }));
    await browser.says(/acme\s+running/, ".tenants");
    // What fails for good is undone, and told.
    await server.put(spec("awry", { broken: true }));
    await browser.says("awry", "section:has(#concerns)");
    await browser.says("failed", "section:has(#concerns)");
    await server.settled("awry");
    await browser.says(/awry\s+pending/, ".tenants");
    // A bar for each minute of the last hour.
    for (const words of ["Done", "Failed"]) {
      const find = `const bars = document.querySelector(".charts svg[aria-label^='${words}: ']");`;
      const tells = "/^\\w+: [1-9]/.test(bars.getAttribute('aria-label')) && [...bars.children].some((bar) => Number(bar.getAttribute('height')) > 0)";
      await until(`a bar that says ${words}`, () => browser.run(`${find} return bars !== null && ${tells}`));
    }
    await inspect("fleet");

    await browser.click('.tenants a[href="#/tenants/acme"]');
    await browser.says("healthy", ".head");
    await browser.says("provision to spec v1 began", ".timeline");
    await server.put(spec("acme", { greeting: "changed" }));
    await browser.says("runs\nspec v2", ".facts");
    await server.put(spec("acme", { greeting: "broken", broken: true }));
    await browser.says("next try", ".facts");
    await inspect("retrying");
    await browser.says("undone, everything is as it was before", ".timeline");
    await browser.says("runs\nspec v2", ".facts");
    await browser.says("The last update failed", ".failure");
    await inspect("undone");

    // What changed is told field by field; what may be secret is told when it is asked for.
    await browser.run("const to = document.getElementById('spec-to'); to.value = '1'; to.dispatchEvent(new Event('change'))");
    await browser.run("const from = document.getElementById('spec-from'); from.value = '2'; from.dispatchEvent(new Event('change'))");
    await browser.says("containers[web].env.GREETING", ".fields");
    assert.ok(!(await browser.text(".fields")).includes("hello"));
    await browser.click("#spec-values");
    await browser.says("hello", ".fields");
    await browser.click("#spec-again");
    await browser.says("Run spec v1 again", "dialog");
    await browser.says("the new one begins to serve, then the old one ends", "dialog");
    await inspect("rollback");
    await browser.click("#confirm");
    await browser.says("runs\nspec v4", ".facts");
    const { tenant } = await server.api("GET", "/v1/tenants/acme");
    const { spec: runs } = await server.api("GET", `/v1/tenants/acme/specs/${tenant.spec}`);
    assert.equal(runs.containers[0].env.GREETING, "hello");

    await server.api("DELETE", "/v1/tenants/acme");
    await browser.says("acme is gone");
    await browser.says("destroy began", ".timeline");
    assert.ok(await isMarked(), "the page was never loaded again");
    await inspect("gone");
  });

  test("by keyboard alone a tenant is opened and destroyed", async () => {
    await server.put(spec("atlas"));
    await server.settled("atlas");
    await browser.go(`${url}#/`);
    await browser.says(/atlas\s+running/, ".tenants");
    const focused = () => browser.run("const e = document.activeElement; return e.id || e.getAttribute('href') || e.tagName");
    const tabTo = (wanted) =>
      until(`the focus is on ${wanted}`, async () => {
        await browser.press(KEYS.tab);
        return (await focused()) === wanted;
      });
    await browser.run("document.activeElement.blur()");
    await tabTo("skip");
    await browser.press(KEYS.enter);
    assert.equal(await focused(), "main");
    await tabTo("#/tenants/atlas");
    await browser.press(KEYS.enter);
    await browser.find("#do-destroy");
    assert.equal(await focused(), "main", "another view begins at its beginning");
    await tabTo("do-destroy");
    await browser.press(KEYS.enter);
    await browser.find("dialog[open]");
    assert.equal(await focused(), "confirm-name");
    assert.equal(await browser.run("return document.getElementById('confirm').disabled"), true);
    await browser.press(KEYS.escape);
    assert.equal(await focused(), "do-destroy", "the focus is where it was");
    await browser.press(KEYS.enter);
    await browser.find("dialog[open]");
    await inspect("destroy");
    await browser.press(..."atlas", KEYS.enter);
    await browser.says("atlas is gone");
  });

  test("a tenant that is not there is not, and appears when it is made", async () => {
    await browser.go(`${url}#/tenants/absent`);
    await browser.says("there is no tenant absent", '[role="alert"]');
    await inspect("absent");
    await mark();
    await server.put(spec("absent"));
    await browser.says("running", ".head");
    assert.ok(await isMarked());
  });

  test("a protected tenant is not destroyed, and says so", async () => {
    await server.put(spec("armed", { deletion_protection: true }));
    await server.settled("armed");
    await browser.go(`${url}#/tenants/armed`);
    await browser.says("protected", ".head");
    await browser.click("#do-destroy");
    await browser.says("armed is protected", "dialog");
    assert.equal(await browser.run("return document.getElementById('confirm')"), null);
    await browser.press(KEYS.escape);
    await server.put(spec("armed"));
  });

  test("what a container prints is text, and follows", async () => {
    const markup = "<img src=x onerror=alert(1)>";
    const chatty = spec("aloud", { labels: { note: "a-b" } });
    chatty.containers[0].command = ["/bin/sh", "-c", `while :; do echo '${markup}'; sleep 0.2; done`];
    delete chatty.containers[0].health_check;
    delete chatty.containers[0].ports;
    await server.put(chatty);
    await server.settled("aloud");
    await browser.go(`${url}#/tenants/aloud`);
    await browser.click("#log-start");
    await browser.says(markup, ".lines");
    assert.equal(await browser.run("return document.querySelectorAll('main img').length"), 0);
    const lines = () => browser.run("return document.querySelectorAll('.lines .line').length");
    const now = await lines();
    await until("more lines", async () => (await lines()) > now);
    await browser.click("#log-start");
    await browser.says("Stopped.");
    await inspect("logs");
  });

  test("a secret is in what its tenant prints, and nowhere else", async () => {
    const secret = "Xq7-sentinel-Zw9";
    const file = join(server.folder, "secret");
    await writeFile(file, secret);
    const leaks = spec("agape", { secrets: [{ name: "db", source: "file", key: file, env_var: "DB" }] });
    delete leaks.containers[0].health_check;
    for (const script of ["exec sleep 600", 'echo "wrong password $DB" >&2; exit 3']) {
      leaks.containers[0].command = ["/bin/sh", "-c", script];
      await server.put(leaks);
      await server.settled("agape");
    }
    const page = () => browser.run("return document.documentElement.outerHTML");
    await browser.go(`${url}#/`);
    await browser.says("agape", "section:has(#concerns)");
    assert.ok(!(await page()).includes(secret));
    await browser.click('a[href="#/tenants/agape"]');
    await browser.says("exited with code 3", ".failure");
    await browser.click("#spec-values");
    await browser.says(file, ".fields");
    assert.ok(!(await page()).includes(secret));
    await browser.click("#log-start");
    await browser.says(secret, ".lines");
  });

  test("pages of other sites are refused, and change nothing", async () => {
    await server.put(spec("armoured"));
    await server.settled("armoured");
    const target = new URL(url);
    const other = http.createServer((request, answer) => {
      answer.setHeader("content-type", "text/html");
      answer.end(`<form method=post action="${url}v1/tenants/armoured/destroy"><button id=send>Send</button></form>`);
    });
    const port = await freePort();
    await new Promise((resolve) => other.listen(port, "127.0.0.1", resolve));
    try {
      // The same address under another name is another site, under another port another origin.
      for (const from of [`http://foreign.test:${port}/`, `http://${target.hostname}:${port}/`]) {
        await browser.go(from);
        await browser.click("#send");
        await browser.says("foreign_origin");
        await browser.go(from);
        for (const [method, mode] of [["POST", "no-cors"], ["GET", "no-cors"], ["DELETE", "cors"]]) {
          const path = method === "POST" ? "v1/tenants/armoured/destroy" : "v1/tenants/armoured";
          const got = await browser.runAsync(
            `const done = arguments[3];
             fetch(arguments[0], { method: arguments[1], mode: arguments[2] }).then((a) => a.text()).then(done, () => done(""))`,
            url + path, method, mode,
          );
          assert.equal(got, "", `${method} from ${from}`);
        }
      }
      const { tenant } = await server.api("GET", "/v1/tenants/armoured");
      assert.equal(tenant.state, "running");
      // A name that somebody else points at this machine.
      await browser.go(`http://rebound.test:${target.port}/`);
      await browser.says("misdirected");
      await browser.go(`http://rebound.test:${target.port}/v1/tenants`);
      await browser.says("misdirected");
    } finally {
      other.close();
    }
  });

  test("without the server it says since when, and comes back by itself", async () => {
    await browser.go(url);
    await browser.says("live", "#link");
    await mark();
    await server.stop();
    await browser.says("not connected since", "#link");
    await inspect("offline");
    await server.serve();
    // The same port, as the page knows no other.
    const [child] = server.child("page", "--port", new URL(url).port);
    server.page_ = child;
    await browser.says("live", "#link");
    assert.ok(await isMarked());
  });
});

describe("over TLS, with a token", () => {
  let server;
  before(async () => {
    server = await Server.start({ tls: true });
    await server.put(spec("acme"));
    await server.put(spec("avis"));
    await server.settled("acme");
    await server.settled("avis");
  });
  after(() => server.end("acme", "avis"));

  const logIn = async (token) => {
    await browser.go(server.url);
    await browser.command("DELETE", "/cookie");
    await browser.command("POST", "/refresh", {});
    await browser.find("#token");
    await browser.type("#token", token + KEYS.enter);
    await browser.says("Fleet", "h1");
  };

  test("a viewer of some tenants sees those alone, and no actions", async () => {
    await browser.go(server.url);
    await browser.find("#token");
    await inspect("login");
    await browser.type("#token", `wrong${KEYS.enter}`);
    await browser.says("not known", '[role="alert"]');
    await logIn(await server.token("watcher", "viewer", ["acme"]));
    await browser.says(/acme\s+running/, ".tenants");
    await browser.says("token watcher, read-only", "#who");
    assert.ok(!(await browser.text()).includes("avis"));
    await browser.says("1", ".total");
    await browser.click('.tenants a[href="#/tenants/acme"]');
    await browser.says("only looks", ".actions");
    assert.equal(await browser.run("return document.querySelectorAll('.actions button').length"), 0);
    await browser.says("an operator's token", "section:has(#specs)");
    await inspect("viewer");
    const cookie = (await browser.command("GET", "/cookie")).find((one) => one.name.includes("landlord-"));
    assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path], [true, true, "Strict", "/"]);
    assert.equal(await browser.run("return document.cookie"), "");
    await browser.click("#leave");
    await browser.find("#token");
  });

  test("what happens is seen live with a cookie, too", async () => {
    await logIn(await server.token("mender", "operator"));
    await mark();
    await browser.says("live", "#link");
    await browser.click('.tenants a[href="#/tenants/avis"]');
    await browser.click("#do-pause");
    await browser.type("#confirm-reason", `a test${KEYS.enter}`);
    await browser.says("paused", ".head");
    await browser.says("paused", ".timeline");
    await server.api("POST", "/v1/tenants/avis/resume");
    await browser.says("resumed", ".timeline");
    assert.ok(await isMarked());
  });

  test("a token that is revoked ends what the page may see", async () => {
    await logIn(await server.token("leaver", "operator"));
    await browser.says(/avis\s+running/, ".tenants");
    await server.api("DELETE", "/v1/tokens/leaver");
    await browser.click('.tenants a[href="#/tenants/avis"]');
    await browser.find("#token");
    assert.ok(!(await browser.text("main")).includes("avis"));
  });
});

describe("over the loopback without TLS, with a token", () => {
  let server;
  before(async () => (server = await Server.start()));
  after(() => server.end());

  test("a token is enough, and ends nobody else's session", async () => {
    await browser.go(server.url);
    await browser.type("#token", (await server.token("ci", "operator")) + KEYS.enter);
    await browser.says("There is no tenant yet.");
    await browser.says("token ci", "#who");
    await browser.says("live", "#link");
    await browser.go(server.url);
    await browser.says("There is no tenant yet.");
  });
});

describe("with 100,000 tenants", () => {
  let server;
  before(async () => (server = await Server.start({ seed: 100_000 })));
  after(() => server.end("seed"));

  test("the list is there after few requests and little that is sent", async () => {
    const url = await server.page();
    await browser.look({ width: 1440, height: 900, scheme: "light" });
    await browser.go(url);
    await browser.says("tenant-000001", ".tenants");
    const [requests, bytes] = await browser.run(`
      const row = document.querySelector(".tenants tbody tr");
      const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
      return [all.length, all.reduce((sum, one) => sum + one.transferSize, 0), row !== null];`);
    console.log(`${requests} requests, ${bytes} bytes`);
    assert.ok(requests <= 10, `${requests} requests`);
    assert.ok(bytes <= 300_000, `${bytes} bytes`);
    await browser.says("100,001", ".total");
    await inspect("many");

    await browser.click("#page-on");
    await browser.says("tenant-000050", ".tenants");
    await browser.type("#by-prefix", `tenant-0999${KEYS.enter}`);
    await browser.says("tenant-099901", ".tenants");
    assert.ok(!(await browser.text(".tenants")).includes("tenant-000001"));
    await browser.go(`${url}#/?health=unhealthy`);
    await browser.says("tenant-009973", ".tenants");
    await browser.says("tenant-099730", ".tenants");
    await browser.go(`${url}#/?label=team%3Dred&prefix=tenant-00001`);
    await browser.says("No tenant fulfils the filter.");
  });
});
