/**
 * One attack on a hub, as a process of its own.
 *
 *     deno run -A bench/suites/hostile/attacker.ts '{"kind":"calls","calls":"127.0.0.1:9090",…}'
 *
 * Prints `attacker ready` when it begins, and `attacker did N` when its seconds are over.
 *
 * @module
 */
import net from "node:net";
import { FrameType, PREFACE } from "../../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../../shared/http2/hpack/encoder.ts";
import type { HeaderList } from "../../../shared/http2/header_list.ts";
import type { StreamEvents } from "../../../shared/http2/stream.ts";
import { Peer } from "../../lean/peer.ts";
import { openTunnel } from "../../lean/tunnel.ts";
import { dialTcp } from "../../lean/wire.ts";

export interface AttackOptions {
  readonly kind: keyof typeof ATTACKS;
  /** Addresses of the hub's ports. */
  readonly calls: string;
  readonly tunnels: string;
  readonly metrics: string;
  readonly seconds: number;
  /** Connections at a time. */
  readonly connections: number;
  /** Bytes, dials or calls in a second, over all connections; each attack says which. */
  readonly perSecond: number;
  /** Whose credential it shows, if any. */
  readonly token?: string;
}

type Running = AttackOptions & { readonly until: number; did: number };

/** Where it dials from: another address than that of honest peers. */
const FROM = "127.66.0.1";
const TICK_MS = 10;
const END_HEADERS = 4;
const END_STREAM = 1;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function dial(address: string): Promise<net.Socket> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: hostname, port: Number(port), localAddress: FROM });
    socket.once("connect", () => {
      socket.on("error", () => {}); // The hub defends itself.
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length << 8 | type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  bytes.set(payload, 9);
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const START = join([PREFACE, frame(FrameType.SETTINGS, 0, 0, new Uint8Array())]);

/** Literal with indexing (RFC 7541 §6.2.1): the next calls need one byte for it. */
function indexed(name: string, value: string): number[] {
  const text = (string: string) => [string.length, ...new TextEncoder().encode(string)];
  return [0x40, ...text(name), ...text(value)];
}

const FIELDS: readonly (readonly [string, string])[] = [
  [":path", "/echo.v1.Echo/Unary"],
  [":authority", "hub"],
  ["content-type", "application/grpc"],
];
const FIRST_BLOCK = Uint8Array.from([0x83, 0x86, ...FIELDS.flatMap(([k, v]) => indexed(k, v))]);
/** 14 bytes with its frame: `:method`, `:scheme`, and what the first one has left in the table. */
const NEXT_BLOCK = Uint8Array.of(0x83, 0x86, 0xc0, 0xbf, 0xbe);

function head(token: string | undefined, more: HeaderList = []): HeaderList {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/echo.v1.Echo/Unary"],
    [":authority", "hub"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ...(token === undefined ? [] : [["authorization", `Bearer ${token}`] as const]),
    ...more,
  ];
}

/** Runs `act` at a rate per second, from several loops, each as long as the attack lasts. */
async function paced(attack: Running, act: () => Promise<unknown>): Promise<void> {
  const startedMs = performance.now();
  let begun = 0;
  const loop = async () => {
    while (performance.now() < attack.until) {
      const due = (performance.now() - startedMs) / 1000 * attack.perSecond;
      if (begun >= due) {
        await sleep(TICK_MS);
        continue;
      }
      begun++;
      try {
        await act();
        attack.did++;
      } catch {
        await sleep(TICK_MS); // The hub did not take it.
      }
    }
  };
  await Promise.all(Array.from({ length: attack.connections }, loop));
}

/** Ignores whatever the hub answers. */
const DEAF: StreamEvents = {
  onHeaders() {},
  onData() {},
  onReset() {},
  onCredit() {},
  onDrained() {},
};

/** Feeds one byte less than a message has, as fast as the hub gives credit. */
function unfinished(peer: Peer, block: Uint8Array, bytes: number): void {
  const prefix = new Uint8Array(5);
  new DataView(prefix.buffer).setUint32(1, bytes);
  const piece = new Uint8Array(64 << 10);
  let left = bytes - 1;
  const stream = peer.connection.request(block, false, {
    ...DEAF,
    onDrained() {
      if (left <= 0 || stream.queuedBytes > 0) return;
      const next = piece.subarray(0, Math.min(piece.length, left));
      left -= next.length;
      peer.connection.data(stream, next, false);
    },
  });
  peer.connection.data(stream, prefix, false);
  peer.connection.data(stream, piece, false);
}

const HEAD_BYTES = 16 << 10;
/** A head whose field is blanks to its last byte. */
const blanks = (line: string) =>
  new TextEncoder().encode(`${line}\r\nHost: hub\r\nX: ${" ".repeat(HEAD_BYTES - 200)}x\r\n`);

const ATTACKS = {
  /** B2: calls without a credential; bytes per second. */
  async calls(attack: Running): Promise<void> {
    const share = Math.max(1, attack.perSecond / attack.connections / (1000 / TICK_MS));
    const loop = async () => {
      while (performance.now() < attack.until) {
        const socket = await dial(attack.calls).catch(() => undefined);
        if (socket === undefined) {
          await sleep(TICK_MS);
          continue;
        }
        socket.resume();
        let id = 1;
        socket.write(
          join([START, frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 1, FIRST_BLOCK)]),
        );
        while (performance.now() < attack.until && !socket.destroyed && !socket.readableEnded) {
          const calls = Array.from(
            { length: Math.ceil(share / 14) },
            () => frame(FrameType.HEADERS, END_HEADERS | END_STREAM, id += 2, NEXT_BLOCK),
          );
          const taken = socket.write(join(calls));
          attack.did += calls.length;
          await sleep(TICK_MS);
          if (!taken && !socket.destroyed) await sleep(TICK_MS);
        }
        socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: attack.connections }, loop));
  },

  /** B3: heads that are blanks, on each port in turn; heads per second. */
  async heads(attack: Running): Promise<void> {
    const ports = [
      [attack.tunnels, blanks("GET /ws HTTP/1.1")],
      [attack.calls, blanks("CONNECT bench HTTP/1.1")],
      [attack.metrics, blanks("GET /metrics HTTP/1.1")],
    ] as const;
    let turn = 0;
    await paced(attack, async () => {
      const [address, bytes] = ports[turn++ % ports.length]!;
      const socket = await dial(address);
      socket.resume();
      socket.write(bytes);
      await sleep(500);
      socket.destroy();
    });
  },

  /** B4: messages of 4 MB that never end, to the hub's own service; messages per second. */
  async messages(attack: Running): Promise<void> {
    const block = encodeHeaderList([
      ...head(attack.token).map((field) =>
        field[0] === ":path" ? [":path", "/ghub.v1.Hub/WhoAmI"] as const : field
      ),
    ]);
    const peers: Peer[] = [];
    await paced({ ...attack, connections: 1 }, async () => {
      if (peers.length < attack.connections) {
        const peer = new Peer(await dialTcp(attack.calls), { role: "client" });
        peer.ended.catch(() => {});
        peers.push(peer);
      }
      const peer = peers[attack.did % peers.length]!;
      if (peer.connection.canRequest) unfinished(peer, block, 4 << 20);
      attack.did++;
    });
    for (const peer of peers) peer.close();
  },

  /** B4: header sections that never end; connections per second. */
  async sections(attack: Running): Promise<void> {
    const piece = new Uint8Array(14 << 10).fill(0x83);
    const bytes = join([
      START,
      frame(FrameType.HEADERS, END_STREAM, 1, piece),
      ...Array.from({ length: 3 }, () => frame(FrameType.CONTINUATION, 0, 1, piece)),
    ]);
    const sockets: net.Socket[] = [];
    await paced(attack, async () => {
      const socket = await dial(attack.calls);
      socket.resume();
      socket.write(bytes);
      sockets.push(socket);
    });
    for (const socket of sockets) socket.destroy();
  },

  /** B5: servers without a credential; dials per second. */
  async dials(attack: Running): Promise<void> {
    const request = new TextEncoder().encode([
      "GET /ws HTTP/1.1",
      "Host: hub",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Protocol: ghub.h2.v1",
      "X-Hub-Meta-Name: stranger",
      "\r\n",
    ].join("\r\n"));
    await paced(attack, async () => {
      const socket = await dial(attack.tunnels);
      socket.write(request);
      await new Promise((resolve) => socket.once("close", resolve).resume());
    });
  },

  /** B6 and B7: calls with these fields; calls per second. */
  async metadata(attack: Running): Promise<void> {
    await callsOf(attack, [["x-hub-server", "bench"], ["x-large", "v".repeat(9_000)]]);
  },
  async misspelt(attack: Running): Promise<void> {
    await callsOf(attack, [["x-hub-server", "edge-99999x"]]);
  },

  /** B8: one token, another name each time; names per second. */
  async names(attack: Running): Promise<void> {
    let name = 0;
    await paced(attack, async () => {
      const uri = `ws://${attack.tunnels}/ws`;
      const authorization = `Authorization: Bearer ${attack.token}`;
      const answer = await openTunnel(uri, `edge-${name++}`, [authorization]);
      if (!("wire" in answer)) throw new Error("Not now");
      answer.wire.close();
    });
  },

  /** B9: watches that never end; all at once. */
  async watches(attack: Running): Promise<void> {
    const peer = new Peer(await dialTcp(attack.calls), { role: "client" });
    peer.ended.catch(() => {});
    const block = encodeHeaderList(
      head(attack.token).map((field) =>
        field[0] === ":path" ? [":path", "/ghub.v1.Hub/WatchActivity"] as const : field
      ),
    );
    for (; attack.did < attack.connections; attack.did++) {
      peer.connection.data(peer.connection.request(block, false, DEAF), new Uint8Array(5), true);
    }
    await sleep(attack.until - performance.now());
    peer.close();
  },

  /** B12: a number of connections that say nothing, dialled again when the hub closes one. */
  async sockets(attack: Running): Promise<void> {
    const sockets = new Set<net.Socket>();
    await paced({ ...attack, connections: 16 }, async () => {
      if (sockets.size >= attack.connections) return await sleep(TICK_MS);
      const socket = await dial(attack.calls);
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket)).resume();
      attack.did++;
    });
    for (const socket of sockets) socket.destroy();
  },
};

async function callsOf(attack: Running, more: HeaderList): Promise<void> {
  const block = encodeHeaderList(head(attack.token, more));
  const peer = new Peer(await dialTcp(attack.calls), { role: "client" });
  peer.ended.catch(() => {});
  await paced(attack, () =>
    new Promise<void>((resolve, reject) => {
      const over = () => resolve();
      const timer = setTimeout(() => reject(new Error("No answer")), 5_000);
      const ended = () => {
        clearTimeout(timer);
        over();
      };
      if (!peer.connection.canRequest) return reject(new Error("No room"));
      const events = {
        ...DEAF,
        onHeaders: (_stream: unknown, _fields: unknown, endStream: boolean) => endStream && ended(),
        onReset: ended,
      };
      peer.connection.data(peer.connection.request(block, false, events), new Uint8Array(5), true);
    }));
  peer.close();
}

if (import.meta.main) {
  const options = JSON.parse(Deno.args[0]!) as AttackOptions;
  const attack: Running = { ...options, until: performance.now() + options.seconds * 1000, did: 0 };
  console.log("attacker ready");
  await ATTACKS[attack.kind](attack);
  console.log(`attacker did ${attack.did}`);
  Deno.exit(0);
}
