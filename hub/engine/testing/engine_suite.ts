/**
 * What every engine must do, as one suite of tests: it runs on memory and on real etcd.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Engine,
  EngineError,
  type KeyChange,
  type KeyEntry,
  MAX_OPERATIONS,
} from "../engine.ts";

/** Long enough that no session ends by itself while a test runs on a slow machine. */
const TTL_MS = 60_000;

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
const shown = ({ key, value }: Pick<KeyEntry | KeyChange, "key" | "value">) =>
  `${key}=${text(value)}`;

export interface EngineSuiteOptions {
  /** Whose engine is used by two clients: both see the same. */
  readonly open: () => Promise<{ readonly one: Engine; readonly other: Engine } & AsyncDisposable>;
  /** Forgets the history below a revision. */
  readonly compact: (revision: number) => Promise<void>;
  /** The shortest time that a session can have. */
  readonly shortTtlMs: number;
}

/** Runs the suite as steps of a test. */
export async function engineSuite(t: Deno.TestContext, options: EngineSuiteOptions): Promise<void> {
  let prefix = 0;
  const step = (
    name: string,
    run: (one: Engine, other: Engine, at: (key: string) => string) => Promise<void>,
  ) =>
    t.step(name, async () => {
      const mine = `/suite/${++prefix}/`;
      await using engines = await options.open();
      await run(engines.one, engines.other, (key) => mine + key);
    });

  const put = async (engine: Engine, key: string, value: string, session?: string) => {
    const commit = await engine.commit({
      conditions: [],
      writes: [{ put: key, value: bytes(value), session }],
    });
    assert.ok(commit.ok);
    return commit.revision;
  };

  await step("a commit is seen by a read of another client at once", async (one, other, at) => {
    const revision = await put(one, at("a"), "1");
    const page = await other.read(at(""));
    assert.deepEqual(page.entries.map(shown), [`${at("a")}=1`]);
    assert.equal(page.entries[0]?.revision, revision);
    assert.ok(page.revision >= revision);
    assert.equal(page.engine, (await one.read(at(""))).engine);
  });

  await step(
    "a revision tells whether a key has changed: one of two wins",
    async (one, other, at) => {
      const revision = await put(one, at("a"), "1");
      const change = (engine: Engine, value: string) =>
        engine.commit({
          conditions: [{ key: at("a"), revision }],
          writes: [{ put: at("a"), value: bytes(value) }],
          otherwise: [at("a"), at("b")],
        });
      const both = await Promise.all([change(one, "2"), change(other, "3")]);
      const [won, lost] = both.toSorted((a, b) => Number(b.ok) - Number(a.ok));
      assert.ok(won?.ok && lost !== undefined && !lost.ok);
      assert.equal(lost.now[0]?.revision, won.revision);
      assert.match(text(lost.now[0]?.value) ?? "", /^[23]$/);
      assert.equal(lost.now[1], undefined);
    },
  );

  await step("revision 0 stands for a key that is not there", async (one, _other, at) => {
    const make = () =>
      one.commit({
        conditions: [{ key: at("a"), revision: 0 }],
        writes: [{ put: at("a"), value: bytes("1") }],
      });
    assert.equal((await make()).ok, true);
    assert.equal((await make()).ok, false);
    await one.commit({ conditions: [], writes: [{ delete: at("a") }] });
    assert.equal((await make()).ok, true);
  });

  await step("all of a transaction has one revision, or nothing is done", async (one, _o, at) => {
    const writes = ["a", "b"].map((key) => ({ put: at(key), value: bytes("1") }));
    const commit = await one.commit({ conditions: [], writes });
    const { entries } = await one.read(at(""));
    assert.deepEqual(entries.map(({ revision }) => revision), [commit.revision, commit.revision]);
    const failed = await one.commit({
      conditions: [{ key: at("a"), exists: true }, { key: at("none"), exists: true }],
      writes: [{ delete: at("a") }],
    });
    assert.equal(failed.ok, false);
    assert.equal((await one.read(at(""))).entries.length, 2);
  });

  await step("revisions grow, whoever commits", async (one, other, at) => {
    const revisions: number[] = [];
    for (let i = 0; i < 10; i++) revisions.push(await put(i % 2 ? one : other, at("a"), `${i}`));
    assert.deepEqual(revisions, [...new Set(revisions)].sort((a, b) => a - b));
  });

  await step("keys up to another one are deleted at once", async (one, _other, at) => {
    for (const key of ["a", "b", "c"]) await put(one, at(key), "1");
    await one.commit({ conditions: [], writes: [{ delete: at("a"), before: at("c") }] });
    assert.deepEqual((await one.read(at(""))).entries.map(shown), [`${at("c")}=1`]);
  });

  await step("a long read comes in pages of one revision", async (one, _other, at) => {
    for (let i = 0; i < 5; i++) await put(one, at(`k${i}`), "1");
    const first = await one.read(at(""), { limit: 2 });
    assert.deepEqual(first.entries.map(shown), [`${at("k0")}=1`, `${at("k1")}=1`]);
    assert.equal(first.more, true);
    await put(one, at("k3"), "2");
    await one.commit({ conditions: [], writes: [{ delete: at("k4") }] });
    await put(one, at("k9"), "1");
    const rest = await one.read(at(""), { after: at("k1"), at: first.revision });
    assert.deepEqual(rest.entries.map(shown), ["k2", "k3", "k4"].map((key) => `${at(key)}=1`));
    assert.deepEqual([rest.more, rest.revision], [false, first.revision]);
  });

  await step("a watch goes on where a read ended, and misses nothing", async (one, other, at) => {
    await put(one, at("a"), "1");
    const { revision } = await one.read(at(""));
    await put(other, at("a"), "2");
    const ending = new AbortController();
    const seen: string[] = [];
    const watched = (async () => {
      for await (const changes of one.watch(at(""), revision + 1, ending.signal)) {
        seen.push(...changes.map(shown));
        if (seen.length >= 4) ending.abort();
      }
    })().catch((error) => {
      if (!ending.signal.aborted) throw error;
    });
    await put(other, at("b"), "1");
    await put(other, `/suite/elsewhere/${at("x")}`, "1");
    await other.commit({ conditions: [], writes: [{ delete: at("a") }, { delete: at("none") }] });
    await put(other, at("c"), "1");
    await watched;
    assert.deepEqual(seen, [
      `${at("a")}=2`,
      `${at("b")}=1`,
      `${at("a")}=undefined`,
      `${at("c")}=1`,
    ]);
  });

  await step("a watch from a revision that is no longer kept says so", async (one, _other, at) => {
    const first = await put(one, at("a"), "1");
    const last = await put(one, at("a"), "2");
    await options.compact(last);
    const watch = async () => {
      for await (const _ of one.watch(at(""), first, new AbortController().signal));
    };
    await assert.rejects(watch(), { name: "EngineError", fault: "compacted" });
    await assert.rejects(one.read(at(""), { at: first }), { fault: "compacted" });
  });

  await step("a session's keys go with it, and a watch tells", async (one, other, at) => {
    const session = await one.session(TTL_MS);
    const revision = await put(one, at("mine"), "1", session);
    await put(one, at("free"), "1");
    assert.equal(await one.renew(session), true);
    await one.revoke(session);
    assert.deepEqual((await other.read(at(""))).entries.map(shown), [`${at("free")}=1`]);
    for await (
      const changes of other.watch(at("mine"), revision + 1, new AbortController().signal)
    ) {
      assert.deepEqual(changes.map(shown), [`${at("mine")}=undefined`]);
      break;
    }
    assert.equal(await one.renew(session), false);
    await one.revoke(session);
    const late = one.commit({
      conditions: [],
      writes: [{ put: at("mine"), value: bytes("2"), session }],
    });
    await assert.rejects(
      late,
      (error) => error instanceof EngineError && error.fault === "no session",
    );
  });

  await step("a session that nobody renews ends by itself", async (one, other, at) => {
    const session = await one.session(options.shortTtlMs);
    const revision = await put(one, at("mine"), "1", session);
    for await (
      const changes of other.watch(at("mine"), revision + 1, new AbortController().signal)
    ) {
      assert.deepEqual(changes.map(shown), [`${at("mine")}=undefined`]);
      break;
    }
  });

  await step(
    "as many operations as are promised fit into a transaction",
    async (one, _other, at) => {
      const keys = Array.from({ length: MAX_OPERATIONS }, (_, i) => at(`k${i}`));
      const commit = await one.commit({
        conditions: keys.map((key) => ({ key, revision: 0 })),
        writes: keys.map((put) => ({ put, value: bytes("1") })),
        otherwise: keys,
      });
      assert.equal(commit.ok, true);
    },
  );
}
