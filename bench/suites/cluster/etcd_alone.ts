/**
 * What etcd itself takes for what hubs ask of it when a server registers: the same transaction, seen by a
 * watch, at the same pace, on the same disk, with no hub in between.
 *
 * @module
 */
import { delay } from "../../../shared/async/delay.ts";
import { EtcdEngine } from "../../../hub/engine/etcd_engine.ts";
import type { BenchEtcd } from "./etcd.ts";

const PREFIX = "/bench/";
/** About as long as the record of a place. */
const RECORD_BYTES = 300;

export interface EtcdAloneOptions {
  readonly count: number;
  readonly perS: number;
}

/** Puts pairs of keys at an even pace. How long each took until a watch has shown it, in order. */
export async function untilSeen(
  { addresses: members }: Pick<BenchEtcd, "addresses">,
  { count, perS }: EtcdAloneOptions,
): Promise<readonly number[]> {
  await using writer = new EtcdEngine({ members });
  await using reader = new EtcdEngine({ members });
  const ending = new AbortController();
  const put = (key: string) => {
    const value = new Uint8Array(RECORD_BYTES);
    const [place, name] = [`${PREFIX}at/${key}`, `${PREFIX}name/${key}`];
    return writer.commit({
      conditions: [{ key: place, revision: 0 }, { key: name, revision: 0 }],
      writes: [{ put: place, value }, { put: name, value }],
    });
  };
  const first = await put("first");
  const askedMs = new Map<string, number>();
  const tookMs: number[] = [];
  const seen = Promise.withResolvers<void>();
  const watch = async () => {
    for await (const changes of reader.watch(PREFIX, first.revision + 1, ending.signal)) {
      for (const { key } of changes) {
        const startMs = askedMs.get(key);
        if (startMs === undefined) continue;
        tookMs.push(performance.now() - startMs);
        if (tookMs.length === count) seen.resolve();
      }
    }
  };
  const watching = watch().catch(seen.reject);
  const startMs = performance.now();
  const commits: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const dueMs = startMs + i * 1000 / perS - performance.now();
    if (dueMs > 0) await delay(dueMs);
    askedMs.set(`${PREFIX}name/${i}`, performance.now());
    commits.push(put(`${i}`));
  }
  await Promise.all([...commits, seen.promise]);
  ending.abort();
  await watching;
  return tookMs.sort((a, b) => a - b);
}
