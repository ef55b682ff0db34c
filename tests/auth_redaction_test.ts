/**
 * A run of all programs with every kind of secret, at their most talkative; and then everything that
 * they wrote or showed is searched for each of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { authYaml, jwt, tokenOf } from "./support/auth_world.ts";
import { MAX_KEPT_CHARS, Process, source } from "./support/process.ts";
import { connectTo, shakeHands } from "./support/raw_path.ts";
import { replaceFile } from "./support/replace_file.ts";
import { Secrets } from "./support/secrets.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

const HMAC_KEY = "hmac-secret-of-the-issuer-under-test-0123456789";
const OWNERS = ["root", "reader", "idle", "edges", "labs"] as const;
const DEBUG = ["--log-level", "debug"];
/** In a message, and in a message only: the hub does not look into them. */
const CANARY = "what-an-operator-and-a-server-tell-each-other";
const PROXY_PASSWORD = "password-of-the-proxy-between-0123456789";

Deno.test("Secrets finds one in whatever clothes", () => {
  const secret = "a-secret-of-some-length/+0123456789";
  const table: [clothes: string, text: string, found: boolean][] = [
    ["none", `x ${secret} y`, true],
    ["base64", btoa(secret), true],
    ["base64 of more", btoa(`Bearer ${secret}.`), true],
    ["hexadecimal", [...secret].map((c) => c.charCodeAt(0).toString(16)).join(""), true],
    ["a URL", `?token=${encodeURIComponent(secret)}`, true],
    ["another one", "a-secret-of-some-length/+9876543210", false],
  ];
  for (const [clothes, text, found] of table) {
    const secrets = new Secrets();
    secrets.add("it", secret);
    secrets.look("there", text);
    assert.deepEqual(secrets.found, found ? ["it in there"] : [], clothes);
  }
});

