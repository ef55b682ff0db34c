/**
 * What a hub knows of other hubs, as a test says it. For tests.
 *
 * @module
 */
import type { ClusterView, HubRecord, Place, ViewChange } from "../cluster/view.ts";

export class HandMadeView implements ClusterView {
  state: ClusterView["state"] = "member";
  session: string | undefined;
  #hubs: readonly HubRecord[] = [];
  readonly #places = new Map<string, readonly Place[]>();
  readonly #listeners = new Set<(change: ViewChange) => void>();

  constructor(session: string) {
    this.session = session;
  }

  hubs(): readonly HubRecord[] {
    return this.#hubs;
  }

  placesOf(name: string): readonly Place[] {
    return this.#places.get(name) ?? [];
  }

  names(): Iterable<string> {
    return this.#places.keys();
  }

  departureOf(): undefined {
    return undefined;
  }

  departures(): Iterable<never> {
    return [];
  }

  onChange(listener: (change: ViewChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  setHubs(hubs: readonly HubRecord[]): void {
    const sessions = new Set([...this.#hubs, ...hubs].map(({ session }) => session));
    this.#hubs = hubs;
    for (const hub of sessions) this.#tell({ hub });
  }

  /** @param places Of a name at other hubs, from now on; none takes the name away. */
  setPlaces(server: string, places: readonly Place[]): void {
    if (places.length === 0) this.#places.delete(server);
    else this.#places.set(server, places);
    this.#tell({ server });
  }

  #tell(change: ViewChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}
