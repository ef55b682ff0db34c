/**
 * `gclient top` on a terminal: what is shown, the keys, another size, and that the terminal is as before
 * however it ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ghub_v1_ListServersResponse as ListServersResponse } from "../shared/gen/types.ts";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";
import { textWidth } from "../shared/text/width.ts";
import { FaultyLink } from "../tests/support/faulty_link.ts";
import { until } from "../tests/support/until.ts";
import { startFakeHub } from "./testing/fake_hub.ts";
import { CTRL_C, HAS_TERMINAL, Terminal } from "./testing/terminal.ts";

if (!HAS_TERMINAL) console.warn("SKIPPED: there is no `script`, which makes terminals");

const terminalTest = (name: string, fn: (t: Deno.TestContext) => Promise<void>) =>
  Deno.test({ name, ignore: !HAS_TERMINAL, fn });

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/** The lines of the last whole picture. */
function picture({ shown }: Terminal): string[] {
  const end = shown.lastIndexOf("\x1b[J");
  const begin = shown.lastIndexOf("\x1b[H", end);
  if (end < 0) return [];
  return shown.slice(begin + 3, end).split("\r\n").map((line) => line.replace("\x1b[K", ""));
}

/** What `stty -a` has said after the picture was gone. */
function assertGivenBack({ shown }: Terminal): void {
  assert.ok(shown.includes(ENTER));
  assert.match(shown.slice(shown.lastIndexOf(LEAVE)), /[^-]ixon[^]*[^-]icanon/);
}

/** Waits until the picture is so. */
async function shows(terminal: Terminal, what: RegExp): Promise<string[]> {
  await until(`${what} in the picture`, () => what.test(picture(terminal).join("\n")));
  return picture(terminal);
}

/** 300 servers, one of them with a wide name, and one that is away. */
function manyServers(): ListServersResponse {
  const servers = Array.from({ length: 300 }, (_, i) => ({
    name: i === 0 ? "服务器-000" : `edge-${String(i).padStart(3, "0")}`,
    state: i === 299 ? "OFFLINE" as const : "ONLINE" as const,
    version: "0.2.0",
    callsTotal: i * 10,
    lastCloseReason: "Displaced by a newer registration from 192.0.2.1:4711, which came later",
  }));
  return { servers: servers.sort((a, b) => a.name < b.name ? -1 : 1) };
}

function top(
  hub: { readonly address: string },
  options: { columns: number; after?: string },
  ...args: string[]
) {
  return new Terminal(["top", "--sort-by", "name", "-s", hub.address, ...args], options);
}

terminalTest("top fits the terminal, also when its size changes, and moves by keys", async () => {
  await using hub = await startFakeHub();
  hub.script.servers = manyServers();
  await using terminal = top(hub, { columns: 80, after: "stty -a" });
  const fits = (lines: string[], columns: number, rows: number) => {
    assert.equal(lines.length, rows);
    for (const line of lines) assert.ok(textWidth(line) < columns, line);
  };
  fits(await shows(terminal, /edge-020/), 80, 24);
  assert.match(picture(terminal)[1]!, /^299 online, 1 away, 0 calls now/);
  await terminal.resize({ columns: 40, rows: 12 });
  // stty sets one after the other.
  await until("a picture of the new size", () => {
    const lines = picture(terminal);
    return lines.length === 12 && lines.every((line) => textWidth(line) < 40);
  });
  await terminal.type("\x1b[6~");
  await shows(terminal, /^edge-009 .*\n.*edge-010/m);
  await terminal.type("G");
  await shows(terminal, /服务器-000 +ONLINE/);
  fits(picture(terminal), 40, 12);
  await terminal.type("gar");
  await shows(terminal, /by name, reversed[^]*\n服务器-000 +ONLINE.*\nedge-299 +OFFLINE/);
  await terminal.type("q");
  assert.equal(await terminal.ended(), 0);
  assertGivenBack(terminal);
});

terminalTest("top gives the terminal back, however it ends", async (t) => {
  const ways: [name: string, code: number, end: (terminal: Terminal) => unknown][] = [
    ["Ctrl-C", 130, (terminal) => terminal.type(CTRL_C)],
    ["SIGTERM", 143, (terminal) => terminal.kill("SIGTERM")],
  ];
  await using hub = await startFakeHub();
  hub.script.servers = manyServers();
  for (const [name, code, end] of ways) {
    await t.step(name, async () => {
      await using terminal = top(hub, { columns: 80, after: "stty -a" });
      await shows(terminal, /edge-001/);
      await end(terminal);
      assert.equal(await terminal.ended(), code);
      assertGivenBack(terminal);
    });
  }
});

terminalTest(
  "top outlives a lost connection and a hub that dies, and says so, until q",
  async () => {
    const hub = await startFakeHub();
    let died = false;
    try {
      await using link = await FaultyLink.to(hub.address);
      hub.script.servers = { servers: [{ name: "before-1", state: "ONLINE" }] };
      await using terminal = top(link, { columns: 80, after: "stty -a" }, "--interval", "500ms");
      await shows(terminal, /before-1/);
      link.cut();
      hub.script.servers = manyServers();
      await shows(terminal, /edge-001/);
      assert.ok(link.accepted > 1);
      died = true;
      await hub[Symbol.asyncDispose]();
      const lines = await shows(terminal, /^error: /m);
      assert.match(lines[2]!, /^error: /);
      assert.match(lines[4]!, /^edge-001 /, "the last table stays");
      await terminal.type("q");
      assert.equal(await terminal.ended(), 0);
      assertGivenBack(terminal);
    } finally {
      if (!died) await hub[Symbol.asyncDispose]();
    }
  },
);

terminalTest("top ends when it may not look any more, and gives the terminal back", async () => {
  await using hub = await startFakeHub();
  hub.script.servers = manyServers();
  await using terminal = top(hub, { columns: 80, after: "stty -a" }, "--interval", "500ms");
  await shows(terminal, /edge-001/);
  hub.script.fail = () => ({ error: new RpcError(Status.PERMISSION_DENIED, "You may not") });
  assert.equal(await terminal.ended(), 71);
  assertGivenBack(terminal);
  const after = terminal.shown.slice(terminal.shown.lastIndexOf(LEAVE));
  assert.match(after, /error: top: PERMISSION_DENIED: You may not/);
});
