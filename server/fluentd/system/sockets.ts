/**
 * Where processes listen, as the kernel has it: `/proc/PID/net/…` joined with the descriptors in
 * `/proc/PID/fd`. A process can be alive, and its monitor can answer, while its inputs are closed.
 *
 *     /proc/PID/net/tcp:   0: 0100007F:5EB8 00000000:0000 0A … 22543 …     0A is LISTEN
 *     /proc/PID/fd/14   → socket:[22543]                                   so PID listens on 24248
 *
 * @see https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
 * @module
 */
import { readdirSync, readlinkSync } from "node:fs";

/** A place where a process waits for others. */
export interface Listener {
  readonly proto: "tcp" | "udp" | "unix";
  /** A port, or the path of a unix socket. */
  readonly at: string;
}

/** Descriptors of one process that are looked at: those that listen were opened early. */
export const MAX_DESCRIPTORS = 4096;
/** Bytes of one of the kernel's tables; those of TCP begin with what listens. */
export const MAX_TABLE_BYTES = 8 * 1024 * 1024;
/** The kernel gives away its tables in pieces, and they have no size before they have been read. */
const CHUNK_BYTES = 64 * 1024;

const LISTEN = "0A";
/** `__SO_ACCEPTCON` of a unix socket. */
const ACCEPTS = "00010000";
/** What a UDP socket is that was bound and not connected. */
const UNCONNECTED = "07";

const TABLES = ["tcp", "tcp6", "udp", "udp6", "unix"] as const;
type Table = (typeof TABLES)[number];

/** Reads one table: inode → where it listens. */
export function parseTable(table: Table, text: string): Map<string, Listener> {
  const found = new Map<string, Listener>();
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (table === "unix") {
      const [, , , flags, , , inode, path] = fields;
      if (flags === ACCEPTS && inode !== undefined && path !== undefined) {
        found.set(inode, { proto: "unix", at: path });
      }
      continue;
    }
    const [, local = "", , state, , , , , , inode] = fields;
    const proto = table.startsWith("tcp") ? "tcp" : "udp";
    if (state !== (proto === "tcp" ? LISTEN : UNCONNECTED) || inode === undefined) continue;
    const port = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
    if (port > 0) found.set(inode, { proto, at: String(port) });
  }
  return found;
}

/**
 * Where each of these processes listens; they are in one network namespace. One that is missing in
 * the answer may not be looked into: only its own user and root may read its descriptors.
 *
 * Without a pause between the tables and the descriptors, so that both are of one moment.
 */
export function listenersOf(pids: readonly number[]): Map<number, Listener[]> {
  const answer = new Map<number, Listener[]>();
  const [first] = pids;
  if (first === undefined) return answer;
  const inodes = new Map<string, Listener>();
  for (const table of TABLES) {
    const text = readTable(`/proc/${first}/net/${table}`);
    for (const entry of parseTable(table, text)) inodes.set(...entry);
  }
  for (const pid of pids) {
    const held = socketsOf(pid);
    if (held === undefined) continue;
    const own = held.map((inode) => inodes.get(inode)).filter((at) => at !== undefined);
    // The same port of IPv4 and IPv6 is one place.
    answer.set(pid, [...new Map(own.map((at) => [keyOf(at), at])).values()]);
  }
  return answer;
}

/** One text for one place: `tcp 24224`. */
export function keyOf({ proto, at }: Listener): string {
  return `${proto} ${at}`;
}

/** The first `MAX_TABLE_BYTES` of a table, in whole lines; empty if it cannot be read. */
export function readTable(path: string): string {
  try {
    using file = Deno.openSync(path);
    const decoder = new TextDecoder("latin1");
    const chunk = new Uint8Array(CHUNK_BYTES);
    let text = "";
    for (let n; (n = file.readSync(chunk)) !== null;) {
      text += decoder.decode(chunk.subarray(0, n));
      // What is cut in the middle of a line would have the number of another socket.
      if (text.length > MAX_TABLE_BYTES) {
        return text.slice(0, text.lastIndexOf("\n", MAX_TABLE_BYTES));
      }
    }
    return text;
  } catch {
    // It has ended, or there is no such protocol.
    return "";
  }
}

/** Inodes of the sockets that it holds; `undefined` if it may not be looked into, or has too many. */
function socketsOf(pid: number): string[] | undefined {
  const folder = `/proc/${pid}/fd`;
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return undefined;
  }
  if (names.length > MAX_DESCRIPTORS) return undefined;
  return names.flatMap((name) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1] ?? [];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}
