/**
 * One end of a connection that gets bytes from a hostile peer, and what comes of them, in words:
 *
 *     fine     stream 1 STREAM_CLOSED     stream 1 CANCEL, stream 3 CANCEL     connection PROTOCOL_ERROR
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ConnectionOptions } from "../connection.ts";
import { errorName } from "../frames.ts";
import { Recorder } from "./recorder.ts";
import { block, frames, join, number, PREFACE, REQUEST, settings, Type } from "./wire.ts";

/** Expected outcome → what it is → the bytes. */
export type Outcomes = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;

export interface Victim {
  readonly end: Recorder;
  /** Takes bytes, and tells what came of them. */
  after(bytes: Uint8Array): string;
}

/** A server that has read a client's preface and settings; whoever hears it never consumes. */
export function serverVictim(options: Partial<ConnectionOptions> = {}): Victim {
  const end = new Recorder({ ...options, role: "server" });
  end.connection.start();
  end.connection.receive(join(PREFACE, settings()));
  return victim(end);
}

/** A client that has read a server's settings; its streams are 1, open, and 3, half-closed. */
export function clientVictim(options: Partial<ConnectionOptions> = {}): Victim {
  const end = new Recorder({ ...options, role: "client" });
  end.connection.start();
  end.connection.receive(settings());
  end.request(block(REQUEST));
  end.request(block(REQUEST), true);
  return victim(end);
}

function victim(end: Recorder): Victim {
  end.consumes = false;
  end.take();
  return {
    end,
    after(bytes) {
      end.connection.receive(bytes);
      const sent = frames(end.take());
      if (end.error !== undefined) {
        const last = sent.at(-1);
        assert.equal(last?.type, Type.GOAWAY);
        assert.equal(number(last.payload, 4), end.error.code);
        return `connection ${errorName(end.error.code)}`;
      }
      const resets = sent.filter(({ type }) => type === Type.RST_STREAM)
        .map(({ id, payload }) => `stream ${id} ${errorName(number(payload))}`);
      return resets.length === 0 ? "fine" : resets.join(", ");
    },
  };
}

/** A test of a table: all sections, each row at once and byte by byte. */
export async function testOutcomes(
  t: Deno.TestContext,
  begin: () => Victim,
  outcomes: Outcomes,
): Promise<void> {
  for (const [expected, rows] of Object.entries(outcomes)) {
    for (const [name, bytes] of Object.entries(rows)) {
      await t.step(`${name}: ${expected}`, () => {
        assert.equal(begin().after(bytes), expected);
        const { end, after } = begin();
        for (const byte of bytes.subarray(0, -1)) end.connection.receive(Uint8Array.of(byte));
        assert.equal(after(bytes.subarray(-1)), expected, "byte by byte");
      });
    }
  }
}
