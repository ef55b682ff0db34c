import assert from "node:assert/strict";
import { ServerRates } from "./server_rates.ts";

Deno.test("ServerRates tells calls per second, and only where they are known", () => {
  const rates = new ServerRates();
  const take = (totals: Record<string, number>, atMs: number, hubsSilent: string[] = []) => {
    const servers = Object.entries(totals).map(([name, callsTotal]) => ({ name, callsTotal }));
    return Object.fromEntries(rates.take({ servers, hubsSilent }, atMs));
  };
  assert.deepEqual(take({ a: 10, b: 5 }, 1000), {}, "the first list");
  assert.deepEqual(take({ a: 30, b: 5, c: 7 }, 3000), { a: 10, b: 0 }, "c is new");
  assert.deepEqual(take({ a: 2, c: 8 }, 4000), { c: 1 }, "the hub of a was restarted");
  assert.deepEqual(take({ a: 1, c: 4 }, 5000, ["hub-b"]), {}, "a hub is missing in the sum");
  assert.deepEqual(take({ a: 3, c: 4 }, 6000, ["hub-b"]), { a: 2, c: 0 });
  assert.deepEqual(take({ a: 9, c: 90 }, 7000), {}, "and is back");
  assert.deepEqual(take({ a: 9, c: 90 }, 7000), {}, "no time has passed");
});
