/**
 * Who may call what: written down by hand from the table in `tests/support/auth_world.ts`. The
 * hub's own rules are not asked.
 *
 * @module
 */
import type { Caller } from "../support/auth_table.ts";
import { GET, type Server, UNARY } from "../support/auth_world.ts";

/** `all` includes what the hub cannot look into. */
export type May = "all" | readonly string[];

const NOTHING: May = [];

export const MAY: Readonly<Record<Caller, Readonly<Record<Server, May>>>> = {
  root: row("all", "all", "all", "all", "all"),
  stopper: row([GET, UNARY], "all", [GET, UNARY], "all", "all"),
  reader: row([GET], [GET], NOTHING, NOTHING, NOTHING),
  prod: row("all", NOTHING, "all", NOTHING, "all"),
  lab: row(NOTHING, NOTHING, NOTHING, "all", NOTHING),
  idle: row(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
  soc: row(NOTHING, "all", NOTHING, NOTHING, NOTHING),
  lodger: row("all", NOTHING, NOTHING, NOTHING, NOTHING),
};

/** Operators whose rules name every server, so that they may know which ones there are. */
export const KNOWS_ALL: readonly Caller[] = ["root", "stopper"];

export function may(who: Caller, server: Server, method: string): boolean {
  const grant = MAY[who][server];
  return grant === "all" || grant.includes(method);
}

function row(edge1: May, edge2: May, payments: May, lab1: May, secret: May): Record<Server, May> {
  return {
    "edge-1": edge1,
    "edge-2": edge2,
    "edge-1/payments": payments,
    "lab-1": lab1,
    secret,
  };
}
