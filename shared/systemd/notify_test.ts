import assert from "node:assert/strict";
import { SystemdNotifier } from "./notify.ts";

async function withSocket(
  test: (path: string, receive: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "notify-test-" });
  const path = `${dir}/notify`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  try {
    await test(path, async () => new TextDecoder().decode((await socket.receive())[0]));
  } finally {
    socket.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("SystemdNotifier sends states to NOTIFY_SOCKET, each in one datagram", () =>
  withSocket(async (path, receive) => {
    using notifier = new SystemdNotifier({ NOTIFY_SOCKET: path });
    await notifier.notify({ READY: 1, STATUS: "Serves\nREADY=0" });
    assert.equal(await receive(), "READY=1\nSTATUS=Serves READY=0");
    // At once: none is lost, and they keep their order.
    void notifier.notify({ STATUS: "one" });
    void notifier.notify({ STATUS: "two" });
    await notifier.notify({ STOPPING: 1 });
    assert.deepEqual([await receive(), await receive(), await receive()], [
      "STATUS=one",
      "STATUS=two",
      "STOPPING=1",
    ]);
  }));

Deno.test("SystemdNotifier shows life for as long as its event loop turns", () =>
  withSocket(async (path, receive) => {
    using _notifier = new SystemdNotifier({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "20000" });
    for (let i = 0; i < 3; i++) assert.equal(await receive(), "WATCHDOG=1");
  }));

Deno.test("SystemdNotifier does nothing where there is nobody to tell", async (t) => {
  const table: [what: string, env: Record<string, string>][] = [
    ["no systemd", {}],
    ["no socket there", { NOTIFY_SOCKET: "/nowhere/notify", WATCHDOG_USEC: "1000000" }],
    ["an abstract socket", { NOTIFY_SOCKET: "@notify", WATCHDOG_USEC: "1000000" }],
    ["another process is watched", {
      NOTIFY_SOCKET: "/nowhere/notify",
      WATCHDOG_USEC: "1000",
      WATCHDOG_PID: "1",
    }],
  ];
  for (const [what, env] of table) {
    await t.step(what, async () => {
      using notifier = new SystemdNotifier(env);
      await notifier.notify({ READY: 1 });
    });
  }
});
