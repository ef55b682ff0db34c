import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type Listener,
  listenersOf,
  MAX_DESCRIPTORS,
  MAX_TABLE_BYTES,
  parseTable,
  readTable,
} from "./sockets.ts";
import { tempDir } from "../testing/kit.ts";

/** As the kernel prints them, each with one that listens and others that do not. */
const TABLES: [table: Parameters<typeof parseTable>[0], text: string, [string, Listener][]][] = [
  [
    "tcp",
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
    "   0: 0100007F:5EB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22543 1 0\n" +
    "   1: 0100007F:5EB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 22544 1 0\n" +
    "   2: 0100007F:D431 0100007F:5EB8 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0\n",
    [["22543", { proto: "tcp", at: "24248" }]],
  ],
  [
    "tcp6",
    "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A " +
    "00000000:00000000 00:00000000 00000000     0        0 31 1 0\n",
    [["31", { proto: "tcp", at: "80" }]],
  ],
  [
    "udp",
    "  511: 0100007F:1428 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 0\n" +
    "  512: 0100007F:1429 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 42 2 0\n",
    [["41", { proto: "udp", at: "5160" }]],
  ],
  [
    "unix",
    "Num       RefCount Protocol Flags    Type St Inode Path\n" +
    "0000000000000000: 00000002 00000000 00010000 0001 01 51 /run/fluent.sock\n" +
    "0000000000000000: 00000003 00000000 00000000 0001 03 52 /run/fluent.sock\n" +
    "0000000000000000: 00000002 00000000 00010000 0001 01 53\n",
    [["51", { proto: "unix", at: "/run/fluent.sock" }]],
  ],
  ["tcp", "no table\n\n   0:\n", []],
];

Deno.test("parseTable() takes what listens", async (t) => {
  for (const [table, text, listeners] of TABLES) {
    await t.step(`${table}, ${listeners.length} of ${text.split("\n").length - 1} lines`, () => {
      assert.deepEqual([...parseTable(table, text)], listeners);
    });
  }
});

Deno.test("listenersOf() sees what a process listens on, and not what it uses otherwise", async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "fluent.sock");
  using tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using both = Deno.listen({ hostname: "::", port: 0 });
  await using closing = new AsyncDisposableStack();
  const udp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  closing.defer(() => udp.close());
  using _unix = Deno.listen({ transport: "unix", path });
  using there = await Deno.connect({ hostname: "127.0.0.1", port: tcp.addr.port });
  using _here = await tcp.accept();
  const seen = listenersOf([Deno.pid]).get(Deno.pid)!.map(({ proto, at }) => `${proto} ${at}`);
  for (
    const place of [
      `tcp ${tcp.addr.port}`,
      `tcp ${both.addr.port}`,
      `udp ${(udp.addr as Deno.NetAddr).port}`,
      `unix ${path}`,
    ]
  ) {
    assert.equal(seen.filter((other) => other === place).length, 1, place);
  }
  assert.ok(!seen.includes(`tcp ${(there.localAddr as Deno.NetAddr).port}`));
});

Deno.test("listenersOf() says nothing of a process that it cannot look into", async (t) => {
  await t.step("because there is none", () => {
    // No kernel gives away a PID as high as this.
    assert.equal(listenersOf([2 ** 30]).size, 0);
    assert.equal(listenersOf([]).size, 0);
  });
  await t.step("because it has more than MAX_DESCRIPTORS", () => {
    using files = new DisposableStack();
    for (let i = 0; i < MAX_DESCRIPTORS; i++) files.use(Deno.openSync("/dev/null"));
    assert.ok(!listenersOf([Deno.pid]).has(Deno.pid));
  });
});

Deno.test("readTable() reads MAX_TABLE_BYTES at most, in whole lines", async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "tcp");
  const line = `${"x".repeat(148)}\n`;
  await Deno.writeTextFile(path, line.repeat(Math.ceil(2 * MAX_TABLE_BYTES / line.length)));
  const text = readTable(path);
  assert.ok(text.length <= MAX_TABLE_BYTES && text.length > MAX_TABLE_BYTES - line.length - 1);
  assert.equal((text.length + 1) % line.length, 0, "the last line is whole");
  await Deno.writeTextFile(path, line);
  assert.equal(readTable(path), line);
  assert.equal(readTable(join(dir.path, "none")), "");
});
