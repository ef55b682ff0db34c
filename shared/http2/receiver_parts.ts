/**
 * What the receivers of a connection share.
 *
 * @module
 */
import type { ConnectionEvents } from "./connection_events.ts";
import type { FloodGuard } from "./flood_guard.ts";
import type { Sender } from "./sender.ts";
import type { StreamFaults } from "./stream_faults.ts";
import type { Streams } from "./streams.ts";

export interface ReceiverParts {
  readonly events: ConnectionEvents;
  readonly sender: Sender;
  readonly streams: Streams;
  readonly faults: StreamFaults;
  readonly flood: FloodGuard;
}
