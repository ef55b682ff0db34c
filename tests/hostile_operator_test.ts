/**
 * An operator who is let in and then misbehaves, and one who guesses. Another one calls another
 * server all the time, and each of those calls succeeds.
 *
 * @module
 */
import assert from "node:assert/strict";
import type net from "node:net";
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  join,
  PREFACE,
  repeat,
  reset,
  settings,
  Type,
  windowUpdate,
} from "../shared/http2/testing/wire.ts";
import { AuthTable } from "./support/auth_table.ts";
import { tokenOf, UNARY } from "./support/auth_world.ts";
import { bareCall, type BareField, callFields } from "./support/bare_call.ts";
import { Bystander } from "./support/bystander.ts";
import { closing, dialTcp, drop, plainPath } from "./support/path.ts";
import { connectTo, shakeHands } from "./support/raw_path.ts";
import { within } from "./support/until.ts";

const HEAD = join(PREFACE, settings());
const MESSAGE = new Uint8Array(5);
/** Who misbehaves may call lab-1. */
const TOKEN = tokenOf("lab");
const MORE: readonly BareField[] = [["x-hub-server", "lab-1"], [
  "authorization",
  `Bearer ${TOKEN}`,
]];
const FIELDS = callFields({ more: MORE });
/** An answer of 16 MiB, in parts, that its caller will not read. */
const GREEDY = join(
  Uint8Array.of(0, 0, 0, 0, 7),
  Uint8Array.of(0x18, 0x80, 0x80, 4, 0x20, 0x80, 2),
);

const RAW = { server: "lab-1", token: TOKEN };
const PROXY = { "proxy-authorization": `Bearer ${TOKEN}` };

const open = (id: number) => headers(id, FIELDS);
const call = (id: number) => join(open(id), data(id, MESSAGE, END_STREAM));
const odd = (i: number) => 2 * i + 1;

/** What is sent on a connection of its own, and whether the hub ends that for it. */
const FLOODS: readonly [what: string, bytes: () => Uint8Array, ends: boolean][] = [
  ["opens more streams than it may", () => repeat(3000, (i) => open(odd(i))), false],
  ["calls 2000 times and reads nothing", () => repeat(2000, (i) => call(odd(i))), false],
  [
    "sends empty DATA for ever",
    () => join(open(1), repeat(50_000, () => data(1, new Uint8Array()))),
    true,
  ],
  [
    "sends PRIORITY for ever",
    () => repeat(50_000, () => frame(Type.PRIORITY, 0, 1, new Uint8Array(5))),
    true,
  ],
  ["sends headers without end", () =>
    join(
      frame(Type.HEADERS, 0, 1, Uint8Array.of(0x83)),
      repeat(5000, () => frame(Type.CONTINUATION, 0, 1, new Uint8Array(1000))),
    ), true],
  ["sends a megabyte of metadata", () =>
    join(
      frame(Type.HEADERS, 0, 1, open(1).subarray(9)),
      repeat(70, () => frame(Type.CONTINUATION, 0, 1, new Uint8Array(16_000).fill(0x82))),
      frame(Type.CONTINUATION, END_HEADERS, 1),
    ), true],
  ["opens windows by nothing", () => repeat(5000, () => windowUpdate(0, 0)), true],
  ["asks for much with a window of a byte", () =>
    join(
      settings([4, 1]),
      headers(
        1,
        callFields({
          path: "/echo.v1.Echo/ServerStream",
          more: MORE,
        }),
      ),
      data(1, GREEDY, END_STREAM),
    ), false],
  ["begins headers and stops", () => frame(Type.HEADERS, 0, 1, open(1).subarray(9, 20)), false],
];

/** A connection on which so much was sent; nobody reads. */
async function deaf(address: string, bytes: Uint8Array): Promise<net.Socket> {
  const socket = await dialTcp(address);
  socket.on("error", () => {}); // It closes.
  socket.pause();
  socket.write(bytes);
  return socket;
}

