/**
 * Who guesses credentials is slowed down.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BURST } from "../hub/auth/throttle.ts";
import { Status } from "../shared/grpc/status.ts";
import { AuthWorld, GET, tokenOf } from "./support/auth_world.ts";
import { bareCall, callFields } from "./support/bare_call.ts";
import { until } from "./support/until.ts";
import { RefusedError } from "./support/witness.ts";

Deno.test("guessing is slowed for each address, for calls and for tunnels", async () => {
  await using world = await AuthWorld.start({ servers: ["edge-1"] });
  const ask = (token: string) =>
    bareCall(
      world.hub.callAddress,
      callFields({
        path: GET,
        more: [["x-hub-server", "edge-1"], ["authorization", `Bearer ${token}`]],
      }),
    );
  const statuses = new Set<unknown>();
  for (let i = 0; i < BURST + 20; i++) statuses.add((await ask(`${"x".repeat(40)}${i}`)).status);
  assert.deepEqual(statuses, new Set([Status.UNAUTHENTICATED, Status.RESOURCE_EXHAUSTED]));
  // A right one is not looked at either: else the answer would tell that it is right.
  await until("a right credential to be put off", async () => {
    await ask("x".repeat(43));
    return (await ask(tokenOf("root"))).status === Status.RESOURCE_EXHAUSTED;
  });
  await until("a registration to be put off", async () => {
    await ask("x".repeat(43));
    const refused = await world.register("edge-3", { token: tokenOf("edges") }).then(
      (server) => server[Symbol.asyncDispose](),
      (error) => error,
    );
    return refused instanceof RefusedError && refused.status === 429;
  });
  await until(
    "the hub to look again",
    async () => (await ask(tokenOf("root"))).status === Status.OK,
  );
});
