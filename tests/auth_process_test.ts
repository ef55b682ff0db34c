/**
 * Who gets in, with the real programs: an auth file, client certificates, a certificate that is
 * renewed. (That no secret is in anything that they write: `auth_redaction_test.ts`.)
 *
 * @module
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import tls from "node:tls";
import { generateCertificate } from "../shared/tls/generate.ts";
import { verifyAudit } from "../hub/audit/verify.ts";
import { authYaml, jwt, tokenOf } from "./support/auth_world.ts";
import { closing } from "./support/path.ts";
import { fromEachWorker } from "./support/process.ts";
import { connectTo, shakeHands } from "./support/raw_path.ts";
import { replaceFile } from "./support/replace_file.ts";
import { until, within } from "./support/until.ts";
import { type Sighting, Witness } from "./support/witness.ts";
import { World } from "./support/world.ts";

/** A world whose hub reads an auth file, and token files of those who are in it. */
async function start(
  hubArgs: (dir: string) => readonly string[] = () => [],
): Promise<{ world: World; dir: string } & AsyncDisposable> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-auth-" });
  await Deno.writeTextFile(`${dir}/hmac.key`, HMAC_KEY, { mode: 0o600 });
  await Deno.writeTextFile(`${dir}/auth.yaml`, authYaml(), { mode: 0o644 });
  for (const who of ["root", "reader", "idle", "edges", "labs"]) {
    await Deno.writeTextFile(`${dir}/${who}`, `${tokenOf(who)}\n`, { mode: 0o600 });
  }
  const world = await World.start({
    servers: [],
    tls: true,
    hubArgs: ["--auth-file", `${dir}/auth.yaml`, ...hubArgs(dir)],
  });
  return {
    world,
    dir,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

const HMAC_KEY = "hmac-secret-of-the-issuer-under-test-0123456789";

Deno.test("with an auth file, each gets as far as its token says", async (t) => {
  await using started = await start();
  const { world, dir } = started;
  const goodJwt = await jwt();
  const wrong = "w".repeat(43);
  await world.startServer({
    name: "edge-1",
    program: "gserver",
    args: ["--token-file", `${dir}/edges`, "--labels", "env=prod"],
  });
  await t.step("a server that claims another's name is not let in", async () => {
    const server = world.spawnServer({
      name: "lab-1",
      program: "gserver",
      args: ["--token-file", `${dir}/edges`],
    });
    await until("the refusal", () => /may not register the name/.test(server.stderr));
  });
  await t.step("root sees the server", async () => {
    const { code, stdout, stderr } = await world.gclient([
      ...["hub", "servers", "-o", "json", "--token-file", `${dir}/root`],
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /edge-1/);
  });
  await t.step("idle sees nothing", async () => {
    const { code, stdout, stderr } = await world.gclient([
      ...["hub", "servers", "-o", "json", "--token-file", `${dir}/idle`],
    ]);
    assert.equal(code, 0, stderr);
    assert.ok(!stdout.includes("edge-1"));
  });
  await t.step("and may not call it", async () => {
    const { code, stderr } = await world.gclient([
      ...["fluentd", "status", "edge-1", "--token-file", `${dir}/idle`],
    ]);
    assert.equal(code, 71, stderr);
  });
  await t.step("who has none, or a wrong one, is told so", async () => {
    await Deno.writeTextFile(`${dir}/wrong`, wrong, { mode: 0o600 });
    const none = await world.gclient(["hub", "servers"]);
    assert.notEqual(none.code, 0);
    assert.match(none.stderr, /lets nobody in without a credential/);
    const bad = await world.gclient(["hub", "servers", "--token-file", `${dir}/wrong`]);
    assert.notEqual(bad.code, 0);
    assert.match(bad.stderr, /Wrong token/);
  });
  await t.step("raw modes too", async () => {
    for (const token of [tokenOf("root"), tokenOf("idle"), goodJwt, wrong]) {
      const { socket, answer } = await shakeHands(world.callAddress, { server: "edge-1", token });
      assert.equal(answer.ok, token === tokenOf("root"));
      socket.destroy();
      const by = await connectTo(world.callAddress, "edge-1:443", {
        "proxy-authorization": `Bearer ${token}`,
      });
      assert.equal(by.status === 200, token === tokenOf("root"));
      by.socket.destroy();
    }
  });
  await t.step("the audit has all of it, and is whole", async () => {
    const path = `${world.dir}/hub/audit.jsonl`;
    const lines = await until("all lines", async () => {
      const text = await Deno.readTextFile(path);
      return text.includes('"status":"UNAUTHENTICATED"') && text.includes('"kind":"raw"') && text;
    });
    assert.match(lines, /"kind":"registration","who":"edges",.*"status":"OK"/);
    assert.match(
      lines,
      /"kind":"registration","who":"edges",.*"server":"lab-1",.*"status":"PERMISSION_DENIED"/,
    );
    assert.match(lines, /"server":"edge-1","labels":\{"env":"prod"\},"status":"OK"/);
    assert.match(lines, /"kind":"call","who":"root"/);
    assert.match(lines, /"who":"idle",.*"server":"edge-1",.*"status":"PERMISSION_DENIED"/);
    // It writes no more then: a line that is half written would be a fault.
    await world.hub.stop();
    await verifyAudit([path]);
  });
});

Deno.test("with --client-ca, a certificate is a credential, and the hub's own is renewed in use", async (t) => {
  const edge = await generateCertificate(["edge-1.plants.test"]);
  const stranger = await generateCertificate(["edge-1.plants.test"]);
  await using started = await start((dir) => {
    Deno.writeTextFileSync(`${dir}/ca.crt`, edge.cert);
    return ["--client-ca", `${dir}/ca.crt`, "--metrics-listen", "127.0.0.1:0"];
  });
  const { world, dir } = started;
  await replaceFile(
    `${dir}/auth.yaml`,
    authYaml().replace(
      "servers:\n",
      'servers:\n  - { id: plants-by-cert, certificates: "dns:*.plants.test", names: edge-1 }\n',
    ),
    0o644,
  );
  await world.hub.says(fromEachWorker(/has changed and is in force/));
  /** Whether a tunnel stands: had the hub closed it, its end would come before another answer. */
  const isHere = ({ closed }: Witness) =>
    Promise.race([closed.then(() => false), world.metrics().then(() => true)]);
  const seen: Sighting[] = [];
  const register = (name: string, identity: object) =>
    Witness.start({
      uri: world.tunnelUri,
      name,
      seen,
      tls: { rejectUnauthorized: false, ...identity },
    });
  await t.step("who shows one gets the name that it allows", async () => {
    await using _ = await register("edge-1", { cert: edge.cert, key: edge.key });
  });
  await t.step("and no other", async () => {
    await assert.rejects(register("edge-2", { cert: edge.cert, key: edge.key }), /403/);
  });
  await t.step("none is no credential", async () => {
    await assert.rejects(register("edge-1", {}), /401/);
  });
  await t.step("a stranger's of the same name is not even heard", async () => {
    const { hostname, port } = new URL(world.tunnelUri);
    const socket = tls.connect({
      host: hostname,
      port: Number(port),
      rejectUnauthorized: false,
      cert: stranger.cert,
      key: stranger.key,
    });
    socket.on("error", () => {});
    socket.write("GET /ws HTTP/1.1\r\n\r\n");
    let answer = "";
    socket.on("data", (bytes) => answer += bytes);
    await within("the end of a stranger's connection", closing(socket));
    assert.equal(answer, "");
  });
  await t.step("a renewed certificate is shown to who comes, and who is here stays", async () => {
    await using here = await register("edge-1", { cert: edge.cert, key: edge.key });
    /** The end of a certificate as metrics have it. */
    const endOf = (pem: string) => Date.parse(new X509Certificate(pem).validTo) / 1000;
    const line = (pem: string) =>
      `ghub_tls_certificate_expiry_timestamp_seconds{file="${world.caCertFile}"} ${endOf(pem)}`;
    const first = await Deno.readTextFile(world.caCertFile);
    assert.ok((await world.metrics()).split("\n").includes(line(first)), await world.metrics());
    const renewed = await generateCertificate(["localhost"], { commonName: "renewed", days: 7 });
    await Deno.writeTextFile(`${world.dir}/hub.key`, renewed.key);
    await Deno.writeTextFile(world.caCertFile, renewed.cert);
    await until(
      "the hub to use it",
      () => /another certificate, and is in use/.test(world.hub.stderr),
    );
    const { hostname, port } = new URL(world.tunnelUri);
    const socket = tls.connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
    await once(socket, "secureConnect");
    assert.equal(socket.getPeerCertificate().subject.CN, "renewed");
    assert.notEqual(endOf(renewed.cert), endOf(first));
    assert.ok((await world.metrics()).split("\n").includes(line(renewed.cert)));
    const closed = once(socket, "close");
    socket.destroy();
    await closed;
    assert.ok(await isHere(here));
  });
  await t.step(
    "who is here by an authority that is taken out is put out, and told why",
    async () => {
      await using here = await register("edge-1", { cert: edge.cert, key: edge.key });
      await using byToken = await Witness.start({
        uri: world.tunnelUri,
        name: "edge-2",
        headers: { authorization: `Bearer ${tokenOf("edges")}` },
        seen,
        tls: { rejectUnauthorized: false, cert: edge.cert, key: edge.key },
      });
      await replaceFile(`${dir}/ca.crt`, `${stranger.cert}\n${edge.cert}`);
      await until("one more authority", () => /authorities.* in force/.test(world.hub.stderr));
      assert.ok(await isHere(here));
      await replaceFile(`${dir}/ca.crt`, stranger.cert);
      const { code, reason } = await within("the end of the tunnel", here.closed);
      assert.equal(code, 1008);
      assert.match(
        reason,
        /no longer lets "plants-by-cert" in: .*no authority that this hub trusts/,
      );
      assert.ok(await isHere(byToken), "a token needs nobody to vouch for it");
    },
  );
});

Deno.test("calls in plain text from another address are refused, unless asked for by name", async (t) => {
  const address = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  )?.address;
  if (address === undefined) return; // This machine has no address but loopback.
  for (const [args, refused] of [[[], true], [["--allow-plaintext-calls"], false]] as const) {
    await t.step(args.join(" ") || "by default", async () => {
      await using world = await World.start({
        servers: [],
        callListen: `${address}:0`,
        hubArgs: args,
      });
      const { code, stderr } = await world.gclient([
        ...["hub", "servers", "--token-file", `${world.dir}/hub/operator.token`],
      ]);
      assert.equal(code !== 0, refused, stderr);
      if (refused) assert.match(stderr, /over TLS only/);
    });
  }
});
