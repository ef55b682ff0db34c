/**
 * Servers that are let in and then misbehave on their tunnel. Each harms its own calls alone: an
 * operator of another server calls all the time, and each of those calls succeeds.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goaway,
  headers,
  join,
  ping,
  repeat,
  reset,
  RESPONSE,
  settings,
  Type,
  uint32,
  windowUpdate,
} from "../shared/http2/testing/wire.ts";
import { Bystander } from "./support/bystander.ts";
import { type Misdeed, RogueServer } from "./support/rogue_server.ts";
import { PATIENCE_MS, until, within } from "./support/until.ts";
import { World } from "./support/world.ts";

/** How long a call waits for an answer that will not come; any other has its time. */
const CALL_MS = 500;
/** And one that its server must have seen, which may then leave it unanswered. */
const SEEN_CALL_MS = 10_000;
const DEADLINE_EXCEEDED = 4;
const GRPC: readonly (readonly [string, string])[] = [
  ...RESPONSE,
  ["content-type", "application/grpc"],
];
/** An empty message of gRPC. */
const MESSAGE = new Uint8Array(5);

const answer = (id: number, ...trailers: [string, string][]) =>
  join(headers(id, GRPC), data(id, MESSAGE), headers(id, trailers, END_STREAM));

/**
 * What becomes of the rogue's tunnel. It stays where only the call itself is broken, or where what
 * comes is dropped unseen, as frames on a stream that has ended are.
 */
type End = "tunnel closes" | "tunnel stays" | "either";

/** `call`: with what it may end. NaN is what grpc-js makes of a status that is no number. */
const MISDEEDS: readonly [what: string, misdeed: Misdeed, end: End, call: readonly number[]][] = [
  ["never answers", {}, "tunnel stays", [4]],
  ["never reads", { onWelcome: (rogue) => rogue.goDeaf() }, "tunnel stays", [4]],
  [
    "answers on a stream that there is not",
    {
      onCall: (rogue, id) => rogue.send(answer(id + 100, ["grpc-status", "0"])),
    },
    "tunnel closes",
    [14],
  ],
  [
    "answers on a stream of its own",
    {
      onCall: (rogue) => rogue.send(answer(2, ["grpc-status", "0"])),
    },
    "tunnel closes",
    [14],
  ],
  [
    "answers twice",
    {
      onCall: (rogue, id) =>
        rogue.send(join(answer(id, ["grpc-status", "0"]), answer(id, ["grpc-status", "5"]))),
    },
    "tunnel stays",
    [0],
  ],
  [
    "promises a stream",
    {
      onCall: (rogue, id) =>
        rogue.send(frame(Type.PUSH_PROMISE, END_HEADERS, id, join(uint32(2), Uint8Array.of(0x82)))),
    },
    "tunnel closes",
    [14],
  ],
  [
    "sends DATA before HEADERS",
    {
      onCall: (rogue, id) => rogue.send(data(id, MESSAGE)),
    },
    "tunnel stays",
    [13],
  ],
  [
    "sends more than the window",
    {
      onCall: (rogue, id) =>
        rogue.send(
          join(headers(id, GRPC), repeat(2000, () => data(id, new Uint8Array(16_384)))),
        ),
    },
    "either",
    [4, 8, 13, 14],
  ],
  [
    "sends headers without end",
    {
      onCall: (rogue, id) =>
        rogue.send(
          join(
            frame(Type.HEADERS, 0, id, Uint8Array.of(0x88)),
            repeat(5000, () => frame(Type.CONTINUATION, 0, id, new Uint8Array(1000))),
          ),
        ),
    },
    "tunnel closes",
    [14],
  ],
  [
    "sends 1xx for ever",
    {
      onCall: (rogue, id) => rogue.send(repeat(20_000, () => headers(id, [[":status", "103"]]))),
    },
    "tunnel closes",
    [14],
  ],
  [
    "sends trailers over and over",
    {
      onCall: (rogue, id) =>
        rogue.send(
          join(headers(id, GRPC), repeat(5, () => headers(id, [["grpc-status", "0"]], END_STREAM))),
        ),
    },
    "tunnel stays",
    [0, 13, 2],
  ],
  [
    "sends two statuses",
    {
      onCall: (rogue, id) => rogue.send(answer(id, ["grpc-status", "0"], ["grpc-status", "7"])),
    },
    "tunnel stays",
    [NaN],
  ],
  [
    "sends a status that there is not",
    {
      onCall: (rogue, id) => rogue.send(answer(id, ["grpc-status", "OK, trust me"])),
    },
    "tunnel stays",
    [NaN],
  ],
  [
    "sends fields of HTTP/1.1",
    {
      onCall: (rogue, id) => rogue.send(headers(id, [...GRPC, ["connection", "close"]])),
    },
    "tunnel stays",
    [13],
  ],
  [
    "sends no HPACK",
    {
      onCall: (rogue, id) =>
        rogue.send(frame(Type.HEADERS, END_HEADERS, id, Uint8Array.of(0xff, 255, 255))),
    },
    "tunnel closes",
    [14],
  ],
  [
    "goes away for ever",
    {
      onCall: (rogue) => rogue.send(repeat(500, () => goaway(0))),
    },
    "tunnel closes",
    [14],
  ],
  [
    "floods with SETTINGS",
    {
      onCall: (rogue) => rogue.send(repeat(5000, () => settings())),
    },
    "tunnel closes",
    [14],
  ],
  [
    "floods with PING",
    {
      onCall: (rogue) => rogue.send(repeat(60_000, () => ping())),
    },
    "tunnel closes",
    [14],
  ],
  [
    "floods with RST_STREAM",
    {
      onCall: (rogue, id) => rogue.send(repeat(50_000, () => reset(id))),
    },
    "tunnel stays",
    [1, 2, 13, 14],
  ],
  [
    "floods with empty DATA",
    {
      onCall: (rogue, id) =>
        rogue.send(join(headers(id, GRPC), repeat(20_000, () => data(id, new Uint8Array())))),
    },
    "tunnel closes",
    [14],
  ],
  [
    "floods with PRIORITY",
    {
      onCall: (rogue, id) =>
        rogue.send(repeat(20_000, () => frame(Type.PRIORITY, 0, id, new Uint8Array(5)))),
    },
    "tunnel closes",
    [14],
  ],
  [
    "opens windows by nothing",
    {
      onCall: (rogue, id) => rogue.send(repeat(5000, () => windowUpdate(id, 0))),
    },
    "tunnel stays",
    [13, 14],
  ],
  [
    "opens windows too far",
    {
      onCall: (rogue) => rogue.send(repeat(3, () => windowUpdate(0, 0x7fffffff))),
    },
    "tunnel closes",
    [14],
  ],
  [
    "closes all windows",
    {
      onWelcome: (rogue) => rogue.send(settings([4, 0], [3, 0])),
    },
    "tunnel stays",
    [4, 8, 14],
  ],
  [
    "answers the greeting with nonsense",
    {
      onWelcome: (rogue, id) =>
        rogue.send(
          join(
            headers(id, GRPC),
            data(id, "nonsense"),
            headers(id, [["grpc-status", "x"]], END_STREAM),
          ),
        ),
      onCall: (rogue, id) => rogue.send(answer(id, ["grpc-status", "0"])),
    },
    "tunnel stays",
    [0],
  ],
  [
    "greets the hub with a megabyte",
    {
      onWelcome: (rogue, id) =>
        rogue.send(join(headers(id, GRPC), repeat(62, () => data(id, new Uint8Array(16_384))))),
      onCall: (rogue, id) => rogue.send(answer(id, ["grpc-status", "0"])),
    },
    "tunnel stays",
    [0, 14],
  ],
];