Deno.test("a hostile operator harms nobody", async (t) => {
  await using table = await AuthTable.start();
  const { callAddress } = table.world;
  await using bystander = new Bystander(plainPath("prod", callAddress, {
    "x-hub-server": "edge-1",
    authorization: `Bearer ${table.token("prod")}`,
  }));
  // First, for an operator who has left too many calls gets no more for a while.
  await t.step("who opens raw connections by the thousand", async () => {
    let refused = 0;
    for (let round = 0; round < 15; round++) {
      const all = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
        if (i % 2 === 0) return (await connectTo(callAddress, "lab-1:443", PROXY)).socket;
        const { socket, answer } = await shakeHands(callAddress, RAW);
        if (!answer.ok) refused++;
        return socket;
      }));
      await bystander.check();
      await Promise.all(all.map(drop));
    }
    assert.equal(refused, 0);
  });
  await t.step("who keeps more raw connections than a server takes", async () => {
    const kept: net.Socket[] = [];
    let refused = 0;
    for (let round = 0; round < 12; round++) {
      await Promise.all(Array.from({ length: 100 }, async () => {
        const { socket, answer } = await shakeHands(callAddress, RAW);
        if (answer.ok) kept.push(socket);
        else {
          refused++;
          await drop(socket);
        }
      }));
      await bystander.check();
    }
    assert.ok(refused >= 200, `${refused} were refused`);
    await Promise.all(kept.map(drop));
    await bystander.check();
  });
  for (const [what, bytes, ends] of FLOODS) {
    await t.step(`who ${what}`, async () => {
      const sockets = await Promise.all(
        Array.from({ length: 5 }, () => deaf(callAddress, join(HEAD, bytes()))),
      );
      await bystander.check();
      if (ends) {
        for (const socket of sockets) socket.resume();
        await within("the end of its connections", Promise.all(sockets.map(closing)));
      }
      await Promise.all(sockets.map(drop));
      await bystander.check();
    });
  }
  await t.step("who guesses", async () => {
    const fields = (i: number) =>
      callFields({ more: [["x-hub-server", "lab-1"], ["authorization", `Bearer guess-${i}`]] });
    const counts = new Map<string, number>();
    let guesses = 0;
    const guess = async () => {
      const answer = await bareCall(callAddress, fields(guesses++), { localAddress: "127.0.9.9" });
      counts.set(String(answer.status), (counts.get(String(answer.status)) ?? 0) + 1);
    };
    const isSlowed = () => (counts.get("8") ?? 0) > 200;
    // Each again until so many were put off: the slower the machine, the more may be answered meanwhile.
    const all = Promise.all(Array.from({ length: 400 }, async () => {
      do await guess(); while (!isSlowed());
    }));
    await within("guesses to be put off", all).catch((error) => {
      throw new Error(`not slowed: ${[...counts]}`, { cause: error });
    });
    assert.equal(counts.get("0"), undefined);
    await bystander.check();
  });
  await t.step(
    "who resets what it opens: its own calls wait until the server forgives",
    async () => {
      const resets = () => repeat(5_000, (i) => join(open(odd(i)), reset(odd(i))));
      const sockets = await Promise.all(
        Array.from({ length: 5 }, () => deaf(callAddress, join(HEAD, resets()))),
      );
      await bystander.check();
      await Promise.all(sockets.map(drop));
      await bystander.check();
    },
  );
  await t.step("and others can call the server that all this was about", async () => {
    const more = [["x-hub-server", "lab-1"], table.bearer("root")] as const;
    const { status, message } = await table.call(UNARY, more);
    assert.equal(status, 0, message);
  });
  // Before the hub: a channel that has just lost it waits for its next try, with a timer.
  await bystander[Symbol.asyncDispose]();
  // What they have left open is nothing to wait for.
  for (const name of ["lab-1", "secret"]) await table.world.server(name).kill();
  await table.world.hub.kill();
});
