/**
 * Who gets through the hub: identities × servers × methods × modes, and every trick that we know
 * of to get further than one may. Witnesses behind the hub tell what came through.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type net from "node:net";
import { Status, type StatusCode, statusName } from "../shared/grpc/status.ts";
import {
  AuthWorld,
  GET,
  GHOST,
  jwt,
  METHODS,
  type Operator,
  OPERATORS,
  type Server,
  SERVERS,
  STOP,
  tokenOf,
  UNARY,
} from "./support/auth_world.ts";
import { bareCall, type BareField, callFields } from "./support/bare_call.ts";
import { connectTo, shakeHands } from "./support/raw_path.ts";
import { RefusedError } from "./support/witness.ts";

/** `all` includes what the hub cannot look into. */
type May = "all" | readonly string[];

const NOTHING: May = [];

/** Written down by hand from the table in `auth_world.ts`: the hub's own rules are not asked. */
const MAY: Record<Operator, Record<Server, May>> = {
  root: {
    "edge-1": "all",
    "edge-2": "all",
    "edge-1/payments": "all",
    "lab-1": "all",
    secret: "all",
  },
  stopper: {
    "edge-1": [GET, UNARY],
    "edge-2": "all",
    "edge-1/payments": [GET, UNARY],
    "lab-1": "all",
    secret: "all",
  },
  reader: {
    "edge-1": [GET],
    "edge-2": [GET],
    "edge-1/payments": NOTHING,
    "lab-1": NOTHING,
    secret: NOTHING,
  },
  prod: {
    "edge-1": "all",
    "edge-2": NOTHING,
    "edge-1/payments": "all",
    "lab-1": NOTHING,
    secret: "all",
  },
  lab: {
    "edge-1": NOTHING,
    "edge-2": NOTHING,
    "edge-1/payments": NOTHING,
    "lab-1": "all",
    secret: NOTHING,
  },
  idle: {
    "edge-1": NOTHING,
    "edge-2": NOTHING,
    "edge-1/payments": NOTHING,
    "lab-1": NOTHING,
    secret: NOTHING,
  },
  soc: {
    "edge-1": NOTHING,
    "edge-2": "all",
    "edge-1/payments": NOTHING,
    "lab-1": NOTHING,
    secret: NOTHING,
  },
};

/** Operators whose rules name every server, so that they may know which ones there are. */
const KNOWS_ALL: readonly Operator[] = ["root", "stopper"];

function may(who: Operator, server: Server, method: string): boolean {
  const grant = MAY[who][server];
  return grant === "all" || grant.includes(method);
}

/** Fails if anything came through that its caller may not do. */
function assertNothingForbidden(world: AuthWorld): void {
  for (const { server, path, headers } of world.seen.splice(0)) {
    const who = String(headers["x-hub-operator"] ?? "");
    if (path === "/ghub.v1.Tunnel/Connect") {
      const upstream = headers["x-hub-upstream"];
      const name = upstream === undefined ? server : `${server}/${upstream}`;
      assert.equal(MAY[who as Operator]?.[name as Server], "all", `${who} has ${name} raw`);
      continue;
    }
    assert.ok(OPERATORS.includes(who as Operator), `"${who}" called ${path} of ${server}`);
    assert.ok(may(who as Operator, server as Server, path), `${who} called ${path} of ${server}`);
  }
}

function bearer(token: string): BareField {
  return ["authorization", `Bearer ${token}`];
}

Deno.test("routed calls get exactly as far as their operator may", async (t) => {
  await using world = await AuthWorld.start();
  for (const who of OPERATORS) {
    for (const server of [...Object.keys(SERVERS), GHOST]) {
      for (const method of METHODS) {
        await t.step(`${who} ${server} ${method}`, async () => {
          world.seen.length = 0;
          const more: BareField[] = [["x-hub-server", server], bearer(world.token(who))];
          const answer = await bareCall(world.hub.callAddress, callFields({ path: method, more }));
          const expected = server === GHOST
            ? KNOWS_ALL.includes(who) ? Status.NOT_FOUND : Status.PERMISSION_DENIED
            : may(who, server as Server, method)
            ? Status.OK
            : Status.PERMISSION_DENIED;
          assert.equal(answer.status, expected, answer.message);
          assert.equal(world.seen.length, expected === Status.OK ? 1 : 0);
          if (expected === Status.OK) {
            assert.equal(world.seen[0]!.server, server);
            assert.equal(
              world.seen[0]!.headers["authorization"],
              undefined,
              "the credential went on",
            );
          }
          assertNothingForbidden(world);
        });
      }
    }
  }
});

