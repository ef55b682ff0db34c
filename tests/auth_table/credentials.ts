/**
 * Credentials, in all three modes: nothing counts but a good one, and each as itself.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type AuthTable, outcome, type Row } from "../support/auth_table.ts";
import { GET, hashOf, jwt, OPERATORS, tokenOf, UNARY } from "../support/auth_world.ts";
import { type BareField, callFields } from "../support/bare_call.ts";
import { byConnect, byHandshake } from "./raw.ts";

/** Who guesses is slowed, address by address; loopback has plenty. */
let addresses = 0;
function from(): string {
  return `127.0.7.${1 + addresses++ % 250}`;
}

/** Tokens that open nothing, or not this; the last column is what is said of them. */
async function badTokens(): Promise<[what: string, token: string, told: string][]> {
  const root = tokenOf("root");
  const good = await jwt();
  const [head = "", body = "", signature = ""] = good.split(".");
  const base64 = (header: object) => Buffer.from(JSON.stringify(header)).toString("base64url");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString());
  const [no, other] = ["UNAUTHENTICATED", "PERMISSION_DENIED"];
  return [
    ["a wrong token", "x".repeat(43), no],
    ["a token cut short", root.slice(0, -1), no],
    ["a token and more", `${root}x`, no],
    ["a token in upper case", root.toUpperCase(), no],
    ["two tokens in one", `${tokenOf("idle")},${root}`, no],
    ["the token's hash", hashOf("root").slice("sha256:".length), no],
    ["the token's hash, as the file has it", hashOf("root"), no],
    ["a server's token", tokenOf("edges"), other],
    ["an expired token", tokenOf("retired"), no],
    ["a JWT of nobody's role", await jwt({ claims: { role: "guest" } }), no],
    ["a JWT without claims", await jwt({ claims: {} }), no],
    ["a JWT for servers", await jwt({ claims: { role: "plant", sub: "1" } }), other],
    ["an expired JWT", await jwt({ expiresInS: -60 }), no],
    ["a JWT that never expires", await jwt({ expiresInS: undefined }), no],
    ["a JWT of tomorrow", await jwt({ notBeforeInS: 300 }), no],
    ["a JWT for another audience", await jwt({ audience: "other" }), no],
    ["a JWT of another issuer", await jwt({ issuer: "https://evil.test" }), no],
    ["a JWT by another key", await jwt({ secret: "y".repeat(48) }), no],
    ["a JWT by another algorithm", await jwt({ algorithm: "HS512", secret: LONG }), no],
    ["a JWT by no algorithm", `${base64({ alg: "none" })}.${body}.`, no],
    ["a JWT by no algorithm, signed", `${base64({ alg: "none" })}.${body}.eA`, no],
    ["a JWT with a key of its own", `${base64({ alg: "HS256", jwk: JWK })}.${body}.eA`, no],
    ["a JWT with other claims", `${head}.${base64({ ...claims, role: "root" })}.${signature}`, no],
    ["a JWT that is none", "a.b.c", no],
  ];
}

/** HMAC with SHA-512 wants a longer secret. */
const LONG = "hmac-secret-of-the-issuer-under-test-0123456789-0123456789-0123";
const JWK = { kty: "oct", k: "eA" };

export async function credentials(table: AuthTable): Promise<Row[]> {
  const root = tokenOf("root");
  const bearer = (token: string): BareField => ["authorization", `Bearer ${token}`];
  const basic = Buffer.from(`:${root}`).toString("base64");
  const no = "UNAUTHENTICATED";
  const tokens = await badTokens();
  const longJwt = `${"e".repeat(9000)}.eA.eA`;
  const fields: [what: string, more: BareField[], told: string | string[]][] = [
    ...tokens.map(([what, token, told]): [string, BareField[], string] => [
      what,
      [bearer(token)],
      told,
    ]),
    ["none, though from loopback", [], no],
    ["an empty one", [["authorization", ""]], no],
    ["no scheme", [["authorization", root]], no],
    ["a scheme alone", [["authorization", "Bearer"]], no],
    ["Basic", [["authorization", `Basic ${basic}`]], no],
    ["a JWT that is too long", [bearer(longJwt)], no],
    ["two tokens", [bearer(tokenOf("idle")), bearer(root)], no],
    ["two tokens, turned round", [bearer(root), bearer(tokenOf("idle"))], no],
    ["the same token twice", [bearer(root), bearer(root)], no],
    ["two schemes", [["authorization", `Bearer ${tokenOf("idle")}, Bearer ${root}`]], no],
    ["field in upper case", [["Authorization", `Bearer ${root}`]], ["reset", "goaway"]],
    ["field in mixed case beside another's", [
      bearer(tokenOf("idle")),
      ["Authorization", `Bearer ${root}`],
    ], ["reset", "goaway"]],
    ["proxy-authorization", [["proxy-authorization", `Bearer ${root}`]], no],
    ["in binary metadata", [["authorization-bin", Buffer.from(root).toString("base64")]], no],
    ["in a cookie", [["cookie", `authorization=Bearer ${root}`]], no],
    ["a name that it chose itself", [["x-hub-operator", "root"]], no],
    ["idle, with another's name", [bearer(tokenOf("idle")), ["x-hub-operator", "root"]], [
      "PERMISSION_DENIED",
    ]],
    ["loopback, says a header", [["x-forwarded-for", "127.0.0.1"]], no],
    ["loopback, says another one", [["forwarded", "for=127.0.0.1"]], no],
    ["a certificate, says a header", [["x-forwarded-client-cert", "dns:root"]], no],
  ];
  const { callAddress } = table.world;
  const rows = fields.map(([what, more, told]): Row => ({
    what: `routed: ${what}`,
    run: async (mark) => {
      const answer = await table.call(GET, [["x-hub-server", "edge-1"], ...more, mark], {
        from: from(),
      });
      for (const who of [...OPERATORS, "edges", "retired"]) {
        if (answer.text.includes(tokenOf(who))) return "an answer that shows a token";
      }
      return outcome(answer);
    },
    told,
  }));
  const inside = (mark: BareField) => callFields({ path: UNARY, more: [bearer(root), mark] });
  const modes = { handshake: byHandshake(callAddress), CONNECT: byConnect(callAddress) };
  for (const [mode, dial] of Object.entries(modes)) {
    for (const [what, token, told] of [["none, but one in the call", undefined, no], ...tokens]) {
      rows.push({
        what: `${mode}: ${what}`,
        run: (mark) => dial("edge-1", token, inside(mark), { localAddress: from() }),
        told: told!,
      });
    }
  }
  rows.push(
    {
      what: "routed: and a good token does",
      run: async (mark) =>
        outcome(await table.call(GET, [["x-hub-server", "edge-1"], bearer(root), mark])),
      told: "OK",
      arrives: `edge-1 ${GET} as root`,
    },
    {
      what: "routed: and a good JWT",
      run: async (mark) =>
        outcome(
          await table.call(GET, [["x-hub-server", "edge-2"], bearer(await jwt()), mark]),
        ),
      told: "OK",
      arrives: `edge-2 ${GET} as soc`,
    },
  );
  return rows;
}
