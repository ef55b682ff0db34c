/**
 * A worker without a hub, for tests: it writes audit lines, and asks whether servers may come in.
 *
 * @module
 */
import { type Port, ThreadChannel } from "../../../shared/threads/thread_channel.ts";
import { Joint, type JointTask } from "../joint.ts";

/** The name of its service. */
export const AUDITED = "audited";

/** What it can be asked. */
export interface AuditedThread {
  /** Begins as a worker of this number. */
  begin(task: { readonly joint: JointTask; readonly number: number }): void;
  /** Writes lines, in turns of the event loop; `id` is `NUMBER-0`, `NUMBER-1`, … */
  write(count: number): Promise<void>;
  /** Asks for as many servers. @returns How many may come in now. */
  admit(count: number): Promise<number>;
  /** Ends as a worker does; the answer comes when all lines are written. */
  end(nothing: undefined): Promise<void>;
}

/** Lines of one turn. */
const AT_ONCE = 50;

const channel = new ThreadChannel(globalThis as unknown as Port);
let joint: Joint | undefined;
let prefix = "";
let written = 0;

const service: AuditedThread = {
  begin(task) {
    joint = new Joint(task.joint, task.number, channel);
    prefix = `${task.number}-`;
  },
  async write(count) {
    for (const end = written + count; written < end; written++) {
      const id = `${prefix}${written}`;
      joint!.audit.record({
        kind: "call",
        who: "ada",
        peer: "",
        server: "edge-1",
        status: "OK",
        id,
      });
      if (written % AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve));
    }
  },
  async admit(count) {
    const { admission } = joint!;
    const answers = await Promise.all(
      Array.from({ length: count }, () => admission.retryAfterS("fleet")),
    );
    return answers.filter((answer) => answer === undefined).length;
  },
  async end() {
    await joint!.audit[Symbol.asyncDispose]();
  },
};
channel.serve(AUDITED, { ...service });