Deno.test("raw connections need every method, by handshake and by CONNECT", async (t) => {
  await using world = await AuthWorld.start();
  const { callAddress } = world.hub;
  const byHandshake = async (server: string, token: string) => {
    const { socket, answer } = await shakeHands(callAddress, { server, token });
    socket.destroy();
    return answer.ok ? "OK" : answer.code;
  };
  const byConnect = async (server: string, token: string) => {
    const target = server.includes("/") ? server.split("/").toReversed().join(".") : server;
    const { socket, status } = await connectTo(callAddress, `${target}:443`, {
      "proxy-authorization": `Bearer ${token}`,
    });
    socket.destroy();
    return { 200: "OK", 403: "PERMISSION_DENIED", 404: "NOT_FOUND" }[status] ?? String(status);
  };
  for (const [mode, dial] of [["handshake", byHandshake], ["CONNECT", byConnect]] as const) {
    for (const who of OPERATORS) {
      for (const server of [...Object.keys(SERVERS), GHOST]) {
        await t.step(`${mode}: ${who} ${server}`, async () => {
          world.seen.length = 0;
          const expected = server === GHOST
            ? KNOWS_ALL.includes(who) ? "NOT_FOUND" : "PERMISSION_DENIED"
            : MAY[who][server as Server] === "all"
            ? "OK"
            : "PERMISSION_DENIED";
          assert.equal(await dial(server, world.token(who)), expected);
          assert.equal(world.seen.length, expected === "OK" ? 1 : 0);
          assertNothingForbidden(world);
        });
      }
    }
  }
});

/** Paths that some server somewhere takes for Stop. */
const STOP_IN_DISGUISE = [
  `/${STOP}`,
  `${STOP}/`,
  "/fluentd.v1.Fluentd//Stop",
  `${STOP}?x=1`,
  `${STOP}#x`,
  `${STOP};x`,
  "/fluentd.v1.Fluentd/%53top",
  "/fluentd.v1.Fluentd%2fStop",
  "/fluentd.v1.Fluentd/%2e/Stop",
  "/fluentd.v1.Fluentd/./Stop",
  "/fluentd.v1.Fluentd/x/../Stop",
  "/x/../fluentd.v1.Fluentd/Stop",
  "/%2e%2e/fluentd.v1.Fluentd/Stop",
  "/fluentd.v1.Fluentd/GetStatus/../Stop",
  "/fluentd.v1.fluentd/stop",
  "/FLUENTD.V1.FLUENTD/STOP",
  "/fluentd.v1.Fluentd/sTop",
  `${STOP}%00`,
  `${STOP}%20`,
  `${STOP} `,
  `${STOP}\t`,
  ` ${STOP}`,
  "\\fluentd.v1.Fluentd\\Stop",
  "/fluentd.v1.Fluentd\\Stop",
  "fluentd.v1.Fluentd/Stop",
  `http://edge-1${STOP}`,
  `//edge-1${STOP}`,
  "/fluentd.v1.Fluentd/St\u00f6p",
  "*",
  "/",
  `${GET},${STOP}`,
  `${GET}\u0000${STOP}`,
];

Deno.test("no spelling of a path gets around a rule", async (t) => {
  await using world = await AuthWorld.start();
  for (const path of STOP_IN_DISGUISE) {
    for (const who of ["stopper", "reader"] as const) {
      await t.step(`${who} ${JSON.stringify(path)}`, async () => {
        world.seen.length = 0;
        const more: BareField[] = [["x-hub-server", "edge-1"], bearer(world.token(who))];
        const answer = await bareCall(world.hub.callAddress, callFields({ path, more }));
        assert.notEqual(answer.status, Status.OK);
        assert.deepEqual(world.seen, []);
        assertNothingForbidden(world);
      });
    }
  }
});

