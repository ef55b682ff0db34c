/**
 * Whether what is collected also gets away, and what would be lost if Fluentd ended now.
 *
 * @module
 */
import type { ConfigFacts, ConfiguredOutput } from "../config/reader.ts";
import type { OutputTrouble } from "../log/story.ts";
import type { OutputReport } from "./monitor.ts";

/** An output that failed so often in a row cannot deliver: a single failure may be a hiccup. */
export const FAILURES_IN_A_ROW = 3;

/** What is known of outputs. */
export interface DeliveryInput {
  /** By the log. */
  readonly troubles: readonly OutputTrouble[];
  /** By the monitor, where it answers. */
  readonly outputs?: readonly OutputReport[] | undefined;
  readonly config?: ConfigFacts | undefined;
}

/** An output that cannot deliver now. */
export interface FailingOutput {
  /** `forward "to-siem"`; as much as is known. */
  readonly name: string;
  readonly worker: number;
  readonly failures: number;
  /** Fluentd's own line about it, where the log has one. */
  readonly message?: string;
  /** Not yet delivered; absent without a monitor. */
  readonly bytes?: number;
  /** Whether what it has would be lost with the process. Of one that we cannot tell: yes. */
  readonly inMemory: boolean;
}

/** Outputs whose last try failed: by the monitor, which is exact, else by the log. */
export function failingOutputs({ troubles, outputs, config }: DeliveryInput): FailingOutput[] {
  const configured = config?.outputs ?? [];
  const asked = new Set(outputs?.map(({ worker }) => worker));
  const byMonitor = (outputs ?? []).filter(({ failures }) => failures > 0).map((output) => {
    const { worker, id, type, bytes, failures } = output;
    const same = configured.filter((one) => one.id === id);
    const likely = same.length > 0 ? same : configured.filter((one) => one.type === type);
    const said = troubles.find((trouble) => trouble.worker === worker && trouble.output === id);
    return {
      name: nameOf(type, same.length > 0 ? id : undefined),
      worker,
      failures,
      bytes,
      inMemory: mayBeInMemory(likely),
      ...(said === undefined ? {} : { message: said.message }),
    };
  });
  const byLog = troubles.filter(({ worker, message }) =>
    // What has no buffer is not in the monitor's list of retries.
    !asked.has(worker) || !/^(?:failed to flush|hit limit)/i.test(message)
  ).map(({ worker, output, times, message }) => {
    const likely = configured.filter(({ id }) => id === output);
    return {
      name: nameOf(likely[0]?.type, output || undefined),
      worker,
      failures: times,
      message,
      inMemory: /^failed to flush/.test(message) &&
        mayBeInMemory(likely.length > 0 ? likely : configured.filter(({ id }) => id === undefined)),
    };
  });
  return [...byMonitor, ...byLog];
}

function mayBeInMemory(likely: readonly ConfiguredOutput[]): boolean {
  return likely.length === 0 || likely.some(({ buffer }) => buffer === "memory");
}

function nameOf(type: string | undefined, id: string | undefined): string {
  return [type, id === undefined ? undefined : `"${id}"`].filter(Boolean).join(" ") || "an output";
}

/** Those that would lose what they have if Fluentd ended now. */
export function unsentInMemory(failing: readonly FailingOutput[]): FailingOutput[] {
  return failing.filter(({ inMemory, bytes }) => inMemory && bytes !== 0);
}

/** For people: `forward "to-siem" (1200 bytes)`. */
export function describeUnsent(unsent: readonly FailingOutput[]): string {
  return unsent.map(({ name, bytes, message }) =>
    `${name} (${bytes === undefined ? "an unknown number of" : bytes} bytes)` +
    (message === undefined ? "" : `: ${message}`)
  ).join("; ");
}
