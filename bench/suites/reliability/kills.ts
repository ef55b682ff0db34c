/**
 * Servers die at random while calls go on, and each call's end is compared with what happened: the
 * servers are in this process, so what came to them is known.
 *
 * | the caller is told               | true if                                      |
 * | -------------------------------- | -------------------------------------------- |
 * | OK                               | one server got it, and its answer is whole   |
 * | not delivered (`x-hub-forwarded: 0`) | no server ever got it                    |
 * | outcome unknown (`…: 1`)         | not more than one server got it              |
 * | anything else, or nothing at all | never                                        |
 *
 * @module
 */
import { Client, Metadata, type MethodDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { HubCredentials } from "../../../shared/http2/testing/hub_credentials.ts";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../../shared/gen/types.ts";
import { serviceDefinition } from "../../../shared/grpc_js/service_definition.ts";
import { firstValue } from "../../../shared/http2/header_list.ts";
import { Fleet } from "../../fleet.ts";
import { startHub } from "../../hub_under_test.ts";
import { atMost, type Part, row, until } from "../../part.ts";

const method = serviceDefinition("echo.v1.Echo")["Unary"] as MethodDefinition<
  EchoRequest,
  EchoResponse
>;
/** So many that most are back when it is their turn again. */
const SERVERS = 300;
/** Callers at a time. */
const CALLERS = 20;
const KILLS_PER_S = 10;
const FOR_S = 60;
const TELL_EVERY_MS = 10_000;
/** No kill makes a call wait: one that does was forgotten. */
const DEADLINE_MS = 10_000;
const DATA_BYTES = 100;
/** Names a call to its server. */
const CALL_ID = "x-bench-call";
/** Untrue ends that are shown. */
const MAX_SHOWN = 5;

/** What the caller is told. */
type Told = "ok" | "not delivered" | "outcome unknown" | "something else";

export const kills: Part = {
  id: "kills",
  name: "servers killed at random",
  seconds: 65,
  async run({ some, log, signal }) {
    const forS = some(FOR_S);
    /** How often each call came to a server. */
    const arrivals = new Map<string, number>();
    const arrived = (id: string | undefined) =>
      void arrivals.set(id ?? "", (arrivals.get(id ?? "") ?? 0) + 1);
    await using hub = await startHub();
    await using fleet = new Fleet(hub.tunnelUri, {
      name: "kill",
      count: SERVERS,
      onCall: (fields) => arrived(firstValue(fields, CALL_ID)),
    });
    await until(() => fleet.registered === SERVERS, { signal });
    const { told, killed } = await callAll(hub.callAddress, fleet, {
      forMs: forS * 1_000,
      log,
      signal,
    });
    const untrue = [...told].filter(([id, { what }]) => !isTrue(what, arrivals.get(id) ?? 0));
    for (const [id, { what, error }] of untrue.slice(0, MAX_SHOWN)) {
      log(`untrue: ${what}, came to servers ${arrivals.get(id) ?? 0} times: ${error?.message}`);
    }
    const count = (kind: Told) => [...told.values()].filter(({ what }) => what === kind).length;
    return [
      row(`${forS} s of ${KILLS_PER_S} kills per second: calls`, told.size, ""),
      row("  kills", killed, ""),
      row("  told: not delivered, and it was not", count("not delivered"), ""),
      row("  told: outcome unknown", count("outcome unknown"), ""),
      row("  without a truthful status", untrue.length, "", atMost(0)),
    ];
  },
};

interface End {
  readonly what: Told;
  readonly error: ServiceError | null;
}

async function callAll(
  address: string,
  fleet: Fleet,
  { forMs, log, signal }: {
    readonly forMs: number;
    readonly log: (text: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly told: ReadonlyMap<string, End>; readonly killed: number }> {
  const told = new Map<string, End>();
  const client = new Client(address, new HubCredentials({}), { "grpc.enable_retries": 0 });
  const endMs = performance.now() + forMs;
  const startMs = performance.now();
  /** Servers with a call under way, once for each call. */
  const busy: string[] = [];
  const byName = new Map(fleet.members.map((member) => [member.name, member]));
  let killed = 0;
  const kill = () => {
    killed++;
    // Every second one in the middle of a call; and one who is away already cannot be killed.
    const victim = killed % 2 === 0 ? byName.get(any(busy) ?? "") : undefined;
    (victim?.wire ?? any(fleet.members.filter(({ wire }) => wire !== undefined))?.wire)?.close();
  };
  const timers = [
    setInterval(() => {
      // As many as are due: a timer of a busy process is late.
      const due = (performance.now() - startMs) / 1_000 * KILLS_PER_S;
      while (killed < Math.floor(due)) kill();
    }, 1_000 / KILLS_PER_S),
    setInterval(() => log(`${told.size} calls, ${killed} kills`), TELL_EVERY_MS),
  ];
  let next = 0;
  const caller = async () => {
    while (performance.now() < endMs && !signal.aborted) {
      const id = String(next++);
      const data = crypto.getRandomValues(new Uint8Array(DATA_BYTES));
      const { name } = any(fleet.members)!;
      busy.push(name);
      const [error, response] = await call(client, name, { id, data });
      busy.splice(busy.indexOf(name), 1);
      told.set(id, { what: whatIsTold(error, same(response?.data, data)), error });
    }
  };
  try {
    await Promise.all(Array.from({ length: CALLERS }, caller));
  } finally {
    for (const timer of timers) clearInterval(timer);
    client.close();
  }
  signal.throwIfAborted();
  return { told, killed };
}

function any<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)];
}

function call(
  client: Client,
  server: string,
  { id, data }: { readonly id: string; readonly data: Uint8Array },
): Promise<[ServiceError | null, EchoResponse | undefined]> {
  const metadata = new Metadata();
  metadata.set("x-hub-server", server);
  metadata.set(CALL_ID, id);
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { data },
      metadata,
      { deadline: Date.now() + DEADLINE_MS },
      (error, response) => resolve([error, response]),
    );
  });
}

/** What a caller can read out of the end of a call: docs/protocol.md §13. */
function whatIsTold(error: ServiceError | null, isWhole: boolean): Told {
  if (error === null) return isWhole ? "ok" : "something else";
  const { code, metadata, details } = error;
  if (code !== status.UNAVAILABLE || metadata.get("x-hub-hop")[0] !== "hub") {
    return "something else";
  }
  const [forwarded] = metadata.get("x-hub-forwarded");
  if (forwarded === "0") return "not delivered";
  return forwarded === "1" && /outcome unknown/.test(details)
    ? "outcome unknown"
    : "something else";
}

function isTrue(told: Told, arrivals: number): boolean {
  switch (told) {
    case "ok":
      return arrivals === 1;
    case "not delivered":
      return arrivals === 0;
    case "outcome unknown":
      return arrivals <= 1;
    default:
      return false;
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && b.every((byte, i) => byte === a[i]);
}