Deno.test("no way of naming a server gets around a rule", async (t) => {
  await using world = await AuthWorld.start();
  const wait: BareField = ["x-hub-wait", "50ms"];
  // lab may call lab-1 alone: all of these try to reach edge-1 or secret.
  const table: [what: string, authority: string, more: BareField[]][] = [
    ["metadata", "hub.test", [["x-hub-server", "edge-1"]]],
    ["older metadata", "hub.test", [["name", "edge-1"]]],
    ["both", "hub.test", [["name", "edge-1"], ["x-hub-server", "edge-1"]]],
    ["a permitted one and another", "hub.test", [["x-hub-server", "lab-1"], ["name", "edge-1"]]],
    ["the other way round", "hub.test", [["name", "lab-1"], ["x-hub-server", "edge-1"]]],
    ["twice", "hub.test", [["x-hub-server", "lab-1"], ["x-hub-server", "edge-1"]]],
    ["twice, turned round", "hub.test", [["x-hub-server", "edge-1"], ["x-hub-server", "lab-1"]]],
    ["a list", "hub.test", [["x-hub-server", "lab-1,edge-1"]]],
    ["upper case", "hub.test", [["x-hub-server", "EDGE-1"]]],
    ["field in upper case", "hub.test", [["X-Hub-Server", "edge-1"]]],
    ["field in mixed case beside a good one", "hub.test", [
      ["x-hub-server", "lab-1"],
      ["X-hub-server", "edge-1"],
    ]],
    ["a space before", "hub.test", [["x-hub-server", " edge-1"]]],
    ["a space behind", "hub.test", [["x-hub-server", "edge-1 "]]],
    ["a tab", "hub.test", [["x-hub-server", "edge-1\t"]]],
    ["a line break", "hub.test", [["x-hub-server", "lab-1\r\nx-hub-server: edge-1"]]],
    ["a zero", "hub.test", [["x-hub-server", "edge-1\0"]]],
    ["an empty upstream", "hub.test", [["x-hub-server", "edge-1/"]]],
    ["an upstream", "hub.test", [["x-hub-server", "edge-1/payments"]]],
    ["an upstream of its own server", "hub.test", [["x-hub-server", "lab-1/../edge-1"]]],
    ["two slashes", "hub.test", [["x-hub-server", "edge-1//payments"]]],
    ["an escaped slash", "hub.test", [["x-hub-server", "edge-1%2fpayments"]]],
    ["dots", "hub.test", [["x-hub-server", "../edge-1"]]],
    ["a star", "hub.test", [["x-hub-server", "*"]]],
    ["nothing", "hub.test", [["x-hub-server", ""]]],
    ["waiting for it", "hub.test", [["x-hub-server", "edge-1"], wait]],
    ["waiting for who is not here", "hub.test", [["x-hub-server", GHOST], wait]],
    ["authority", "secret", [["x-hub-server", "secret"]]],
    ["a foreign authority beside metadata", "lab-1", [["x-hub-server", "edge-1"]]],
  ];
  for (const [what, authority, more] of table) {
    await t.step(what, async () => {
      const fields = callFields({
        path: GET,
        authority,
        more: [bearer(world.token("lab")), ...more],
      });
      const answer = await bareCall(world.hub.callAddress, fields);
      assert.notEqual(answer.status, Status.OK);
      assertNothingForbidden(world);
    });
  }

  // Here the name in the authority is not one that lab may know of, so that it names nothing at
  // all: such a call goes where it would go without any name, to the one server that lab can see.
  const authorities = [
    "edge-1",
    "edge-1.hub.test",
    "EDGE-1.hub.test:9090",
    "edge-1:443",
    "lab-1@edge-1",
    "edge-1.@x",
    "secret",
    "edge-1/payments",
    "edge-1.",
    "[edge-1]",
    "",
    "ghosts.hub.test",
  ];
  for (const authority of authorities) {
    await t.step(`:authority ${JSON.stringify(authority)}`, async () => {
      world.seen.length = 0;
      const more = [bearer(world.token("lab"))];
      await bareCall(world.hub.callAddress, callFields({ path: GET, authority, more }));
      assert.ok(world.seen.every(({ server }) => server === "lab-1"));
      assertNothingForbidden(world);
    });
  }

  await t.step("two authorities", async () => {
    const fields = callFields({ path: GET, authority: "lab-1" });
    fields.splice(4, 0, [":authority", "edge-1"]);
    const answer = await bareCall(world.hub.callAddress, [...fields, bearer(world.token("lab"))]);
    assert.notEqual(answer.status, Status.OK);
    assertNothingForbidden(world);
  });

  await t.step("host beside authority", async () => {
    const more: BareField[] = [["host", "edge-1"], bearer(world.token("lab"))];
    await bareCall(world.hub.callAddress, callFields({ path: GET, authority: "lab-1", more }));
    assertNothingForbidden(world);
  });
});

