import assert from "node:assert/strict";
import { readKeys, readVoucher } from "../../shared/vouchers/voucher.ts";
import {
  KEY_FILE,
  MAX_VOUCHERS,
  NEXT_KEY_FILE,
  readNonce,
  VOUCHER_LIFE_MS,
  Vouchers,
} from "./vouchers.ts";

const TUNNEL = { server: "edge-1", nonce: "n".repeat(22) };

async function inFolder(test: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    test(`${folder}/state`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function keysOf(vouchers: Vouchers): string[] {
  return readKeys(vouchers.statement(TUNNEL), TUNNEL).keys.map(({ id }) => id);
}

Deno.test("Vouchers.open() makes two keys once, for their owner alone", () =>
  inFolder((folder) => {
    const keys = keysOf(Vouchers.open(folder));
    assert.equal(new Set(keys).size, 2);
    assert.deepEqual(keysOf(Vouchers.open(folder)), keys);
    for (const file of [KEY_FILE, NEXT_KEY_FILE]) {
      assert.equal(Deno.statSync(`${folder}/${file}`).mode! & 0o777, 0o600);
    }
  }));

Deno.test("Vouchers.open() goes over to the next key when its file is renamed", () =>
  inFolder((folder) => {
    const [, next] = keysOf(Vouchers.open(folder));
    Deno.renameSync(`${folder}/${NEXT_KEY_FILE}`, `${folder}/${KEY_FILE}`);
    const later = keysOf(Vouchers.open(folder));
    assert.equal(later[0], next);
    assert.notEqual(later[1], next);
  }));

Deno.test("Vouchers.open() refuses a key that is not safe, or none, and never shows it", async (t) => {
  const EC = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
`;
  const rows: [what: string, text: string, mode: number, says: RegExp][] = [
    ["others may read it", "x", 0o644, /chmod 600/],
    ["no PEM", "secret", 0o600, /Cannot use key file .*voucher.key: it holds no private key/],
    ["another kind of key", EC, 0o600, /Ed25519/],
    ["endless", "secret".repeat(1000), 0o600, /4096 bytes/],
  ];
  for (const [what, text, mode, says] of rows) {
    await t.step(what, () =>
      inFolder((folder) => {
        Deno.mkdirSync(folder);
        Deno.writeTextFileSync(`${folder}/${KEY_FILE}`, text, { mode: 0o600 });
        Deno.chmodSync(`${folder}/${KEY_FILE}`, mode);
        assert.throws(() => Vouchers.open(folder), (error: Error) => {
          assert.match(error.message, says);
          assert.ok(!error.message.includes("secret"));
          return true;
        });
      }));
  }
});

Deno.test("TunnelVouchers.of() keeps a voucher until half of its life is over", async (t) => {
  const vouchers = Vouchers.open(undefined);
  const { keys } = readKeys(vouchers.statement(TUNNEL), TUNNEL);
  const read = (text: string) => readVoucher(text, { tunnel: TUNNEL, keys });
  const realNow = Date.now;
  let nowMs = 1_700_000_000_000;
  Date.now = () => nowMs;
  try {
    const book = vouchers.of(TUNNEL);
    const alice = { name: "alice", how: "token" } as const;
    await t.step("says who calls, and until when", () => {
      assert.deepEqual(read(book.of(alice)), {
        operator: "alice",
        how: "token",
        expiresAtMs: nowMs + VOUCHER_LIFE_MS,
      });
    });
    await t.step("is the same until then, and another one later", () => {
      const text = book.of(alice);
      nowMs += VOUCHER_LIFE_MS / 2 - 1;
      assert.equal(book.of({ ...alice }), text);
      nowMs += 1;
      assert.equal(read(book.of(alice)).expiresAtMs, nowMs + VOUCHER_LIFE_MS);
    });
    await t.step("tells who proved it how", () => {
      assert.equal(read(book.of({ name: "alice", how: "certificate" })).how, "certificate");
      assert.equal(read(book.of(alice)).how, "token");
    });
    await t.step("ends with the credential", () => {
      const expiresAtMs = nowMs + 10_000;
      const text = book.of({ ...alice, expiresAtMs });
      assert.equal(read(text).expiresAtMs, expiresAtMs);
      nowMs += 9_000;
      assert.equal(book.of({ ...alice, expiresAtMs }), text);
      assert.equal(
        read(book.of({ ...alice, expiresAtMs: nowMs + 3_000 })).expiresAtMs,
        nowMs + 3_000,
      );
    });
    await t.step("keeps no more than its bound", () => {
      const first = book.of({ name: "operator-0", how: "jwt" });
      nowMs += 1_000;
      for (let i = 0; i <= MAX_VOUCHERS; i++) book.of({ name: `operator-${i}`, how: "jwt" });
      assert.notEqual(book.of({ name: "operator-0", how: "jwt" }), first);
    });
  } finally {
    Date.now = realNow;
  }
});

Deno.test("readNonce() takes a good one, none, and nothing else", () => {
  const ask = (value: string | undefined) =>
    readNonce((name) => name === "x-hub-meta-nonce" ? value : undefined);
  assert.equal(ask(undefined), undefined);
  assert.equal(ask("n".repeat(22)), "n".repeat(22));
  for (const bad of ["", "1", "n".repeat(65)]) {
    assert.equal((ask(bad) as { status: number }).status, 400);
  }
});
