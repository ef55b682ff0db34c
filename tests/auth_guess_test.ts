/**
 * Who guesses credentials is slowed down, and nobody else is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { BURST, MAX_HELD_PER_ADDRESS } from "../hub/auth/throttle.ts";
import { Status } from "../shared/grpc/status.ts";
import { AuthWorld, authYaml, GET, jwt, tokenOf } from "./support/auth_world.ts";
import { bareCall, callFields } from "./support/bare_call.ts";
import { shakeHands } from "./support/raw_path.ts";
import { until } from "./support/until.ts";
import { RefusedError } from "./support/witness.ts";

function asker(world: AuthWorld) {
  return async (token: string, server = "edge-1") => {
    const more: [string, string][] = [
      ["x-hub-server", server],
      ["authorization", `Bearer ${token}`],
    ];
    return (await bareCall(world.hub.callAddress, callFields({ path: GET, more }))).status;
  };
}

/** Between two guesses of one who guesses. */
const PAUSE_MS = 50;

const guess = (i: number) => `${"x".repeat(40)}${i}`;

Deno.test("guessing is slowed for each address, and a good credential from there is let in at once", async (t) => {
  await using world = await AuthWorld.start({ servers: ["edge-1", "edge-2"] });
  const ask = asker(world);
  await t.step("a burst of wrong ones is told so at once", async () => {
    for (let i = 0; i < BURST; i++) assert.equal(await ask(guess(i)), Status.UNAUTHENTICATED);
  });
  const answered = new Set<unknown>();
  const enough = new AbortController();
  // More than are held back, and they come again: on the slowest machine some always wait.
  const guessers = Array.from({ length: 2 * MAX_HELD_PER_ADDRESS }, async (_, i) => {
    while (!enough.signal.aborted) {
      answered.add(await ask(guess(i)));
      await delay(PAUSE_MS);
    }
  });
  await t.step("more wait for their answer, up to a bound, and then are sent away", async () => {
    await until("one to be sent away", () => answered.has(Status.RESOURCE_EXHAUSTED));
  });
  await t.step(
    "meanwhile whoever is right is let in, in each mode, for the first time",
    async () => {
      for (const who of ["root", "stopper", "reader", "prod"]) {
        assert.equal(await ask(tokenOf(who)), Status.OK, who);
      }
      assert.equal(await ask(await jwt(), "edge-2"), Status.OK);
      const raw = await shakeHands(world.hub.callAddress, {
        server: "edge-1",
        token: tokenOf("root"),
      });
      raw.socket.destroy();
      assert.equal(raw.answer.ok, true);
      await using _ = await world.register("lab-1", { token: tokenOf("labs") });
    },
  );
  await t.step("and servers that are wrong are told when to come back", async () => {
    await until("a registration to be put off", async () => {
      const refused = await world.register("edge-3", { token: guess(0) }).then(
        (server) => server[Symbol.asyncDispose](),
        (error) => error,
      );
      return refused instanceof RefusedError && refused.status === 429;
    });
  });
  await t.step("and each of them has its answer", async () => {
    enough.abort();
    await Promise.all(guessers);
    answered.delete(Status.RESOURCE_EXHAUSTED);
    assert.deepEqual([...answered], [Status.UNAUTHENTICATED]);
  });
});

Deno.test("a token that could be guessed is none, though its hash is in the file", async () => {
  const short = "hunter2";
  const hash = createHash("sha256").update(short).digest("hex");
  const yaml = `${authYaml()}  - { id: careless, tokens: ["sha256:${hash}"], ` +
    'rules: [{ servers: "**", methods: "*", effect: allow }] }\n';
  await using world = await AuthWorld.start({ servers: ["edge-1"], yaml });
  assert.equal(await asker(world)(short), Status.UNAUTHENTICATED);
});
