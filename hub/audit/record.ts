/**
 * What the audit is told, and what takes its lines.
 *
 * @module
 */
import type { StatusName } from "../../shared/grpc/status.ts";

/** What happened. */
export interface AuditRecord {
  readonly kind: "call" | "raw" | "registration";
  /** Who was let in (an Identity's name); empty for a peer that was not. */
  readonly who: string;
  /** Who it is in the words of its credential: a JWT's `sub`, a name in a certificate. */
  readonly subject?: string | undefined;
  /** `host:port` it came from. */
  readonly peer: string;
  /** Which it was for; empty for the hub itself, and where that is not known. */
  readonly server: string;
  /** What a server that registered said of itself: rules by label can be judged later. */
  readonly labels?: Readonly<Record<string, string>>;
  /** `/package.Service/Method` of a call. */
  readonly method?: string;
  /** The other hub that has the server, and the call there: its own line has the same as `from`. */
  readonly via?: string;
  /** The other hub that forwarded it, and the call there: that one's line has the same as `via`. */
  readonly from?: string;
  readonly status: StatusName;
  /** Bytes from the caller to the server, and back. */
  readonly bytesUp?: number;
  readonly bytesDown?: number;
  readonly durationMs?: number;
  /** How many refusals of strangers this line stands for, since `since`: `observe/refused_lines.ts`. */
  readonly times?: number;
  readonly since?: string;
  /** Why it did not end well, in the hub's words; absent where the server's answer is all there is. */
  readonly reason?: string | undefined;
  /** The call's or tunnel's id. */
  readonly id: string;
}

export interface Audit extends AsyncDisposable {
  /** Never waits, never throws. */
  record(record: AuditRecord): void;
  /** The same for a record that is JSON already, without line breaks and without its first brace. */
  recordJson(rest: string): void;
  /**
   * Where there is a file: goes on in the one that has its name now, if another program has moved it.
   *
   * @returns Whether it is another one.
   * @throws {Error} If it cannot be opened; then the one before it is written on.
   */
  reopen?(): boolean;
}

/** Where lines go: the part of a `Deno.FsFile` that is needed. */
export interface AuditSink {
  write(bytes: Uint8Array): Promise<number>;
  /** Called before whole lines of this many bytes. */
  begin?(bytes: number): Promise<void>;
  /** Called when they could not be written as a whole. */
  undo?(): Promise<void>;
  close?(): void;
  /** See `Audit.reopen`. */
  reopen?(): boolean;
}