Deno.test("no credential but a good one counts, and each as itself", async (t) => {
  await using world = await AuthWorld.start();
  const root = tokenOf("root");
  const none = (header: object) => Buffer.from(JSON.stringify(header)).toString("base64url");
  const good = await jwt();
  const [head = "", body = ""] = good.split(".");
  const forged = Buffer.from(JSON.stringify({
    ...JSON.parse(Buffer.from(body, "base64url").toString()),
    role: "root",
  })).toString("base64url");
  const { UNAUTHENTICATED, PERMISSION_DENIED } = Status;
  const table: [what: string, more: BareField[], status: number | "refused"][] = [
    ["none, though from loopback", [], UNAUTHENTICATED],
    ["an empty one", [["authorization", ""]], UNAUTHENTICATED],
    ["no scheme", [["authorization", root]], UNAUTHENTICATED],
    ["a scheme alone", [["authorization", "Bearer"]], UNAUTHENTICATED],
    [
      "Basic",
      [["authorization", `Basic ${Buffer.from(`:${root}`).toString("base64")}`]],
      UNAUTHENTICATED,
    ],
    ["a wrong token", [bearer("x".repeat(43))], UNAUTHENTICATED],
    ["a token cut short", [bearer(root.slice(0, -1))], UNAUTHENTICATED],
    ["a token and more", [bearer(`${root}x`)], UNAUTHENTICATED],
    ["a token in upper case", [bearer(root.toUpperCase())], UNAUTHENTICATED],
    ["the token's hash", [bearer(await hashOf(root))], UNAUTHENTICATED],
    ["a server's token", [bearer(tokenOf("edges"))], PERMISSION_DENIED],
    ["an expired token", [bearer(tokenOf("retired"))], UNAUTHENTICATED],
    ["two tokens", [bearer(tokenOf("idle")), bearer(root)], UNAUTHENTICATED],
    [
      "two tokens in one",
      [["authorization", `Bearer ${tokenOf("idle")}, Bearer ${root}`]],
      UNAUTHENTICATED,
    ],
    ["the same token twice", [bearer(root), bearer(root)], UNAUTHENTICATED],
    ["field in upper case", [["Authorization", `Bearer ${root}`]], "refused"],
    ["proxy-authorization", [["proxy-authorization", `Bearer ${root}`]], UNAUTHENTICATED],
    ["in a cookie", [["cookie", `authorization=Bearer ${root}`]], UNAUTHENTICATED],
    ["a name that it chose itself", [["x-hub-operator", "root"]], UNAUTHENTICATED],
    [
      "idle, with another's name",
      [bearer(tokenOf("idle")), ["x-hub-operator", "root"]],
      PERMISSION_DENIED,
    ],
    ["loopback, says a header", [["x-forwarded-for", "127.0.0.1"]], UNAUTHENTICATED],
    ["loopback, says another one", [["forwarded", "for=127.0.0.1"]], UNAUTHENTICATED],
    ["a JWT of nobody's role", [bearer(await jwt({ claims: { role: "guest" } }))], UNAUTHENTICATED],
    ["a JWT without claims", [bearer(await jwt({ claims: {} }))], UNAUTHENTICATED],
    [
      "a JWT for servers",
      [bearer(await jwt({ claims: { role: "plant", sub: "1" } }))],
      PERMISSION_DENIED,
    ],
    ["an expired JWT", [bearer(await jwt({ expiresInS: -60 }))], UNAUTHENTICATED],
    ["a JWT that never expires", [bearer(await jwt({ expiresInS: undefined }))], UNAUTHENTICATED],
    ["a JWT of tomorrow", [bearer(await jwt({ notBeforeInS: 300 }))], UNAUTHENTICATED],
    ["a JWT for another audience", [bearer(await jwt({ audience: "other" }))], UNAUTHENTICATED],
    [
      "a JWT of another issuer",
      [bearer(await jwt({ issuer: "https://evil.test" }))],
      UNAUTHENTICATED,
    ],
    ["a JWT by another key", [bearer(await jwt({ secret: "y".repeat(48) }))], UNAUTHENTICATED],
    ["a JWT by another algorithm", [
      bearer(
        await jwt({
          algorithm: "HS512",
          secret: "hmac-secret-of-the-issuer-under-test-0123456789-0123456789-0123",
        }),
      ),
    ], UNAUTHENTICATED],
    ["a JWT by no algorithm", [bearer(`${none({ alg: "none" })}.${body}.`)], UNAUTHENTICATED],
    [
      "a JWT by no algorithm, with a signature",
      [bearer(`${none({ alg: "none" })}.${body}.eA`)],
      UNAUTHENTICATED,
    ],
    ["a JWT with a key of its own", [
      bearer(`${none({ alg: "HS256", jwk: { kty: "oct", k: "eA" } })}.${body}.eA`),
    ], UNAUTHENTICATED],
    [
      "a JWT with other claims",
      [bearer(`${head}.${forged}.${good.split(".")[2]}`)],
      UNAUTHENTICATED,
    ],
    ["a JWT that is too long", [bearer(`${head}.${"e".repeat(9000)}.eA`)], UNAUTHENTICATED],
    ["a JWT that is none", [bearer("a.b.c")], UNAUTHENTICATED],
  ];
  for (const [what, more, status] of table) {
    await t.step(what, async () => {
      const fields = callFields({ path: GET, more: [["x-hub-server", "edge-1"], ...more] });
      const answer = await bareCall(world.hub.callAddress, fields);
      if (status === "refused") assert.equal(typeof answer.status, "string");
      else assert.equal(answer.status, status, answer.message);
      for (const who of [...OPERATORS, "edges", "retired"]) {
        assert.ok(!answer.text.includes(tokenOf(who)), "an answer shows a token");
      }
      assertNothingForbidden(world);
    });
  }
  await t.step("and the good ones do", async () => {
    for (const [token, server] of [[root, "edge-1"], [good, "edge-2"]] as const) {
      const more: BareField[] = [["x-hub-server", server], bearer(token)];
      const answer = await bareCall(world.hub.callAddress, callFields({ path: GET, more }));
      assert.equal(answer.status, Status.OK, answer.message);
    }
  });
});

