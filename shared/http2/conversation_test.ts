/**
 * Random conversations between two connections, with a naive model as oracle: who sent what on
 * which stream, as plain arrays. Bytes are cut anywhere, windows are changed at will.
 */
import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { ErrorCode } from "./frames.ts";
import { merged, pair, pump, type Recorder } from "./testing/recorder.ts";
import { block, REQUEST, RESPONSE, settings } from "./testing/wire.ts";

type Side = "client" | "server";

/** What somebody does. `pick` chooses a stream among those that are open. */
type Step =
  | { readonly do: "open"; readonly end: boolean }
  | {
    readonly do: "data";
    readonly who: Side;
    readonly pick: number;
    readonly bytes: number;
    readonly end: boolean;
  }
  | { readonly do: "trailers" | "reset"; readonly who: Side; readonly pick: number }
  | { readonly do: "window"; readonly who: Side; readonly bytes: number }
  | { readonly do: "grant"; readonly who: Side; readonly pick: number; readonly bytes: number }
  | { readonly do: "pump" };

const who = fc.constantFrom<Side>("client", "server");
const pick = fc.nat(1000);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("open" as const), end: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("data" as const),
      who,
      pick,
      bytes: fc.nat(90_000),
      end: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("trailers" as const, "reset" as const), who, pick }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("window" as const), who, bytes: fc.nat(100_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("grant" as const), who, pick, bytes: fc.nat(50_000) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pump" as const) }) },
);

/** One direction of a stream, as it should be. */
interface Direction {
  sent: number;
  ended: boolean;
}

interface Expected {
  readonly client: Direction;
  readonly server: Direction;
  reset: boolean;
}

const TRAILERS = block([["grpc-status", "0"]]);

/** The next bytes of a direction: which ones they are tells where they belong. */
function content(id: number, from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (id * 7 + (from + i) * 13) & 0x7f | 0x40);
}

function play(steps: readonly Step[], cut: () => number): void {
  const ends = pair();
  const model = new Map<number, Expected>();
  const other = (side: Side): Side => side === "client" ? "server" : "client";
  const choose = (n: number) => {
    const open = [...model.keys()].filter((id) => !model.get(id)!.reset);
    return open.length === 0 ? undefined : open[n % open.length];
  };
  const answer = (id: number) => {
    const stream = ends.server.streams.get(id);
    if (stream !== undefined && !stream.headersSent) {
      ends.server.connection.headers(stream, block(RESPONSE), false);
    }
    return stream;
  };
  const streamOf = (side: Side, id: number) =>
    side === "client" ? ends.client.streams.get(id) : answer(id);

  for (const action of steps) {
    if (action.do === "pump") pump(ends.client, ends.server, cut);
    else if (action.do === "open") {
      if (!ends.client.connection.canRequest) continue;
      const { id } = ends.client.request(block(REQUEST), action.end);
      model.set(id, {
        client: { sent: 0, ended: action.end },
        server: { sent: 0, ended: false },
        reset: false,
      });
    } else if (action.do === "window") {
      ends[other(action.who)].connection.receive(settings([4, action.bytes]));
    } else {
      const id = choose(action.pick);
      if (id === undefined) continue;
      const stream = streamOf(action.who, id);
      const { connection } = ends[action.who];
      const expected = model.get(id)!;
      const direction = expected[action.who];
      if (stream === undefined || stream.closed) continue;
      if (action.do === "grant") connection.grant(stream, action.bytes);
      else if (action.do === "reset") {
        connection.reset(stream, ErrorCode.CANCEL);
        expected.reset = true;
      } else if (!direction.ended && action.do === "data") {
        connection.data(stream, content(id, direction.sent, action.bytes), action.end);
        direction.sent += action.bytes;
        direction.ended = action.end;
      } else if (!direction.ended) {
        connection.headers(stream, TRAILERS, true);
        direction.ended = true;
      }
    }
    for (const end of Object.values(ends)) {
      assert.equal(end.error, undefined);
      for (const stream of end.streams.values()) assert.ok(stream.recvWindow >= 0);
    }
  }

  // Settle: windows wide open again, all that is still open ends.
  for (const end of Object.values(ends)) end.connection.receive(settings([4, 10_000_000]));
  pump(ends.client, ends.server, cut);
  for (const [id, expected] of model) {
    for (const side of ["client", "server"] as const) {
      const stream = streamOf(side, id);
      if (!expected.reset && !expected[side].ended) {
        ends[side].connection.data(stream!, new Uint8Array(), true);
      }
    }
  }
  pump(ends.client, ends.server, cut);
  for (const side of ["client", "server"] as const) {
    assert.equal(ends[side].connection.streamCount, 0, `${side}'s table is empty`);
    assert.deepEqual(ends[side].faults, []);
    for (const [id, expected] of model) {
      const received = bytesReceived(ends[other(side)], id);
      const whole = Array.from(content(id, 0, expected[side].sent));
      // What was reset on its way may have lost its end, and nothing else.
      const sent = expected.reset ? whole.slice(0, received.length) : whole;
      assert.ok(
        received.length === sent.length && received.every((byte, i) => byte === sent[i]),
        `stream ${id} from ${side}`,
      );
    }
  }
}

function bytesReceived(end: Recorder, id: number): number[] {
  const prefix = `data ${id} `;
  return end.log.filter((line) => line.startsWith(prefix))
    .flatMap((line) =>
      Array.from(JSON.parse(line.slice(prefix.length).replace(/ end$/, "")) as string)
    )
    .map((char) => char.charCodeAt(0));
}

Deno.test("Connection carries any conversation, cut anywhere", () => {
  const cuts = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 12 }), fc.nat(30_000).map((n) => n + 1)),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), cuts, (steps, sizes) => {
      let at = 0;
      play(steps, () => sizes[at++ % sizes.length]!);
    }),
    { numRuns: 60 },
  );
});

Deno.test("merged() joins the pieces of DATA, and only those", () => {
  assert.deepEqual(merged(['data 1 "a"', 'data 1 "b" end', 'data 3 "c"', "x", 'data 3 "d"']), [
    'data 1 "ab" end',
    'data 3 "c"',
    "x",
    'data 3 "d"',
  ]);
});
