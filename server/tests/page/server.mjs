// A server with tenants, started for a test.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { until } from "./browser.mjs";

export const PROGRAM = process.env.LANDLORD_COMPUTE;
const run = promisify(execFile);

/** What a tenant runs: the demo's web server; a broken one ends before it listens. */
export function spec(tenant, { greeting = "hello", broken = false, ...more } = {}) {
  const command = [PROGRAM, "demo-tenant", "--greeting", greeting];
  if (broken) command.push("--broken");
  return {
    tenant_id: tenant,
    provider_type: "process",
    containers: [
      {
        name: "web",
        image: "host",
        command,
        env: { GREETING: greeting },
        ports: [{ container_port: 80, name: "http" }],
        health_check: {
          type: "http", http_path: "/health", port: 80, interval_seconds: 1, timeout_seconds: 1,
          healthy_threshold: 1, unhealthy_threshold: 1,
        },
      },
    ],
    resources: { cpu: 128, memory: 512 },
    provider_config: { stop_grace_seconds: 1 },
    ...more,
  };
}

export class Server {
  static async start({ seed, tls } = {}) {
    const server = new Server(await mkdtemp(join(tmpdir(), "landlord-")));
    try {
      await server.begin(seed, tls);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  async begin(seed, tls) {
    const { folder } = this;
    if (tls) {
      await run("openssl", [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
        "subjectAltName=DNS:localhost", "-keyout", join(folder, "server.key"), "-out", join(folder, "server.pem"),
      ]);
    }
    this.scheme = tls ? "https" : "http";
    await writeFile(
      join(folder, "landlord.toml"),
      `store = "landlord.db"
[listen]
address = "127.0.0.1:0"
${tls ? 'certificate = "server.pem"\nkey = "server.key"' : "plain = true"}
[retry]
attempts = 2
first = "1s"
cap = "1s"
[look]
enabled = ${!seed}
[repair]
enabled = ${!seed}
[providers.process]
`,
    );
    if (seed) {
      await this.serve();
      await this.put(spec("seed", { labels: { team: "blue" } }));
      await this.settled("seed");
      await this.stop();
      await run("python3", [new URL("seed.py", import.meta.url).pathname, join(folder, "landlord.db"), String(seed)]);
    }
    await this.serve();
  }

  constructor(folder) {
    this.folder = folder;
    this.socket = join(folder, "landlord.db.sock");
  }

  async serve() {
    const [child, said] = this.child("serve");
    this.child_ = child;
    const port = await until("the server listens", () => said().match(/listening on [0-9.]+:([0-9]+)/)?.[1]);
    this.url = `${this.scheme}://localhost:${port}/`;
    await until("the socket answers", () => this.api("GET", "/healthz"));
  }

  /** Starts a command that goes on. */
  child(...args) {
    const child = spawn(PROGRAM, ["--config", join(this.folder, "landlord.toml"), ...args], { cwd: this.folder });
    let said = "";
    child.stdout.on("data", () => {});
    child.stderr.on("data", (data) => (said += data));
    child.on("error", (error) => (said += error));
    return [child, () => said];
  }

  /** Opens the way from a browser to the socket. */
  async page() {
    const [child, said] = this.child("page");
    this.page_ = child;
    return until("the page is there", () => said().match(/http:\/\/[^\s]+/)?.[0]);
  }

  /** Asks over the socket. */
  api(method, path, body) {
    return new Promise((resolve, reject) => {
      const headers = { host: "localhost", ...(body && { "content-type": "application/json" }) };
      const request = http.request({ socketPath: this.socket, method, path, headers }, (answer) => {
        let text = "";
        answer.on("data", (data) => (text += data));
        answer.on("end", () => {
          if (answer.statusCode >= 400) reject(new Error(`${method} ${path}: ${text}`));
          else resolve(text.startsWith("{") ? JSON.parse(text) : text || "nothing");
        });
      });
      request.on("error", reject);
      request.end(body && JSON.stringify(body));
    });
  }

  put(spec) {
    return this.api("PUT", `/v1/tenants/${spec.tenant_id}`, spec);
  }

  async settled(tenant) {
    return until(`${tenant} settles`, async () => {
      const { tenant: view } = await this.api("GET", `/v1/tenants/${tenant}`);
      return !view.operation && view;
    });
  }

  async token(name, role, tenants = ["*"]) {
    return (await this.api("POST", "/v1/tokens", { name, role, tenants })).secret;
  }

  async stop() {
    for (const child of [this.page_, this.child_]) {
      if (!child || child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
  }

  /** Destroys these, and ends. */
  async end(...tenants) {
    try {
      for (const tenant of tenants) await this.api("DELETE", `/v1/tenants/${tenant}`).catch(() => {});
      for (const tenant of tenants) {
        await until(`${tenant} is gone`, () => this.api("GET", `/v1/tenants/${tenant}`).then(() => false, () => true));
      }
    } finally {
      await this.stop();
      await rm(this.folder, { recursive: true, force: true });
    }
  }
}