async function hashOf(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(bytes).toHex();
}

Deno.test("an answer tells nothing of names that its caller may not see", async (t) => {
  await using world = await AuthWorld.start();
  const { callAddress } = world.hub;
  const blind = (text: string) => text.replaceAll("secret", "NAME").replaceAll(GHOST, "NAME");
  const ask = async (server: string, more: BareField[] = []) =>
    blind(
      (await bareCall(
        callAddress,
        callFields({
          path: GET,
          more: [["x-hub-server", server], bearer(world.token("lab")), ...more],
        }),
      )).text,
    ).replace(/"grpc-status-details-bin","[^"]*"/, "");
  await t.step("routed", async () => assert.equal(await ask("secret"), await ask(GHOST)));
  await t.step("routed, waiting", async () => {
    const wait: BareField[] = [["x-hub-wait", "50ms"]];
    assert.equal(await ask("secret", wait), await ask(GHOST, wait));
  });
  const shake = async (server: string) => {
    const { socket, answer } = await shakeHands(callAddress, { server, token: world.token("lab") });
    socket.destroy();
    assert.deepEqual(answer.servers, ["lab-1"]);
    return blind(JSON.stringify(answer));
  };
  await t.step("handshake", async () => assert.equal(await shake("secret"), await shake(GHOST)));
  const connect = async (server: string) => {
    const { socket, head } = await connectTo(callAddress, `${server}:443`, {
      "proxy-authorization": `Bearer ${world.token("lab")}`,
    });
    const body = await rest(socket);
    return blind(head.replace(/content-length: \d+/i, "") + body);
  };
  await t.step("CONNECT", async () => assert.equal(await connect("secret"), await connect(GHOST)));
  await t.step("a call that names nobody lists what its caller may see", async () => {
    for (
      const [who, shown] of [["prod", "edge-1, secret"], ["reader", "edge-1, edge-2"]] as const
    ) {
      const fields = callFields({ path: GET, more: [bearer(world.token(who))] });
      const { status, message } = await bareCall(callAddress, fields);
      assert.equal(status, Status.INVALID_ARGUMENT);
      for (const server of ["edge-1", "edge-2", "lab-1", "secret"]) {
        assert.equal(message.includes(server), shown.includes(server), `${who}: ${message}`);
      }
    }
  });
  await t.step("who is not known learns no name at all", async () => {
    const fields = callFields({ path: GET, more: [["x-hub-server", "secrets"]] });
    const { text } = await bareCall(callAddress, fields);
    for (const server of Object.keys(SERVERS)) assert.ok(!text.includes(`"${server}`), text);
  });
});

async function rest(socket: net.Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += chunk;
  return text;
}

