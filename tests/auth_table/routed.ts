/**
 * Routed calls: each operator × each server, and one that there is not × each method.
 *
 * @module
 */
import { type AuthTable, CALLERS, outcome, type Row } from "../support/auth_table.ts";
import { GHOST, METHODS, type Server, SERVERS } from "../support/auth_world.ts";
import { KNOWS_ALL, may } from "./may.ts";

export function routed(table: AuthTable): Row[] {
  const rows: Row[] = [];
  for (const who of CALLERS) {
    for (const server of [...Object.keys(SERVERS), GHOST]) {
      for (const method of METHODS) {
        const allowed = server !== GHOST && may(who, server as Server, method);
        rows.push({
          what: `${who} ${server} ${method}`,
          run: async (mark) =>
            outcome(
              await table.call(method, [["x-hub-server", server], table.bearer(who), mark]),
            ),
          told: allowed
            ? "OK"
            : server === GHOST && KNOWS_ALL.includes(who)
            ? "NOT_FOUND"
            : "PERMISSION_DENIED",
          ...(allowed ? { arrives: `${server} ${method} as ${who}` } : {}),
        });
      }
    }
  }
  return rows;
}
