/**
 * Real hubs in this process, linked with each other over real TLS, whose view of each other is made by
 * hand. For tests.
 *
 *     await using hubs = await LinkedHubs.start({ a: {}, b: {} });
 *     hubs.put("edge-1", "b");
 *
 * @module
 */
import type { HubRecord, Place } from "../cluster/view.ts";
import { startHub } from "../hub.ts";
import type { HubOptions, RunningHub } from "../hub_options.ts";
import type { PeerCluster, PeerOptions } from "../links/peer_port.ts";
import { HandMadeView } from "./hand_made_view.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };

/** What hubs share by default: as long as it must be. */
export const PEER_SECRET = "a secret of 32 characters, or so";

export interface LinkedHubOptions extends Partial<Omit<HubOptions, "peers">> {
  readonly peers?: Partial<PeerOptions & PeerCluster>;
}

/** A hub, and what it knows of the others. */
export interface LinkedHub {
  readonly hub: RunningHub;
  readonly view: HandMadeView;
  readonly record: HubRecord;
}

/** Their names are those that the options have. */
export class LinkedHubs<N extends string> implements AsyncDisposable {
  readonly #hubs = new Map<string, LinkedHub>();

  static async start<N extends string>(
    options: Readonly<Record<N, LinkedHubOptions>>,
  ): Promise<LinkedHubs<N>> {
    const hubs = new LinkedHubs<N>();
    try {
      for (const [name, own] of Object.entries<LinkedHubOptions>(options)) {
        await hubs.#add(name, own);
      }
      hubs.tell();
      return hubs;
    } catch (error) {
      await hubs[Symbol.asyncDispose]();
      throw error;
    }
  }

  of(name: N): LinkedHub {
    return this.#hubs.get(name)!;
  }

  /** Tells each hub of all. @param change What others believe of a hub, in place of the truth. */
  tell(change: (record: HubRecord) => HubRecord | undefined = (record) => record): void {
    const records = [...this.#hubs.values()].flatMap(({ record }) => change(record) ?? []);
    for (const { view } of this.#hubs.values()) view.setHubs(records);
  }

  /** Tells all other hubs that a server has its tunnel at this one; the first one of a name has generation 1. */
  put(server: string, at: N, place: Partial<Omit<Place, "hub">> = {}): void {
    const { record } = this.of(at);
    for (const { view } of this.#hubs.values()) {
      if (view.session !== record.session) view.setPlaces(server, [placeOf(server, record, place)]);
    }
  }

  /** Tells all hubs that a server has its tunnel nowhere else. */
  take(server: string): void {
    for (const { view } of this.#hubs.values()) view.setPlaces(server, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { hub } of this.#hubs.values()) hub.close();
    await Promise.all([...this.#hubs.values()].map(({ hub }) => hub.closed));
  }

  async #add(name: string, { peers, ...options }: LinkedHubOptions): Promise<void> {
    const view = new HandMadeView(`session-of-${name}`);
    const hub = await startHub({
      tunnelListen: ANYWHERE,
      callListen: ANYWHERE,
      ...options,
      peers: { listen: ANYWHERE, secret: PEER_SECRET, name, view, ...peers },
    });
    const record: HubRecord = {
      session: view.session!,
      name,
      peerAddress: hub.peerAddress!,
      version: "0",
      protocol: 1,
      state: "open",
      sinceMs: Date.now(),
      fingerprints: {},
    };
    this.#hubs.set(name, { hub, view, record });
  }
}

export function placeOf(
  server: string,
  hub: HubRecord,
  place: Partial<Omit<Place, "hub">> = {},
): Place {
  return {
    hub,
    tunnel: `tunnel-of-${server}`,
    generation: 1,
    info: { name: server, labels: {}, instance: "", version: "", remoteAddress: "192.0.2.1:1" },
    sinceMs: Date.now(),
    ...place,
  };
}
