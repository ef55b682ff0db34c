/**
 * A server whose tunnel is at another hub, as a place where calls go: the link to that hub, and what
 * that one must be told. One is kept for each server, so that a call costs no object of its own.
 *
 * @module
 */
import type { Place } from "../cluster/view.ts";
import type { RemoteTarget } from "../cluster/directory.ts";
import type { Forwarding } from "../peer/call_target.ts";
import type { ReceiveBudget } from "../peer/receive_budget.ts";
import type { ResetPacer } from "../peer/reset_pacer.ts";

/** What it needs of its link. */
export interface Linked {
  readonly hub: string;
  readonly id: string;
  readonly side: ReceiveBudget;
  readonly resets: ResetPacer;
  readonly lost: string | undefined;
  readonly isOpen: boolean;
}

/** A server as a target of calls that another hub takes further. */
export class RemoteServer implements RemoteTarget {
  readonly hop = "peer";
  /** The server's name. */
  readonly name: string;
  /** Its tunnel's id at the other hub. */
  readonly id: string;
  readonly side: ReceiveBudget;
  readonly resets: ResetPacer;
  readonly forwarding: Forwarding;
  callsTotal = 0;
  readonly #link: Linked;

  constructor(link: Linked, place: Pick<Place, "generation" | "tunnel" | "info">) {
    const { generation, tunnel, info: { name } } = place;
    this.#link = link;
    this.name = name;
    this.id = tunnel;
    this.side = link.side;
    this.resets = link.resets;
    this.forwarding = { server: name, generation, hub: link.hub, link: link.id };
  }

  get isOpen(): boolean {
    return this.#link.isOpen;
  }

  get lost(): string | undefined {
    return this.#link.lost;
  }
}
