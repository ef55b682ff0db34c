import assert from "node:assert/strict";
import type { Login } from "./login.ts";
import { LoginError } from "./login_error.ts";
import { LoginStore } from "./login_store.ts";

const LOGIN: Login = {
  hub: "hub.example:9090",
  issuer: "https://id.example",
  clientId: "gclient",
  scopes: [],
  resource: undefined,
  token: "access",
  tokens: { access: "a secret", gotAtMs: 0 },
};

const PLACE = { context: "", hubs: ["https://hub.example:9090"] };

/** A test with a folder of its own. */
function withStore(run: (dir: string, store: LoginStore) => Promise<void>): () => Promise<void> {
  return async () => {
    const dir = await Deno.makeTempDir();
    try {
      await run(dir, await LoginStore.at({ XDG_STATE_HOME: dir }, PLACE));
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  };
}

Deno.test(
  "a LoginStore gives back what it was given, to its owner alone",
  withStore(async (dir, store) => {
    assert.equal(store.read(), undefined);
    store.write(LOGIN);
    assert.equal(store.read()?.tokens.access, "a secret");
    assert.equal(Deno.statSync(store.path).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(`${dir}/gclient/logins`).mode! & 0o777, 0o700);
    store.remove();
    store.remove();
    assert.equal(store.read(), undefined);
    await assert.rejects(LoginStore.at({}, PLACE), /no folder/);
  }),
);

Deno.test(
  "a LoginStore is of one context, hub, port and way there",
  withStore(async (dir, store) => {
    store.write(LOGIN);
    const others = [
      { ...PLACE, context: "prod" },
      { ...PLACE, hubs: ["http://hub.example:9090"] },
      { ...PLACE, hubs: ["https://hub.example:9091"] },
      { ...PLACE, hubs: ["https://hub.example:9090", "https://other.example:9090"] },
      { context: "https://hub.example:9090", hubs: [] },
    ];
    for (const place of others) {
      const other = await LoginStore.at({ XDG_STATE_HOME: dir }, place);
      assert.equal(other.read(), undefined, JSON.stringify(place));
    }
  }),
);

Deno.test(
  "a LoginStore uses nothing that others could read or have changed",
  withStore((dir, store) => {
    store.write(LOGIN);
    const folder = `${dir}/gclient/logins`;
    const table: [what: string, path: string, mode: number, good: number, says: RegExp][] = [
      ["others read it", store.path, 0o640, 0o600, /others may read it; run: chmod 600/],
      ["others change its folder", folder, 0o770, 0o700, /others may change it; run: chmod go-w/],
      ["others change the folder above", `${dir}/gclient`, 0o777, 0o700, /others may change/],
    ];
    for (const [what, path, mode, good, says] of table) {
      Deno.chmodSync(path, mode);
      assert.throws(() => store.read(), (error: unknown) => {
        assert.ok(error instanceof LoginError, what);
        assert.match(error.message, says, what);
        return true;
      });
      // A new login makes a file of its own, but not where others could take it away.
      if (path !== store.path) assert.throws(() => store.write(LOGIN), LoginError, what);
      Deno.chmodSync(path, good);
    }
    assert.equal(store.read()?.hub, LOGIN.hub);
    return Promise.resolve();
  }),
);

Deno.test(
  "a LoginStore does not write through a link that lies in its place",
  withStore((dir, store) => {
    store.write(LOGIN);
    const elsewhere = `${dir}/elsewhere`;
    Deno.writeTextFileSync(elsewhere, "theirs");
    store.remove();
    Deno.symlinkSync(elsewhere, store.path);
    store.write(LOGIN);
    assert.equal(Deno.readTextFileSync(elsewhere), "theirs");
    assert.equal(store.read()?.hub, LOGIN.hub);
    return Promise.resolve();
  }),
);

Deno.test(
  "a LoginStore says that a login is damaged, and shows nothing of it",
  withStore((_, store) => {
    store.write(LOGIN);
    for (const text of ["", "{", '"a secret"', '{"tokens":{"access":"a secret"}}']) {
      Deno.writeTextFileSync(store.path, text);
      assert.throws(() => store.read(), (error: Error) => {
        assert.match(error.message, /it is damaged/);
        assert.doesNotMatch(error.message, /a secret/);
        return true;
      });
    }
    return Promise.resolve();
  }),
);

Deno.test(
  "a LoginStore is locked by one at a time",
  withStore(async (_, store) => {
    const order: string[] = [];
    const first = await store.lock();
    await assert.rejects(store.lock({ waitMs: 0 }), /Another gclient is busy/);
    await assert.rejects(
      store.lock({ signal: AbortSignal.abort(new Error("called off")) }),
      /called off/,
    );
    const second = store.lock().then((lock) => {
      order.push("second has it");
      return lock;
    });
    order.push("first gives it back");
    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
    assert.deepEqual(order, ["first gives it back", "second has it"]);
  }),
);
