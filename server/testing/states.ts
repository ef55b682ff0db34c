/**
 * States of agents as they come: tests wait for the fact.
 *
 * @module
 */
import type { HubPlace } from "../dial/hub_places.ts";
import type { AgentState } from "../tunnel/agent.ts";

/** Give its `onState` to a server. */
export class States {
  readonly #seen: { hub: string; state: AgentState }[] = [];
  #wake = () => {};

  readonly onState = (_: string, state: AgentState, { key: hub }: HubPlace) => {
    this.#seen.push({ hub, state });
    this.#wake();
  };

  /**
   * The next state of that kind; those before it are dropped.
   *
   * @param hub Only of the agent that dials this one. @default any
   */
  async next<S extends AgentState["state"]>(
    kind: S,
    hub?: URL | string,
  ): Promise<AgentState & { state: S }> {
    for (;;) {
      for (let one = this.#seen.shift(); one !== undefined; one = this.#seen.shift()) {
        const isIts = hub === undefined || one.hub === String(hub);
        if (isIts && one.state.state === kind) return one.state as AgentState & { state: S };
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
