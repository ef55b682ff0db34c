/**
 * `ghub` as a process: its ready line, its ways to end, and what it says when it cannot start.
 */
import assert from "node:assert/strict";
import { Process, source } from "./support/process.ts";

const ANY_PORT = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];

/** A folder that is the hub's whole world. */
async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ghub-process-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function start(folder: string, ...args: string[]): Process {
  return Process.deno("ghub", [...source("hub/main.ts"), ...args], {
    env: { XDG_STATE_HOME: folder },
  });
}

const READY = /^ghub ready tunnel=(\S+) call=(\S+)$/;

Deno.test("ghub tells where it listens, serves, and ends with 0 at SIGTERM and SIGINT", async (t) => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await t.step(signal, () =>
      inFolder(async (folder) => {
        await using hub = start(folder, ...ANY_PORT);
        const [, tunnel = "", call = ""] = await hub.line(READY);
        assert.match(tunnel, /^ws:\/\/127\.0\.0\.1:\d+\/ws$/);
        const answer = await fetch(`http://${call}/`);
        assert.equal(answer.status, 426);
        assert.match(await answer.text(), /call port of a ghub/);
        hub.signal(signal);
        assert.deepEqual(await hub.exit, { code: 0, signal: null });
        await hub.stop(); // It was asked to end.
        assert.deepEqual(hub.lines, [], "stdout has the ready line and no more");
      }));
  }
});

Deno.test("F9: ghub shows loopback to dial, that it listens on all addresses, and no token", () =>
  inFolder(async (folder) => {
    await using hub = start(
      folder,
      ...["--tunnel-listen", ":0", "--call-listen", ":0", "--allow-plaintext-calls"],
    );
    const ready = await hub.line(
      /^ghub ready tunnel=ws:\/\/127\.0\.0\.1:(\d+)\/ws call=127\.0\.0\.1:(\d+)(?<more> .*)$/,
    );
    const [, tunnel, call] = ready;
    assert.match(
      ready.groups?.["more"] ?? "",
      new RegExp(`^ tunnel-listen=(\\[::\\]|0\\.0\\.0\\.0):${tunnel} call-listen=\\S+:${call}$`),
    );
    await hub.stop();
    assert.match(hub.stderr, /ghub enroll NAME --state-dir \S+ --hub-uri ws:\/\/\S+/);
    assert.match(hub.stderr, /gclient hub servers -s \S+ --token-file operator\.token/);
    for (const name of ["join.token", "operator.token"]) {
      const token = (await Deno.readTextFile(`${folder}/ghub/${name}`)).trim();
      assert.ok(!hub.stderr.includes(token));
    }
  }));

Deno.test("ghub says why it cannot start, with exit code 1, or 2 for its command line", async (t) => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const busy = `127.0.0.1:${port}`;
  const table: [what: string, args: string[], code: number, says: RegExp][] = [
    [
      "tunnel port in use",
      ["--tunnel-listen", busy, "--call-listen", "127.0.0.1:0"],
      1,
      new RegExp(`Cannot listen on ${busy} \\(--tunnel-listen\\): another program has this port`),
    ],
    [
      "call port in use",
      ["--tunnel-listen", "127.0.0.1:0", "--call-listen", busy],
      1,
      new RegExp(`Cannot listen on ${busy} \\(--call-listen\\): another program has this port`),
    ],
    ["no certificate", [...ANY_PORT, "--tls-cert", "/nowhere/x.crt"], 1, /\/nowhere\/x\.crt/],
    ["no key", [...ANY_PORT, "--tls"], 2, /--tls needs a certificate/],
    ["an unknown flag", ["--tunnel-port", "1"], 2, /--tunnel-port/],
    ["no state folder", [...ANY_PORT, "--state-dir", "/dev/null/x"], 1, /state folder \/dev\/null/],
    ["no audit", [...ANY_PORT, "--audit-log", "/dev/null/x"], 1, /Cannot open audit log/],
  ];
  for (const [what, args, code, says] of table) {
    await t.step(what, () =>
      inFolder(async (folder) => {
        const run = await Process.run([...source("hub/main.ts"), ...args], {
          env: { XDG_STATE_HOME: folder },
        });
        assert.match(run.stderr, says);
        assert.equal(run.code, code);
        assert.equal(run.stdout, "");
      }));
  }
  await t.step("a token that others may read", () =>
    inFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/join.token`, "k".repeat(40), { mode: 0o644 });
      await Deno.chmod(`${folder}/join.token`, 0o644);
      const args = [...source("hub/main.ts"), ...ANY_PORT, "--state-dir", folder];
      const run = await Process.run(args);
      assert.match(run.stderr, /others may read it; run: chmod 600/);
      assert.equal(run.code, 1);
    }));
});

Deno.test("ghub exits at once at the second signal, though a call is in flight", () =>
  inFolder(async (folder) => {
    await using hub = start(folder, ...ANY_PORT);
    const [, , call = ""] = await hub.line(READY);
    await using caller = holdCall(call, "reflect");
    await caller.line(/^holding$/);
    hub.signal("SIGTERM");
    await caller.line(/^draining$/);
    hub.signal("SIGTERM");
    assert.deepEqual(await hub.exit, { code: 143, signal: null });
    await hub.stop(); // It was asked to end.
    await caller.stop();
  }));

Deno.test("ghub gives calls the drain timeout, then ends them and exits with 0", () =>
  inFolder(async (folder) => {
    await using hub = start(folder, ...ANY_PORT, "--drain-timeout", "300ms");
    const [, , call = ""] = await hub.line(READY);
    await using caller = holdCall(call, "reflect");
    await caller.line(/^holding$/);
    assert.deepEqual(await hub.stop(), { code: 0, signal: null });
    await caller.stop();
  }));

Deno.test("ghub does not wait for those who only watch", () =>
  inFolder(async (folder) => {
    // Longer than a test waits for a process.
    await using hub = start(folder, ...ANY_PORT, "--drain-timeout", "1h");
    const [, , call = ""] = await hub.line(READY);
    await using caller = holdCall(call, "watch");
    await caller.line(/^holding$/);
    assert.deepEqual(await hub.stop(), { code: 0, signal: null });
    await caller.stop();
  }));

function holdCall(address: string, kind: "reflect" | "watch"): Process {
  return Process.deno("caller", [...source("tests/support/hold_call.ts"), address, kind]);
}
