/**
 * Who gets through the hub: identities × credentials × names × methods × modes, and every trick
 * that we know of to get further than one may, against real processes. The tables are in
 * `auth_table/`, the walker in `support/auth_table.ts`.
 *
 * @module
 */
import { credentials } from "./auth_table/credentials.ts";
import { hidden } from "./auth_table/hidden.ts";
import { names } from "./auth_table/names.ts";
import { paths, tunnelService } from "./auth_table/paths.ts";
import { raw } from "./auth_table/raw.ts";
import { routed } from "./auth_table/routed.ts";
import { servers } from "./auth_table/servers.ts";
import { tricks } from "./auth_table/tricks.ts";
import { AuthTable } from "./support/auth_table.ts";

Deno.test("nobody gets further than the rules say", async (t) => {
  await using table = await AuthTable.start();
  await t.step("routed calls get exactly as far as their operator may", async (t) => {
    await table.walk(t, routed(table));
  });
  await t.step("raw connections need every method, by handshake and by CONNECT", async (t) => {
    await table.walk(t, raw(table));
  });
  await t.step("no spelling of a path gets around a rule", async (t) => {
    await table.walk(t, paths(table));
  });
  await t.step(
    "the hub's tunnel service is not for operators, however it is spelled",
    async (t) => {
      await table.walk(t, tunnelService(table));
    },
  );
  await t.step("no way of naming a server gets around a rule", async (t) => {
    await table.walk(t, names(table));
  });
  await t.step("no trick of HTTP/2 does", async (t) => {
    await table.walk(t, tricks(table));
  });
  await t.step("no credential but a good one counts, and each as itself", async (t) => {
    await table.walk(t, await credentials(table));
  });
  await t.step("an answer tells nothing of names that its caller may not see", async (t) => {
    await hidden(t, table);
  });
  await t.step("a server registers what its entry allows, and nothing else", async (t) => {
    await servers(t, table);
  });
});