Deno.test("no secret of a whole run stands in any output, log, audit, state, metric or command line", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-auth-" });
  const secrets = new Secrets();
  const seen: [where: string, text: string][] = [];
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${dir}/${name}`, text, { mode: 0o600 });
    await secrets.addFile(`${dir}/${name}`);
  };
  await write("hmac.key", HMAC_KEY);
  for (const who of OWNERS) await write(who, `${tokenOf(who)}\n`);
  await write("wrong", "w".repeat(43));
  const [goodJwt, badJwt] = [await jwt(), await jwt({ secret: "x".repeat(40) })];
  for (const one of [goodJwt, badJwt]) secrets.add("a JWT", one);
  secrets.add("the proxy's password", PROXY_PASSWORD);
  secrets.add("a message", CANARY);
  await Deno.writeTextFile(`${dir}/auth.yaml`, authYaml(), { mode: 0o644 });
  try {
    await using world = await World.start({
      servers: [],
      tls: true,
      hubArgs: [
        ...["--auth-file", `${dir}/auth.yaml`, "--metrics-listen", "127.0.0.1:0", ...DEBUG],
      ],
    });
    await secrets.addFile(`${world.dir}/hub.key`);
    const edge = ["--labels", "env=prod", ...DEBUG];
    const byFile = ["--token-file", `${dir}/edges`, ...edge];
    await world.startServer({ name: "edge-1", program: "gserver", args: byFile });
    // By the environment, and its log as JSON.
    await world.startServer({
      name: "edge-2",
      args: [...edge, "--log-format", "json"],
      env: { GSERVER_TOKEN: tokenOf("edges") },
    });
    const refused = world.spawnServer({ name: "lab-1", program: "gserver", args: byFile });
    await refused.says(/may not register the name/);
    const proxied = world.spawnServer({
      name: "edge-3",
      program: "gserver",
      args: byFile,
      env: { GSERVER_PROXY: `http://someone:${PROXY_PASSWORD}@127.0.0.1:1` },
    });
    await proxied.says(/127\.0\.0\.1:1/);
    const gclient = async (args: readonly string[], env: Record<string, string> = {}) => {
      const done = await world.gclient([...args, "-v"], { env });
      seen.push([`gclient ${args.join(" ")}`, `${done.stdout}\n${done.stderr}`]);
      return done;
    };
    await t.step("calls, by each way of giving a credential", async () => {
      const asRoot = ["--token-file", `${dir}/root`];
      assert.equal((await gclient(["auth", "whoami", ...asRoot])).code, 0);
      assert.equal((await gclient(["hub", "servers", ...asRoot, "--envelope"])).code, 0);
      assert.equal((await gclient(["fluentd", "status", "edge-1", ...asRoot])).code, 0);
      assert.equal((await gclient(["list", "edge-1", "--raw", ...asRoot])).code, 0);
      const env = { GCLIENT_TOKEN: tokenOf("reader") };
      assert.equal((await gclient(["fluentd", "status", "edge-1"], env)).code, 0);
      assert.equal((await gclient(["fluentd", "stop", "edge-1"], env)).code, 71);
      const asSoc = { GCLIENT_TOKEN: goodJwt };
      assert.equal((await gclient(["list", "edge-2"], asSoc)).code, 0);
      assert.equal((await gclient(["list", "edge-2"], { GCLIENT_TOKEN: badJwt })).code, 80);
      assert.equal((await gclient(["list", "--token-file", `${dir}/wrong`])).code, 80);
      // Of a server, which is for the other door.
      assert.equal((await gclient(["list", "--token-file", `${dir}/edges`])).code, 71);
    });
    await t.step("a message", async () => {
      const args = ["call", "echo.v1.Echo/Unary", "edge-2", "--token-file", `${dir}/root`, "-v"];
      const data = btoa(CANARY);
      const { code, stdout, stderr } = await world.gclient(args, { stdin: `{"data":"${data}"}` });
      assert.equal(code, 0, stderr);
      assert.ok(stdout.includes(data), stdout);
      // What it was asked to show is on stdout alone.
      seen.push(["stderr of the call", stderr]);
    });
    await t.step("raw connections", async () => {
      for (const token of [tokenOf("root"), tokenOf("idle"), goodJwt, "w".repeat(43)]) {
        const raw = await shakeHands(world.callAddress, { server: "edge-1", token });
        const by = await connectTo(world.callAddress, "edge-1:443", {
          "proxy-authorization": `Bearer ${token}`,
        });
        seen.push(["a handshake", JSON.stringify(raw.answer)], ["CONNECT", by.head]);
        raw.socket.destroy();
        by.socket.destroy();
      }
    });
    await t.step("a credential in plain text at the port with TLS", async () => {
      const { hostname, port } = new URL(world.tunnelUri);
      const conn = await Deno.connect({ hostname, port: Number(port) });
      const head = `GET /ws HTTP/1.1\r\nAuthorization: Bearer ${tokenOf("edges")}\r\n\r\n`;
      await conn.write(new TextEncoder().encode(head));
      await world.hub.says(/ DEBUG .*[Hh]andshake/);
      conn.close();
    });
    await t.step("a changed auth file, and a broken one", async () => {
      const place = (yaml: string) => replaceFile(`${dir}/auth.yaml`, yaml, 0o644);
      // A mistake that people make: the token itself where its hash belongs.
      await place(authYaml().replace(/sha256:[0-9a-f]{64}/, tokenOf("labs")));
      await world.hub.says(/is NOT in force/);
      await place(authYaml());
    });
    const feed = Process.deno("activity", [
      ...[...source("client/main.ts"), "hub", "activity", "--history", "1000"],
      ...["-s", world.callAddress, "--token-file", `${dir}/root`, "-o", "json", "-v"],
    ]);
    await using _ = feed;
    await feed.line(/CALL_ENDED/);
    await t.step("command lines, while all of them run", async () => {
      const { stdout } = await Process.output("ps", ["-eo", "args"]);
      assert.match(stdout, /(hub\/main\.ts|main\.js|ghub(\.js)?) serve .*--auth-file/);
      assert.match(stdout, /(server\/main\.ts|main\.js|gserver(\.js)?) serve edge-1/);
      assert.match(stdout, /(client\/main\.ts|main\.js|gclient(\.js)?) hub activity/);
      seen.push(["ps", stdout]);
    });
    await t.step("metrics", async () => {
      const metrics = await world.metrics();
      assert.match(metrics, /ghub_tls_certificate_expiry_timestamp_seconds/);
      seen.push(["metrics", metrics]);
    });
    const audit = `${world.dir}/hub/audit.jsonl`;
    await until("the audit to have all", async () => {
      const text = await Deno.readTextFile(audit);
      return ['"UNAUTHENTICATED"', '"kind":"raw"', '"who":"soc"', '"lab-1"', "Echo/Unary"]
        .every((part) => text.includes(part));
    });
    const processes = [
      ...[world.hub, world.server("edge-1"), world.server("edge-2"), refused, proxied, feed],
    ];
    await feed.stop();
    for (const process of processes.slice(0, -1)) await process.stop();
    for (const { name, stderr, lines } of processes) {
      assert.ok(stderr.length < MAX_KEPT_CHARS, `${name} wrote more than is kept`);
      seen.push([`stdout of ${name}`, lines.join("\n")], [`stderr of ${name}`, stderr]);
    }
    await t.step("nothing of it is found anywhere", async () => {
      for (const [where, text] of seen) secrets.look(where, text);
      // The hub's own keys have a place too.
      for (const name of [...Deno.readDirSync(`${world.dir}/hub`)].map(({ name }) => name)) {
        if (/\.(?:key|token)$/.test(name)) await secrets.addFile(`${world.dir}/hub/${name}`);
      }
      await secrets.lookBelow(world.dir);
      await secrets.lookBelow(dir);
      assert.ok(secrets.count > 12);
      assert.deepEqual(secrets.found, []);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
