/**
 * Raw connections, by JSON handshake and by CONNECT: they hide methods, so that they are for those
 * who may call every one. Whoever has one makes a call in it; whoever has none cannot.
 *
 * @module
 */
import { type AuthTable, type Caller, CALLERS, outcome, type Row } from "../support/auth_table.ts";
import { GHOST, type Server, SERVERS, STOP, UNARY } from "../support/auth_world.ts";
import { type BareField, callBytes, callFields, exchange } from "../support/bare_call.ts";
import { type DialOptions, drop } from "../support/path.ts";
import { connectTo, type HandshakeAnswer, shakeHands } from "../support/raw_path.ts";
import { KNOWS_ALL, MAY } from "./may.ts";

/** HTTP's words for gRPC's. */
const STATUSES: Readonly<Record<number, string>> = {
  200: "OK",
  400: "INVALID_ARGUMENT",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  407: "UNAUTHENTICATED",
};

/** Opens a raw connection and makes this call in it; what comes first of a refusal and an answer. */
export type RawDial = (
  server: string,
  token: string | undefined,
  call: readonly BareField[],
  options?: DialOptions,
) => Promise<string>;

export function byHandshake(address: string): RawDial {
  return async (server, token, call, options) => {
    const request = { server, ...(token === undefined ? {} : { token }) };
    const { socket, answer } = await shakeHands(address, request, options);
    if (answer.ok) return await inside(server, () => exchange(socket, callBytes(call)), socket);
    await drop(socket);
    return (answer as HandshakeAnswer).code ?? "";
  };
}

/** `as it is`: what stands for the server is the whole target of the request. */
export function byConnect(address: string, how: "by name" | "as it is" = "by name"): RawDial {
  return async (server, token, call, options) => {
    const target = how === "by name" ? `${server.split("/").toReversed().join(".")}:443` : server;
    const headers: Record<string, string> = token === undefined
      ? {}
      : { "proxy-authorization": `Bearer ${token}` };
    const { socket, status } = await connectTo(address, target, headers, options);
    if (status === 200) {
      return await inside(server, () => exchange(socket, callBytes(call)), socket);
    }
    await drop(socket);
    return STATUSES[status] ?? String(status);
  };
}

/** The foreign server lets raw connections stand, and serves nothing in them. */
async function inside(
  server: string,
  call: () => ReturnType<typeof exchange>,
  socket: Parameters<typeof drop>[0],
): Promise<string> {
  if (server !== "secret") return outcome(await call());
  await drop(socket);
  return "OK";
}

export function raw(table: AuthTable): Row[] {
  const { callAddress } = table.world;
  const rows: Row[] = [];
  const modes = { handshake: byHandshake(callAddress), CONNECT: byConnect(callAddress) };
  for (const [mode, dial] of Object.entries(modes)) {
    for (const who of CALLERS) {
      for (const server of [...Object.keys(SERVERS), GHOST]) {
        const allowed = server !== GHOST && MAY[who][server as Server] === "all";
        const call = (mark: BareField) => callFields({ path: STOP, more: [mark] });
        rows.push({
          what: `${mode}: ${who} ${server}`,
          run: (mark) => dial(server, table.token(who), call(mark)),
          told: allowed
            ? "OK"
            : server === GHOST && KNOWS_ALL.includes(who)
            ? "NOT_FOUND"
            : "PERMISSION_DENIED",
          ...(allowed ? { opens: `${server} as ${who}` } : {}),
          ...(allowed && server !== "secret" ? { arrives: arrival(server, STOP, who) } : {}),
        });
      }
    }
    rows.push(...withinOne(table, mode, dial));
  }
  return rows;
}

/** Who has a raw connection to one server tries to get further from there. */
function withinOne(table: AuthTable, mode: string, dial: RawDial): Row[] {
  const attempts: [what: string, who: Caller, server: Server, call: BareField[], path: string][] = [
    ["to name another server", "lab", "lab-1", [["x-hub-server", "edge-1"]], UNARY],
    ["to name an upstream", "lodger", "edge-1", [["x-hub-server", "edge-1/payments"]], UNARY],
  ];
  const connect = "/ghub.v1.Tunnel/Connect";
  return [
    ...attempts.map(([what, who, server, more, path]): Row => ({
      what: `${mode}: ${who} in ${server} tries ${what}`,
      run: (mark) => dial(server, table.token(who), callFields({ path, more: [...more, mark] })),
      told: "OK",
      opens: `${server} as ${who}`,
      arrives: arrival(server, path, who),
    })),
    {
      what: `${mode}: lodger in edge-1 opens a raw connection to its upstream from there`,
      run: (mark) => {
        const more: BareField[] = [["x-hub-upstream", "payments"], mark];
        return dial("edge-1", table.token("lodger"), callFields({ path: connect, more }));
      },
      told: "PERMISSION_DENIED",
      opens: "edge-1 as lodger",
    },
  ];
}

/** gserver tells its own services, and its upstreams, who opened the connection. */
function arrival(server: string, path: string, who: Caller): string {
  return `${server} ${path} as ${who}`;
}