Deno.test("the hub's tunnel service is not for operators, however it is spelled", async (t) => {
  await using world = await AuthWorld.start({ servers: ["edge-1"] });
  const paths = [
    "/ghub.v1.Tunnel/Connect",
    "/ghub.v1.Tunnel/Welcome",
    "/GHUB.V1.TUNNEL/Connect",
    "/ghub.v1.tunnel/connect",
    "//ghub.v1.Tunnel/Connect",
    "/x/ghub.v1.Tunnel/Connect",
  ];
  for (const path of paths) {
    await t.step(path, async () => {
      world.seen.length = 0;
      const more: BareField[] = [["x-hub-server", "edge-1"], bearer(world.token("root"))];
      const { status } = await bareCall(world.hub.callAddress, callFields({ path, more }));
      assert.equal(statusName(status as StatusCode), "PERMISSION_DENIED");
      assert.deepEqual(world.seen, []);
    });
  }
});

Deno.test("a server registers what its entry allows, and nothing else", async (t) => {
  await using world = await AuthWorld.start({ servers: [] });
  const edges = tokenOf("edges");
  const plant = await jwt({ claims: { role: "plant", sub: "ams" } });
  const starred = await jwt({ claims: { role: "plant", sub: "*" } });
  const slashed = await jwt({ claims: { role: "plant", sub: "ams/payments" } });
  const table: [
    what: string,
    name: string,
    token: string | undefined,
    labels: string,
    is: string,
  ][] = [
    ["its name", "edge-7", edges, "", "OK"],
    ["its name by the next token", "edge-8", tokenOf("edges-next"), "", "OK"],
    ["its upstream", "edge-7/payments", edges, "", "OK"],
    ["its label", "edge-7", edges, "env=prod", "OK"],
    ["another's name", "lab-1", edges, "", "403 PERMISSION_DENIED"],
    ["a name like its own", "an-edge-7", edges, "", "403 PERMISSION_DENIED"],
    ["another's upstream", "lab-1/edge-7", edges, "", "403 PERMISSION_DENIED"],
    ["a name that is a pattern", "edge-*", edges, "", "400 INVALID_ARGUMENT"],
    ["a name in upper case", "EDGE-7", edges, "", "400 INVALID_ARGUMENT"],
    ["a name of three parts", "edge-7/a/b", edges, "", "400 INVALID_ARGUMENT"],
    ["no name", "", edges, "", "400 INVALID_ARGUMENT"],
    ["a label's other value", "edge-7", edges, "env=test", "403 PERMISSION_DENIED"],
    ["another label", "edge-7", edges, "team=a", "403 PERMISSION_DENIED"],
    ["a good label and another", "edge-7", edges, "env=dev,team=a", "403 PERMISSION_DENIED"],
    ["a label in upper case", "edge-7", edges, "ENV=prod", "403 PERMISSION_DENIED"],
    ["an upstream that is not its own", "lab-1/x", tokenOf("labs"), "", "403 PERMISSION_DENIED"],
    ["nothing to show, from loopback", "edge-7", undefined, "", "401 UNAUTHENTICATED"],
    ["a wrong token", "edge-7", "x".repeat(43), "", "401 UNAUTHENTICATED"],
    ["an operator's token", "edge-7", tokenOf("root"), "", "403 PERMISSION_DENIED"],
    ["a name by its JWT", "plant-ams", plant, "", "OK"],
    ["another name by its JWT", "plant-nyc", plant, "", "403 PERMISSION_DENIED"],
    ["an upstream by its JWT", "plant-ams/x", plant, "", "403 PERMISSION_DENIED"],
    ["a star in its JWT", "plant-nyc", starred, "", "403 PERMISSION_DENIED"],
    ["a slash in its JWT", "plant-ams/payments", slashed, "", "403 PERMISSION_DENIED"],
    ["an operator's JWT", "plant-ams", await jwt(), "", "403 PERMISSION_DENIED"],
    [
      "an expired JWT",
      "plant-ams",
      await jwt({ claims: { role: "plant", sub: "ams" }, expiresInS: -99 }),
      "",
      "401 UNAUTHENTICATED",
    ],
  ];
  for (const [what, name, token, labels, is] of table) {
    await t.step(what, async () => {
      try {
        await using _ = await world.register(name, { token, labels });
        assert.equal("OK", is);
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        assert.equal(`${error.status} ${error.body.code}`, is, error.message);
        if (token !== undefined) assert.ok(!error.message.includes(token));
      }
    });
  }
});
