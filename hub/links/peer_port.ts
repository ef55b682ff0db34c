/**
 * All that a hub has for other hubs: the port where they dial, and the links that it has dialled.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { ReloadPart } from "../../shared/cli/reload.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { VERSION } from "../../shared/version.ts";
import type { ClusterView } from "../cluster/view.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import type { HubListener } from "../net/listen.ts";
import type { ListenAddress, TlsIdentity } from "../net/listen_options.ts";
import type { CallerConnection } from "../relay/caller_connection.ts";
import type { ServerName } from "../registry/tunnel.ts";
import { ForwardedCalls, type ForwardedCounts } from "./forwarded_calls.ts";
import type { PeerCredentials } from "./peer_dial.ts";
import { PEER_PROTOCOL, type PeerHub } from "./peer_handshake.ts";
import { type LinkUsage, PeerLinks, type PeerLinksOptions } from "./peer_links.ts";
import { type ListenerProof, PeerListener, type PeerListenerContext } from "./peer_listener.ts";

/** The days of a certificate that a hub makes for its own peer port, which the secret vouches for. */
const OWN_CERTIFICATE_DAYS = 3650;

/** How a hub listens for others, and proves itself to them. One of `secret` and `ca` must be there. */
export interface PeerOptions {
  readonly listen: ListenAddress;
  /** Where other hubs reach it, as `host:port`. @default where it listens; by the machine's name, if on all */
  readonly address?: string | undefined;
  /** What both ends of a link must hold. */
  readonly secret?: string | undefined;
  /** Authorities that sign the certificates of hubs, as PEM; without a secret hubs must show one. */
  readonly ca?: string | undefined;
  /** Its certificate for other hubs, with its key. @default one of its own making */
  readonly identity?: Pick<TlsIdentity, "cert" | "key"> | undefined;
  /** Reads the three again from where they came. @default they never change */
  readonly reread?: (() => Promise<PeerProofs>) | undefined;
}

/** By what a hub proves itself to others. */
export type PeerProofs = Pick<PeerOptions, "identity" | "secret" | "ca">;

/** How links come about, and what proves who is at their other end. */
export interface PeerWay {
  readonly dialler: PeerLinksOptions["dialler"];
  /** What proves hubs now. */
  readonly proof: ListenerProof;
  /** Looks at the files by which hubs prove themselves. @default there are none */
  readonly reloadPart?: ReloadPart | undefined;
  close?(): void;
  /** See `PeerLinksOptions`. */
  readonly isOfWorkers?: boolean;
}

/** The cluster that links are for. */
export interface PeerCluster {
  /** What this hub is called. */
  readonly name: string;
  /** What it knows of other hubs. */
  readonly view: ClusterView;
}

/** What must be there before the port can listen. */
export async function peerCredentials(
  { identity, secret, ca }: PeerProofs,
): Promise<PeerCredentials> {
  if (secret === undefined && ca === undefined) {
    throw new Error("Hubs need a secret or an authority to know each other by");
  }
  const { cert, key } = identity ??
    await generateCertificate(["localhost"], { days: OWN_CERTIFICATE_DAYS });
  return { cert, key, secret, ca };
}

/** Numbers of a hub's links, for metrics. */
export interface PeerUsage extends LinkUsage {
  /** What became of the calls that this hub has forwarded. */
  readonly forwarded: ForwardedCounts;
}

/** Links to other hubs, and the port where they dial. */
export class PeerPort {
  readonly links: PeerLinks;
  /** To be told of the calls of this hub's callers. */
  readonly forwarded: ForwardedCalls;
  readonly #self: () => PeerHub;
  readonly #way: PeerWay;
  #listener: PeerListener | undefined;
  #port: HubListener | undefined;
  readonly #accepting = new AbortController();

  /** @param onStale Another hub does not have a server that the view shows there. */
  constructor(
    { name, view, onStale }: PeerCluster & { readonly onStale: (server: ServerName) => void },
    way: PeerWay,
  ) {
    this.forwarded = new ForwardedCalls({ onStale });
    const { dialler, isOfWorkers = false } = this.#way = way;
    this.#self = () => ({
      name,
      session: view.session ?? "",
      version: VERSION,
      protocol: PEER_PROTOCOL,
    });
    this.links = new PeerLinks({ view, dialler, self: this.#self, isOfWorkers });
  }

  /** Serves other hubs until `close()`. */
  serve(listener: HubListener, context: Pick<PeerListenerContext, "relay" | "onRefused">): void {
    const peers = new PeerListener({
      ...context,
      self: this.#self,
      proof: () => this.#way.proof,
    });
    this.#listener = peers;
    this.#port = listener;
    const { signal } = this.#accepting;
    acceptLoop(listener, (conn) => peers.serve(conn), { signal }).catch((error) =>
      getLogger(["hub", "links"]).error("No other hub can dial any more: {error}", { error })
    );
  }

  get reloadPart(): ReloadPart | undefined {
    return this.#way.reloadPart;
  }

  get usage(): PeerUsage {
    return { ...this.links.usage, forwarded: this.forwarded.counts };
  }

  /** Other hubs that have a link to this one. */
  get callers(): ReadonlySet<CallerConnection> {
    return this.#listener?.callers ?? NONE;
  }

  /** Bytes that wait for other hubs, or of which the rest has not come. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const link of this.links.open()) bytes += link.bufferedBytes;
    for (const caller of this.callers) bytes += caller.bufferedBytes;
    return bytes;
  }

  /** Connections, both ways. */
  get connections(): number {
    return this.callers.size + [...this.links.open()].length;
  }

  /** What wants a tick once a second: a fault of one connection must not keep the others from theirs. */
  *swept(): Generator<{ tick(): void }> {
    yield* [...this.links.open()];
    yield* this.callers;
  }

  /** Takes no new calls of other hubs. */
  drain(): void {
    for (const caller of this.callers) caller.drain();
  }

  /** Resolves when nothing of its connections goes on: at the latest after `GOODBYE_MS`. */
  async close(): Promise<void> {
    this.#way.close?.();
    this.#accepting.abort();
    this.#port?.[Symbol.dispose]();
    await Promise.all([this.links.close(), this.#listener?.close()]);
  }
}

const NONE: ReadonlySet<CallerConnection> = new Set();
