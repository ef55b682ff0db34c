/**
 * A thread in which an operator makes as many calls as it may, for tests of what workers share.
 *
 * @module
 */
import { JointUse, type JointUseMemory } from "../joint_use.ts";
import { Limits } from "../limits.ts";

/** What it is told: to make calls, and then to end them. */
export interface Calling {
  readonly memory: JointUseMemory;
  readonly worker: number;
  readonly operator: string;
  readonly maxCallsPerOperator: number;
  readonly tries: number;
  /** Set to 1 when the calls are to end. */
  readonly over: Int32Array;
}

/** How many calls were let in; said twice, before they end and after. */
export interface Called {
  readonly calls: number;
}

const thread = self as unknown as {
  onmessage: (event: MessageEvent<Calling>) => void;
  postMessage(result: Called): void;
};

thread.onmessage = ({ data: { memory, worker, operator, maxCallsPerOperator, tries, over } }) => {
  const limits = new Limits({ maxCallsPerOperator }, new JointUse(memory, worker));
  const accounts = [];
  for (let i = 0; i < tries; i++) {
    const refusal = limits.refusal(operator, { server: "edge-1", callsAtServer: 0 });
    if (refusal === undefined) accounts.push(limits.enter(operator, "edge-1"));
  }
  thread.postMessage({ calls: accounts.length });
  Atomics.wait(over, 0, 0);
  for (const account of accounts) {
    limits.ended(account, "edge-1");
    limits.leave(account);
  }
  thread.postMessage({ calls: 0 });
};
