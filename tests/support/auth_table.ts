/**
 * The walker of the tables in `tests/auth_table/`: a hub and servers as real processes, each row a
 * real request, and behind them what the servers themselves say that came.
 *
 *     ghub --auth-file ◀══ edge-1   gserver, with --expose payments=witness
 *                      ◀══ edge-2   gserver
 *                      ◀══ lab-1    gserver
 *                      ◀══ secret   a foreign server on a tunnel
 *
 * A row that is let through names what arrives where; after the rows of a table all servers are
 * asked, and what they saw must be that, and nothing else.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http2";
import { type StatusCode, statusName } from "../../shared/grpc/status.ts";
import {
  authYaml,
  hashOf,
  HMAC_SECRET,
  jwt,
  OPERATORS,
  type Server,
  SERVERS,
  tokenOf,
  UNARY,
} from "./auth_world.ts";
import { type BareAnswer, bareCall, type BareField, callFields } from "./bare_call.ts";
import { World } from "./world.ts";

/** As in `auth_world.ts`, and one who may call edge-1, but nothing that edge-1 exposes. */
export const CALLERS = [...OPERATORS, "lodger"] as const;
export type Caller = typeof CALLERS[number];

const LODGER = `  - id: lodger
    tokens: ["${hashOf("lodger")}"]
    rules: [{ servers: edge-1, methods: "*", effect: allow }]
`;

/** Token files of servers. */
const OWNERS = { "edge-1": "edges", "edge-2": "edges-next", "lab-1": "labs", secret: "vault" };
/** Names the row that a call belongs to. */
const ROW = "x-row";
/** A row that is not told apart from others by its number: what a server cannot see it in. */
const UNMARKED = "";

/** What a row must find out. */
export interface Row {
  readonly what: string;
  /** Makes the attempt; `mark` goes with its call. Returns what the caller was told. */
  readonly run: (mark: BareField) => Promise<string>;
  /** What the caller must be told: one of these. Without it, anything but OK. */
  readonly told?: string | readonly string[];
  /** What must come of it, such as `edge-1 /echo.v1.Echo/Unary as root`; else nothing may. */
  readonly arrives?: string | readonly string[];
  /** The raw connection that must be opened, such as `edge-1 as root`; else none may. */
  readonly opens?: string;
}

/** A line of a witness. */
interface Saw {
  readonly server: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** A hub and servers that make each row of a table a real request. */
export class AuthTable implements AsyncDisposable {
  readonly world: World;
  readonly #dir: string;
  readonly #tokens: ReadonlyMap<string, string>;
  #rows = 0;
  #markers = 0;

  private constructor(world: World, dir: string, tokens: ReadonlyMap<string, string>) {
    this.world = world;
    this.#dir = dir;
    this.#tokens = tokens;
  }

  static async start(): Promise<AuthTable> {
    const dir = await Deno.makeTempDir({ prefix: "ghub-auth-" });
    await Deno.writeTextFile(`${dir}/hmac.key`, HMAC_SECRET, { mode: 0o600 });
    await Deno.writeTextFile(`${dir}/auth.yaml`, authYaml() + LODGER, { mode: 0o644 });
    for (const who of Object.values(OWNERS)) {
      await Deno.writeTextFile(`${dir}/${who}`, tokenOf(who), { mode: 0o600 });
    }
    const tokens = new Map<string, string>(CALLERS.map((who) => [who, tokenOf(who)]));
    tokens.set("soc", await jwt());
    const hubArgs = ["--auth-file", `${dir}/auth.yaml`];
    const world = await World.start({ servers: [], hubArgs });
    const table = new AuthTable(world, dir, tokens);
    try {
      const payments = await world.startWitness("edge-1/payments");
      const names = Object.keys(OWNERS) as (keyof typeof OWNERS)[];
      await Promise.all(names.map((name) =>
        world.startServer({
          name,
          program: name === "secret" ? "foreign" : "witness",
          args: ["--token-file", `${dir}/${OWNERS[name]}`, "--labels", SERVERS[name]],
          ...(name === "edge-1" ? { expose: { payments } } : {}),
        })
      ));
      return table;
    } catch (error) {
      await table[Symbol.asyncDispose]().catch(() => {}); // The first error tells more.
      throw error;
    }
  }

  /** The credential of an operator. */
  token(who: Caller): string {
    return this.#tokens.get(who)!;
  }

  /** `authorization` of an operator. */
  bearer(who: Caller): BareField {
    return ["authorization", `Bearer ${this.token(who)}`];
  }

  /** One routed call over a connection of its own. */
  async call(
    path: string,
    more: readonly BareField[],
    { authority = "hub.test", from }: { authority?: string; from?: string } = {},
  ): Promise<BareAnswer> {
    const fields = callFields({ path, authority, more });
    return await bareCall(this.world.callAddress, fields, { localAddress: from });
  }

  /** Tries each row, then asks the servers what came. */
  async walk(t: Deno.TestContext, rows: readonly Row[]): Promise<void> {
    const expected: string[] = [];
    const names = new Map<string, string>();
    for (const { what, run, told, arrives, opens } of rows) {
      const row = String(this.#rows++);
      names.set(row, what);
      for (const arrival of [arrives ?? []].flat()) expected.push(`${what}: ${arrival}`);
      if (opens !== undefined) expected.push(`raw: ${opens}`);
      await t.step(what, async () => {
        const answer = await run([ROW, row]);
        if (told === undefined) assert.notEqual(answer, "OK");
        else if (typeof told === "string") assert.equal(answer, told);
        else assert.ok(told.includes(answer), `${answer} is none of ${told}`);
      });
    }
    await t.step("the servers saw what is allowed, and nothing else", async () => {
      const arrived = (await this.#arrivals()).map(({ server, path, headers }) => {
        assert.ok(!("authorization" in headers), "the credential for the hub went on");
        const who = String(headers["x-hub-operator"] ?? "");
        if (path === "/ghub.v1.Tunnel/Connect" && who !== "") {
          const upstream = headers["x-hub-upstream"];
          return `raw: ${server}${upstream === undefined ? "" : `/${upstream}`} as ${who}`;
        }
        const what = names.get(String(headers[ROW] ?? UNMARKED)) ?? "who knows";
        return `${what}: ${server} ${path}${who === "" ? "" : ` as ${who}`}`;
      });
      assert.deepEqual(arrived.sort(), expected.sort());
    });
  }

  /**
   * All that has come to any server so far. A last call to each of them tells when it has told
   * everything: what was sent before has come before.
   */
  async #arrivals(): Promise<Saw[]> {
    const all: Saw[] = [];
    for (const server of Object.keys(SERVERS) as Server[]) {
      const marker = `last-${this.#markers++}`;
      const mark: BareField = [ROW, marker];
      const { status, message } = await this.call(UNARY, [
        ["x-hub-server", server],
        this.bearer("root"),
        mark,
      ]);
      assert.equal(status, 0, message);
      for (;;) {
        const [, json = ""] = await this.world.server(server).line(/^saw (.+)$/);
        const saw = JSON.parse(json) as Saw;
        if (saw.headers[ROW] === marker) break;
        all.push(saw);
      }
    }
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await Deno.remove(this.#dir, { recursive: true });
  }
}

/** `OK`, the name of another status, or how HTTP/2 ended it. */
export function outcome({ status }: BareAnswer): string {
  return typeof status === "number" ? statusName(status as StatusCode) : status;
}