Deno.test("a hostile server harms its own calls alone", async (t) => {
  await using world = await World.start({ hubArgs: ["--ping-interval", "1s"] });
  await using bystander = new Bystander(world.path("edge-1"));
  for (const [i, [what, misdeed, end, codes]] of MISDEEDS.entries()) {
    await t.step(`who ${what}`, async () => {
      const name = `rogue-${i}`;
      await using rogue = await RogueServer.start(world.tunnelUri, name, misdeed);
      using client = world.path(name).client();
      const waitMs = misdeed.onCall === undefined ? CALL_MS : SEEN_CALL_MS;
      const timeoutMs = codes.includes(DEADLINE_EXCEEDED) ? waitMs : PATIENCE_MS;
      const wasSeen = () => misdeed.onCall === undefined || rogue.wasCalled;
      // One that is over before its server has seen it is no test of what that does.
      const { code, details } = await until(`${name} to be called`, async () => {
        const outcome = await client.unary({}, { timeoutMs });
        return (wasSeen() || outcome.code !== DEADLINE_EXCEEDED) && outcome;
      });
      assert.ok(codes.includes(code), `${code} ${details}`);
      if (misdeed.onCall !== undefined) assert.ok(rogue.wasCalled);
      if (end === "tunnel closes") await within("the end of its tunnel", rogue.closed);
      else if (end === "tunnel stays") assert.ok(rogue.isOpen);
      await bystander.check();
    });
  }
  await t.step("who says what only the hub may say", async () => {
    const forged: Misdeed = {
      onCall: (rogue, id) =>
        rogue.send(
          join(
            headers(id, [...GRPC, ["x-hub-hop", "hub"], ["x-hub-forwarded", "0"]]),
            data(id, MESSAGE),
            headers(id, [
              ["grpc-status", "14"],
              ["grpc-message", 'Server "edge-1" was never here'],
              ["x-hub-hop", "hub"],
              ["x-hub-forwarded", "0"],
            ], END_STREAM),
          ),
        ),
    };
    await using _ = await RogueServer.start(world.tunnelUri, "forger", forged);
    using client = world.path("forger").client();
    const { code, headers: first, trailers } = await client.unary({});
    assert.equal(code, 14);
    assert.deepEqual(first.get("x-hub-hop").concat(trailers.get("x-hub-hop")), ["server"]);
    assert.deepEqual(trailers.get("x-hub-forwarded"), ["1"]);
    assert.deepEqual(first.get("x-hub-forwarded"), []);
    await bystander.check();
  });
});
