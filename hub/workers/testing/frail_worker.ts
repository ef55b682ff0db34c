/**
 * A worker without a hub: it says that it has started, answers little, and dies when it drains. With
 * `?quiet` it dies without a word, with `?alone` it never finds the others.
 *
 * @module
 */
import { type Port, ThreadChannel } from "../../../shared/threads/thread_channel.ts";
import { WORKER, type WorkerService } from "../messages.ts";

const { search } = new URL(import.meta.url);
let _held: MessagePort | undefined;

const service: WorkerService = {
  start: ({ hub: { tunnelListen, callListen }, worker: { number } }) => {
    if (tunnelListen.hostname === "no such host") throw new Error(`Cannot listen (${number})`);
    const shown = ({ hostname, port }: typeof callListen) => `${hostname}:${port || 7}`;
    return Promise.resolve({
      tunnelAddress: `ws://${shown(tunnelListen)}/ws`,
      callAddress: shown(callListen),
      wildcards: {},
      parts: [],
    });
  },
  hold: (port) => void (_held = port),
  link: () => {},
  untilLinked: () => search === "?alone" ? new Promise(() => {}) : Promise.resolve(),
  useCertificate: () => Promise.resolve(),
  useLog: () => Promise.resolve(),
  look: () => Promise.resolve(""),
  drain() {
    if (search === "?quiet") close();
    else {setTimeout(() => {
        throw new Error("no more ink");
      });}
    return new Promise(() => {});
  },
  hurry: () => {},
  close: () => Promise.resolve(),
};
new ThreadChannel(globalThis as unknown as Port).serve(WORKER, { ...service });
