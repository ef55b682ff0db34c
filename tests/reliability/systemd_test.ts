/**
 * Row 26 once more: as services. Who listens in place of systemd is not ours, and knows nothing of us.
 */
import assert from "node:assert/strict";
import { Process, REPOSITORY, source } from "../support/process.ts";

const SYSTEMD = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(" ".join(s.recv(4096).decode().split("\\n")), flush=True)
`;

Deno.test("row 26, ghub and gserver tell systemd: ready, alive, stopping", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-systemd-" });
  try {
    const start = async (name: string, args: readonly string[]) => {
      const path = `${dir}/${name}.notify`;
      const systemd = Process.start("systemd", "/usr/bin/python3", ["-c", SYSTEMD, path]);
      await systemd.line(/^bound$/);
      const env = { HOME: dir, NOTIFY_SOCKET: path, WATCHDOG_USEC: "200000" };
      return { systemd, service: Process.deno(name, args, { env }) };
    };
    const hub = await start("ghub", [
      ...source("hub/main.ts"),
      ...["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"],
      ...["--state-dir", `${dir}/hub`],
    ]);
    await using _hub = hub.service;
    await using _one = hub.systemd;
    const [, tunnel = ""] = await hub.service.line(/^ghub ready tunnel=(\S+)/);
    await hub.systemd.line(/^READY=1 STATUS=Tunnels at ws:\/\/127/);
    await hub.systemd.line(/^WATCHDOG=1$/);

    const server = await start("gserver", [
      ...source("server/main.ts"),
      ...["serve", "edge-1", "--hub-uri", tunnel, "--state-dir", `${dir}/edge-1`],
    ]);
    await using _server = server.service;
    await using _two = server.systemd;
    await server.systemd.line(/^READY=1$/);
    await server.systemd.line(/^WATCHDOG=1$/);
    for (const { service, systemd } of [server, hub]) {
      service.signal("SIGHUP");
      await systemd.line(/^RELOADING=1$/);
      await systemd.line(/^READY=1 STATUS=/);
      const ended = service.stop();
      await systemd.line(/^STOPPING=1/);
      assert.deepEqual(await ended, { code: 0, signal: null });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("the unit files name flags that exist, and wait for READY=1", async () => {
  for (const name of ["ghub", "gserver"]) {
    const unit = await Deno.readTextFile(`${REPOSITORY}systemd/${name}.service`);
    assert.match(unit, /^Type=notify$/m);
    assert.match(unit, /^WatchdogSec=\d+$/m);
    assert.match(unit, new RegExp(`^ExecReload=/usr/local/bin/${name} reload$`, "m"));
    const [command = ""] = /^ExecStart=.*$/m.exec(unit) ?? [];
    const folder = { ghub: "hub", gserver: "server" }[name];
    const { stdout } = await Process.run([...source(`${folder}/main.ts`), "serve", "--help"]);
    for (const [flag] of command.matchAll(/(?<= )--[a-z-]+/g)) {
      assert.match(stdout, new RegExp(`(^|[\\s,])${flag}[\\s,]`, "m"), `${name} ${flag}`);
    }
  }
});
