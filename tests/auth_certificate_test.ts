/**
 * Client certificates as the credential of operators, in routed and in raw mode.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { Status } from "../shared/grpc/status.ts";
import { type CertificatePair, generateCertificate } from "../shared/tls/generate.ts";
import { AuthWorld, authYaml, GET, tokenOf } from "./support/auth_world.ts";
import { closing, dialTls, drop } from "./support/path.ts";
import { readLine } from "./support/raw_path.ts";
import { within } from "./support/until.ts";

const hub = await generateCertificate(["localhost", "127.0.0.1"]);
const soc = await generateCertificate(["analyst.soc.test"]);
const guest = await generateCertificate(["guest.test"]);
const stranger = await generateCertificate(["analyst.soc.test"]);

function start(): Promise<AuthWorld> {
  return AuthWorld.start({
    servers: ["edge-1", "edge-2"],
    yaml: authYaml().replace(
      "operators:\n",
      `operators:
  - id: analyst
    certificates: "dns:*.soc.test"
    rules: [{ servers: edge-1, methods: "*", effect: allow }]
`,
    ),
    options: { callTls: { ...hub, clientCa: `${soc.cert}${guest.cert}` } },
  });
}

/** The status of one call, or `closed`. */
async function call(
  world: AuthWorld,
  server: string,
  { identity, token }: { identity?: CertificatePair; token?: string } = {},
): Promise<number | "closed"> {
  const socket = await dialTls(world.hub.callAddress, identity);
  const gone = closing(socket);
  const session = http2.connect("https://hub.test", { createConnection: () => socket });
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": GET,
    "content-type": "application/grpc",
    te: "trailers",
    "x-hub-server": server,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  });
  stream.on("error", () => {});
  let status: number | "closed" = "closed";
  const take = (fields: http2.IncomingHttpHeaders) => {
    if (fields["grpc-status"] !== undefined) status = Number(fields["grpc-status"]);
  };
  stream.on("response", take);
  stream.on("trailers", take);
  stream.resume();
  stream.end(new Uint8Array(5));
  await within("the call's end", Promise.race([once(stream, "close"), gone]));
  session.destroy();
  socket.destroy();
  await gone;
  return status;
}

Deno.test("an operator's certificate is as good as a token, and no better", async (t) => {
  await using world = await start();
  const { OK, PERMISSION_DENIED, UNAUTHENTICATED } = Status;
  const token = tokenOf("idle");
  const table: [what: string, server: string, how: Parameters<typeof call>[2], is: unknown][] = [
    ["what it allows", "edge-1", { identity: soc }, OK],
    ["what it does not", "edge-2", { identity: soc }, PERMISSION_DENIED],
    ["one of nobody in the file", "edge-1", { identity: guest }, UNAUTHENTICATED],
    ["a stranger's of the same name", "edge-1", { identity: stranger }, "closed"],
    ["none", "edge-1", {}, UNAUTHENTICATED],
    ["none, but a token", "edge-2", { token: tokenOf("root") }, OK],
    [
      "a good one beside a token that allows less",
      "edge-1",
      { identity: soc, token },
      PERMISSION_DENIED,
    ],
    ["a good one beside a wrong token", "edge-1", { identity: soc, token: "x" }, UNAUTHENTICATED],
  ];
  for (const [what, server, how, is] of table) {
    await t.step(what, async () => assert.equal(await call(world, server, how), is));
  }
  for (const [server, ok] of [["edge-1", true], ["edge-2", false]] as const) {
    await t.step(`a raw connection to ${server}`, async () => {
      const socket = await dialTls(world.hub.callAddress, soc);
      socket.write(`${JSON.stringify({ version: 1, server })}\n`);
      assert.equal(JSON.parse(await readLine(socket)).ok, ok);
      await drop(socket);
    });
  }
});
