/**
 * An authority that `--client-ca` no longer has ends the calls and raw connections of those for
 * whom it alone vouched, whatever connection they came by; who has a token goes on.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { Status } from "../shared/grpc/status.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { authYaml, GET, tokenOf } from "./support/auth_world.ts";
import { closing, dialTls, drop } from "./support/path.ts";
import { until, within } from "./support/until.ts";
import { type Sighting, Witness } from "./support/witness.ts";
import { World } from "./support/world.ts";

const analyst = await generateCertificate(["analyst.soc.test"]);
const other = await generateCertificate(["other.test"]);

const OPERATOR = `operators:
  - id: analyst
    certificates: "dns:*.soc.test"
    rules: [{ servers: edge-1, methods: "*", effect: allow }]
`;

/** A call that the server holds open. */
function hold(session: http2.ClientHttp2Session, token?: string) {
  const stream = session.request({
    ":method": "POST",
    ":path": GET,
    "content-type": "application/grpc",
    te: "trailers",
    "x-hub-server": "edge-1",
    "x-hold": "1",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  });
  stream.on("error", () => {});
  stream.resume();
  let ended: http2.IncomingHttpHeaders | undefined;
  stream.on("trailers", (fields) => ended = fields);
  return { stream, ended: () => ended, begun: once(stream, "response") };
}

Deno.test("an authority taken out of --client-ca ends the calls that it vouched for, and no others", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-authority-" });
  try {
    await Deno.writeTextFile(`${dir}/hmac.key`, "k".repeat(48), { mode: 0o600 });
    await Deno.writeTextFile(
      `${dir}/auth.yaml`,
      authYaml().replace("operators:\n", OPERATOR),
      { mode: 0o644 },
    );
    await Deno.writeTextFile(`${dir}/ca.crt`, analyst.cert + other.cert);
    await using world = await World.start({
      servers: [],
      tls: true,
      hubArgs: ["--auth-file", `${dir}/auth.yaml`, "--client-ca", `${dir}/ca.crt`, "--call-tls"],
    });
    const seen: Sighting[] = [];
    await using _server = await Witness.start({
      uri: world.tunnelUri,
      name: "edge-1",
      seen,
      headers: { authorization: `Bearer ${tokenOf("edges")}` },
      tls: { rejectUnauthorized: false },
    });
    const socket = await dialTls(world.callAddress, analyst);
    const session = http2.connect("https://hub.test", { createConnection: () => socket });
    session.on("error", () => {});
    const byCertificate = hold(session);
    const byToken = hold(session, tokenOf("root"));
    await within("both calls", Promise.all([byCertificate.begun, byToken.begun]));
    const raw = await dialTls(world.callAddress, analyst);
    const rawGone = closing(raw);
    raw.write(`${JSON.stringify({ version: 1, server: "edge-1" })}\n`);
    const [line] = await within("the raw connection", once(raw, "data"));
    assert.equal(JSON.parse(String(line)).ok, true);

    await Deno.writeTextFile(`${dir}/ca.crt`, other.cert);
    const ended = await until("the end of the call", byCertificate.ended);
    assert.equal(Number(ended["grpc-status"]), Status.UNAUTHENTICATED);
    assert.match(
      decodeURIComponent(String(ended["grpc-message"])),
      /no authority that this hub trusts/,
    );
    await within("the end of the raw connection", rawGone);
    assert.equal(byToken.ended(), undefined);
    assert.ok(!byToken.stream.closed, "a token needs nobody to vouch for it");
    session.destroy();
    await drop(socket);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
