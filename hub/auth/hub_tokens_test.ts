import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { statusName } from "../../shared/grpc/status.ts";
import type { Identity } from "./identity.ts";
import { FORWARDED_FIELDS, isForwarded } from "./behind_proxy.ts";
import { HubTokens, openHubTokens, tokenFiles } from "./hub_tokens.ts";

const JOIN = "join-token-of-the-hub-under-test-000";
const OPERATOR = "operator-token-of-the-hub-under-test";

type Ask = (remote: string, headers?: Record<string, string>) => Identity | string;

function tunnelDoor(auth: HubTokens): Ask {
  return (remote, headers = {}) => {
    const all = new Headers(headers);
    const result = auth.authorizeTunnel({
      forwarded: isForwarded(Object.entries(headers)),
      remote,
      header: (name) => all.get(name),
      info: { name: "edge-1", labels: {} },
    });
    if (!("status" in result)) return result;
    assert.ok(!result.message.includes(JOIN) && !result.message.includes(OPERATOR));
    return `${result.status} ${result.code}`;
  };
}

function callDoor(auth: HubTokens): Ask {
  return (remote, headers = {}) => {
    const { authorization } = headers;
    const forwarded = isForwarded(Object.entries(headers));
    const result = auth.authorizeCall({ remote, authorization, forwarded });
    if (!(result instanceof RpcError)) {
      const { grant: _, ...identity } = result;
      return identity;
    }
    assert.ok(!result.message.includes(JOIN) && !result.message.includes(OPERATOR));
    return statusName(result.code);
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

Deno.test("HubTokens opens each door by the rules, and only by them", async (t) => {
  const auth = new HubTokens([JOIN], OPERATOR);
  const doors = [
    {
      door: "tunnel",
      ask: tunnelDoor(auth),
      kind: "server",
      name: "join-token",
      own: JOIN,
      other: OPERATOR,
      unknown: "401 UNAUTHENTICATED",
      forbidden: "403 PERMISSION_DENIED",
    },
    {
      door: "call",
      ask: callDoor(auth),
      kind: "operator",
      name: "operator",
      own: OPERATOR,
      other: JOIN,
      unknown: "UNAUTHENTICATED",
      forbidden: "PERMISSION_DENIED",
    },
  ] as const;
  for (const { door, ask, kind, name, own, other, unknown, forbidden } of doors) {
    const local = { kind, name: "loopback", how: "loopback" };
    const token = { kind, name, how: "token" };
    const table: [what: string, remote: string, headers: Record<string, string>, is: unknown][] = [
      ["loopback", "127.0.0.1", {}, local],
      ["loopback, IPv6", "::1", {}, local],
      ["loopback, mapped", "::ffff:127.0.0.1", {}, local],
      ["elsewhere", "192.0.2.7", {}, unknown],
      ["elsewhere with the token", "192.0.2.7", bearer(own), token],
      ["loopback with the token", "127.0.0.1", bearer(own), token],
      ["loopback with a wrong token", "127.0.0.1", bearer("x"), unknown],
      ["elsewhere with a wrong token", "192.0.2.7", bearer("x"), unknown],
      ["a token and more", "192.0.2.7", bearer(`${own}x`), unknown],
      ["the other door's token", "192.0.2.7", bearer(other), forbidden],
      ["the other door's token from loopback", "127.0.0.1", bearer(other), forbidden],
      ["another scheme", "127.0.0.1", { authorization: `Basic ${own}` }, unknown],
      ["an empty credential", "127.0.0.1", { authorization: "" }, unknown],
      ["two tokens", "127.0.0.1", { authorization: `Bearer ${own}, Bearer ${own}` }, unknown],
      ["scheme in lower case", "192.0.2.7", { authorization: `bearer ${own}` }, token],
      ...[...FORWARDED_FIELDS].map((field): [string, string, Record<string, string>, unknown] => [
        `loopback with ${field}`,
        "127.0.0.1",
        { [field]: "" },
        unknown,
      ]),
      ["a proxy with the token", "127.0.0.1", { via: "1.1 x", ...bearer(own) }, token],
    ];
    for (const [what, remote, headers, is] of table) {
      await t.step(`${door}: ${what}`, () => assert.deepEqual(ask(remote, headers), is));
    }
  }
});

Deno.test("HubTokens refuses one token for both doors", () => {
  assert.throws(() => new HubTokens([JOIN], JOIN), /one token/);
});

Deno.test("openHubTokens() keeps its tokens in the state folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const stateDir = `${folder}/new/ghub`;
    openHubTokens(stateDir).close();
    const { join, operator } = tokenFiles(stateDir);
    const auth = openHubTokens(stateDir);
    auth.close();
    const ask = tunnelDoor(auth);
    const read = (path: string) => Deno.readTextFileSync(path).trim();
    assert.notEqual(typeof ask("192.0.2.7", bearer(read(join))), "string");
    assert.equal(ask("192.0.2.7", bearer(read(operator))), "403 PERMISSION_DENIED");
    assert.equal(Deno.statSync(stateDir).mode! & 0o777, 0o700);
    await Deno.writeTextFile(`${folder}/file`, "");
    assert.throws(() => openHubTokens(`${folder}/file/ghub`), /Cannot make state folder/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openHubTokens() without a folder lets only loopback in", () => {
  const ask = callDoor(openHubTokens(undefined));
  assert.notEqual(typeof ask("127.0.0.1"), "string");
  assert.equal(ask("192.0.2.7"), "UNAUTHENTICATED");
});
