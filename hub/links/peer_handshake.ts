/**
 * The first words of two hubs on a link, before any HTTP/2 (docs/protocol.md §15.1): lines of JSON,
 * of which the last two say who has proven what.
 *
 *     dialler ──{ghub, name, session, version, protocol, link, nonce}──▶ listener
 *             ◀─{ghub, name, session, version, protocol, nonce, proof}──
 *             ──{proof}──▶
 *             ◀─{ok}──────      or at any point {error}
 *
 * A listener that cannot prove itself gets no proof; a dialler that cannot gets no HTTP/2.
 *
 * @module
 */
import { writeAll } from "../net/peer.ts";
import type { Socket } from "../peer/socket_pump.ts";
import { isProof, nonce, type ProofContext, prove } from "./peer_proof.ts";

/** The protocol between hubs that this one speaks; it speaks with those of later ones too. */
export const PEER_PROTOCOL = 1;
/** The longest line. */
const MAX_LINE_BYTES = 4096;
const MAX_TEXT = 256;

/** A hub, as it says itself. */
export interface PeerHub {
  readonly name: string;
  /** Its life in the cluster: see `HubRecord`. */
  readonly session: string;
  readonly version: string;
  readonly protocol: number;
}

/** What one end brings to the handshake. */
export interface PeerHandshakeOptions {
  readonly self: PeerHub;
  /** What both must hold; `undefined` where certificates alone prove who somebody is. */
  readonly secret: string | undefined;
  /** SHA-256 of the listener's certificate, as this end knows it. */
  readonly certificate: string;
}

/** What it gives. */
export interface MetPeer {
  readonly hub: PeerHub;
  /** The link's id, as both hubs write it into their audit. */
  readonly link: string;
  /** What came after it. */
  readonly rest: Uint8Array;
}

/** Why a link cannot be: who is there does not prove itself, or speaks something else. */
export class PeerHandshakeError extends Error {
  override readonly name = "PeerHandshakeError";
  /** The same, as it is said to the other hub. */
  readonly told: string;

  constructor(message: string, told = message) {
    super(message);
    this.told = told;
  }
}

/** Tells the other hub why there is no link: its log is where people look as well. It may have left. */
export async function refuse(conn: Socket, error: PeerHandshakeError): Promise<void> {
  await writeLine(conn, { error: error.told }).catch(() => {});
}

type Line = Readonly<Record<string, unknown>>;

/** The end that dials. @throws {PeerHandshakeError} */
export async function meetListener(
  conn: Socket,
  { self, secret, certificate, session }: PeerHandshakeOptions & {
    /** Whom it has dialled. */
    readonly session: string;
  },
): Promise<MetPeer> {
  const lines = new Lines(conn);
  const own = nonce();
  const link = nonce().slice(0, 8);
  await lines.write({ ghub: "peer", ...self, link, nonce: own });
  const hello = await lines.read();
  const hub = hubOf(hello);
  const context: ProofContext = { dialler: own, listener: textOf(hello, "nonce"), certificate };
  if (hub.session !== session) {
    throw new PeerHandshakeError(`Another hub answers there: "${hub.name}", or a later life of it`);
  }
  if (secret !== undefined) {
    if (!isProof(hello["proof"], { secret, role: "listener", context })) {
      const error = new PeerHandshakeError(
        `Hub "${hub.name}" does not hold the secret of this cluster`,
        "You do not hold the secret of this hub (--peer-secret-file)",
      );
      await refuse(conn, error);
      throw error;
    }
    await lines.write({ proof: prove(secret, "dialler", context) });
  } else await lines.write({});
  const last = await lines.read();
  if (last["ok"] !== true) {
    throw new PeerHandshakeError("The other hub has not said that all is well");
  }
  return { hub, link, rest: lines.rest };
}

/** The end that was dialled. @throws {PeerHandshakeError} */
export async function meetDialler(
  conn: Socket,
  { self, secret, certificate, unproven }: PeerHandshakeOptions & {
    /** Why TLS has not proven who dials, where it must: what that hub does, as the rest of a sentence. */
    readonly unproven?: string | undefined;
  },
): Promise<MetPeer> {
  const lines = new Lines(conn);
  try {
    const hello = await lines.read();
    const hub = hubOf(hello);
    const link = textOf(hello, "link").slice(0, 8);
    const own = nonce();
    const context: ProofContext = { dialler: textOf(hello, "nonce"), listener: own, certificate };
    await lines.write({
      ghub: "peer",
      ...self,
      nonce: own,
      ...(secret !== undefined && { proof: prove(secret, "listener", context) }),
    });
    const answer = await lines.read();
    if (unproven !== undefined) {
      throw new PeerHandshakeError(`Hub "${hub.name}" ${unproven}`, `Your hub ${unproven}`);
    }
    const isGood = secret === undefined ||
      isProof(answer["proof"], { secret, role: "dialler", context });
    if (!isGood) throw new PeerHandshakeError("You have not proven to be a hub of this cluster");
    await lines.write({ ok: true });
    return { hub, link, rest: lines.rest };
  } catch (error) {
    if (error instanceof PeerHandshakeError) await refuse(conn, error);
    throw error;
  }
}

/** Lines of JSON on a connection, of bounded length. */
class Lines {
  readonly #conn: Socket;
  readonly #buffer = new Uint8Array(MAX_LINE_BYTES);
  #length = 0;

  constructor(conn: Socket) {
    this.#conn = conn;
  }

  /** What came after the last line. */
  get rest(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  async write(line: Line): Promise<void> {
    await writeLine(this.#conn, line);
  }

  async read(): Promise<Line> {
    for (;;) {
      const end = this.#buffer.subarray(0, this.#length).indexOf(0x0a);
      if (end >= 0) return this.#take(end);
      if (this.#length === MAX_LINE_BYTES) throw notOurs();
      const n = await this.#conn.read(this.#buffer.subarray(this.#length));
      if (n === null) throw new PeerHandshakeError("The other end has closed the connection");
      this.#length += n;
    }
  }

  #take(end: number): Line {
    const text = new TextDecoder().decode(this.#buffer.subarray(0, end));
    this.#buffer.copyWithin(0, end + 1, this.#length);
    this.#length -= end + 1;
    let line: unknown;
    try {
      line = JSON.parse(text);
    } catch {
      throw notOurs();
    }
    if (typeof line !== "object" || line === null) throw notOurs();
    const { error } = line as Line;
    if (typeof error === "string") {
      throw new PeerHandshakeError(`The other hub refuses: ${error.slice(0, MAX_TEXT)}`);
    }
    return line as Line;
  }
}

async function writeLine(conn: Socket, line: Line): Promise<void> {
  await writeAll(conn, new TextEncoder().encode(JSON.stringify(line) + "\n"));
}

function hubOf(hello: Line): PeerHub {
  if (hello["ghub"] !== "peer") throw notOurs();
  const { protocol } = hello;
  if (typeof protocol !== "number" || protocol < PEER_PROTOCOL) throw notOurs();
  return {
    name: textOf(hello, "name"),
    session: textOf(hello, "session"),
    version: textOf(hello, "version"),
    protocol,
  };
}

function textOf(line: Line, field: string): string {
  const value = line[field];
  if (typeof value !== "string" || value.length > MAX_TEXT) throw notOurs();
  return value;
}

function notOurs(): PeerHandshakeError {
  return new PeerHandshakeError(
    "What is at the other end does not speak as a hub's peer port does",
  );
}
