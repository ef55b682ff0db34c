/**
 * Loopback in containers: a real hub that finds the marks of one in its environment.
 */
import assert from "node:assert/strict";
import { Process, source } from "./support/process.ts";

const PORTS = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];
const READY = /^ghub ready tunnel=(\S+) call=(\S+)$/;

Deno.test("D2: a hub in podman or Kubernetes lets nobody in for coming from loopback", async (t) => {
  const table: [what: string, env: Record<string, string>, args: string[], trusted: boolean][] = [
    ["podman", { container: "podman" }, [], false],
    ["Kubernetes", { KUBERNETES_SERVICE_HOST: "10.96.0.1" }, [], false],
    ["podman, with the flag", { container: "podman" }, ["--trust-loopback", "yes"], true],
    ["podman, with the variable", { container: "podman", GHUB_TRUST_LOOPBACK: "yes" }, [], true],
    ["anywhere, with the flag", {}, ["--trust-loopback", "no"], false],
    ["systemd-nspawn", { container: "systemd-nspawn" }, [], true],
  ];
  for (const [what, env, args, trusted] of table) {
    await t.step(what, () => tryOut({ env, args, trusted }));
  }
});

Deno.test("D2: in podman, allowLoopback of an auth file lets nobody in by itself", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-loopback-" });
  try {
    const file = `${dir}/auth.yaml`;
    await Deno.writeTextFile(file, "version: 1\nallowLoopback: true\n", { mode: 0o600 });
    const args = ["--auth-file", file, "--allow-plaintext-calls"];
    const { stderr } = await call({ env: { container: "podman" }, args });
    assert.match(stderr, /lets nobody in without a credential.*counts for nothing here/s);
    const outside = await call({ env: {}, args });
    assert.equal(outside.code, 0, outside.stderr);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

interface Surroundings {
  readonly env: Record<string, string>;
  readonly args: readonly string[];
}

async function tryOut({ env, args, trusted }: Surroundings & { trusted: boolean }): Promise<void> {
  const plain = await call({ env, args });
  if (trusted) return assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stderr, /over TLS only.*--trust-loopback/s);
  assert.notEqual(plain.code, 0);

  const allowed = [...args, "--allow-plaintext-calls"];
  const { code, stderr, hubStderr } = await call({ env, args: allowed });
  assert.match(stderr, /need the operator token.*operator\.token in its state.*--trust-loopback/s);
  assert.equal(code, 80, "64 + UNAUTHENTICATED");
  if (args.length === 0) assert.match(hubStderr, /WARN.* --trust-loopback yes/);

  const known = await call({ env, args: allowed, withToken: true });
  assert.equal(known.code, 0, known.stderr);
}

/** What a call from loopback comes to, with the operator token or without a credential. */
async function call({ env, args, withToken = false }: Surroundings & { withToken?: boolean }) {
  const state = await Deno.makeTempDir({ prefix: "ghub-loopback-" });
  try {
    await using hub = Process.deno(
      "ghub",
      [...source("hub/main.ts"), ...PORTS, "--state-dir", state, ...args],
      { env },
    );
    const [, , address = ""] = await hub.line(READY);
    const token = withToken ? ["--token-file", `${state}/operator.token`] : [];
    const run = await Process.run(
      [...source("client/main.ts"), "hub", "servers", "-s", address, ...token],
      { env: { HOME: state } },
    );
    await hub.stop();
    return { ...run, hubStderr: hub.stderr };
  } finally {
    await Deno.remove(state, { recursive: true });
  }
}
