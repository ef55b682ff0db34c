/**
 * Strangers: peers without a good credential, who ask as fast as they can. What they send costs them
 * more than it costs the hub, and nothing of those who were let in.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import type net from "node:net";
import { PREFACE } from "../shared/http2/frames.ts";
import { encodeHeaderList } from "../shared/http2/hpack/encoder.ts";
import * as wire from "../shared/http2/testing/wire.ts";
import { AuthWorld, tokenOf } from "./support/auth_world.ts";
import { bareCall, callFields } from "./support/bare_call.ts";
import { dialTcp, drop } from "./support/path.ts";
import { commandLine, Process, source } from "./support/process.ts";
import { RawTunnel } from "./support/raw_tunnel.ts";
import { until } from "./support/until.ts";

const CALLS = 20_000;
const HONEST = 30;
const ENHANCE_YOUR_CALM = 11;
const END_STREAM_AND_HEADERS = 5;

/** So many calls without a credential, behind the preface of a connection. */
function floodOfCalls(): Uint8Array {
  const block = encodeHeaderList(callFields({}).map(([name, value]) => [name, value] as const));
  const calls = Array.from(
    { length: CALLS },
    (_, i) => wire.frame(wire.Type.HEADERS, END_STREAM_AND_HEADERS, 2 * i + 1, block),
  );
  return wire.join(PREFACE, wire.settings(), ...calls);
}

Deno.test("B2: a stranger's flood of calls is cut off, and an honest operator keeps all its audit lines", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ghub-stranger-" });
  const auditLog = `${folder}/audit.jsonl`;
  const flood = floodOfCalls();
  try {
    {
      await using world = await AuthWorld.start({ servers: ["edge-1"], options: { auditLog } });
      const { callAddress } = world.hub;
      const more = [["authorization", `Bearer ${tokenOf("root")}`], ["x-hub-server", "edge-1"]];
      const honest = callFields({ more: more as [string, string][] });
      for (let i = 0; i < HONEST; i++) {
        const stranger = await dialTcp(callAddress);
        let answer = new Uint8Array();
        stranger.on("error", () => {}); // It is cut off.
        stranger.on("data", (chunk: Buffer) => answer = wire.join(answer, chunk));
        const gone = new Promise((resolve) => stranger.once("close", resolve));
        stranger.write(flood);
        const { status } = await bareCall(callAddress, honest);
        assert.equal(status, 0);
        await until("the hub's end of the flood", () => stranger.readableEnded || stranger.closed);
        stranger.destroy();
        await gone;
        if (i > 0) continue;
        const goaway = wire.frames(answer).find(({ type }) => type === wire.Type.GOAWAY);
        assert.equal(goaway && wire.number(goaway.payload, 4), ENHANCE_YOUR_CALM);
      }
    }
    const lines = (await Deno.readTextFile(auditLog)).trimEnd().split("\n").map((line) =>
      JSON.parse(line)
    );
    assert.equal(lines.filter(({ kind, who }) => kind === "call" && who === "root").length, HONEST);
    const strangers = lines.filter(({ kind, who }) => kind === "call" && who === "");
    assert.ok(strangers.length < 500, `${strangers.length} lines of strangers`);
    const told = strangers.reduce((sum, { times = 1 }) => sum + times, 0);
    assert.ok(told > 1_000, `${told} calls are told of`);
    assert.equal(lines.some((line) => "dropped" in line), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("B5: servers without a credential take no place of those that have one", async () => {
  await using world = await AuthWorld.start({
    servers: [],
    options: { tunnels: { maxHandshakesPerS: 2 } },
  });
  const { tunnelAddress } = world.hub;
  for (let i = 0; i < 40; i++) {
    using stranger = await RawTunnel.open(tunnelAddress, { name: `edge-${i}` });
    assert.equal(stranger.status, 401, "it is told that it is not let in, not when to come back");
    await drop(stranger.socket);
  }
  const headers = { Authorization: `Bearer ${tokenOf("edges")}` };
  using good = await RawTunnel.open(tunnelAddress, { name: "edge-1", headers });
  assert.equal(good.status, 101);
  await drop(good.socket);
});

Deno.test({
  name: "B12: a stranger's address cannot take all files that the hub may open",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "ghub-files-" });
    const listen = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];
    const hubWords = commandLine([...source("hub/main.ts"), ...listen]);
    const sockets: net.Socket[] = [];
    try {
      await using hub = Process.start(
        "ghub",
        "sh",
        ["-c", 'ulimit -n 256; exec "$@"', "sh", ...hubWords],
        { env: { XDG_STATE_HOME: folder } },
      );
      const [, tunnels = "", calls = ""] = await hub.line(
        /^ghub ready tunnel=ws:\/\/([^/]+).* call=(\S+)$/,
      );
      let closed = 0;
      for (let i = 0; i < 400; i++) {
        const address = i % 2 === 0 ? calls : tunnels;
        const socket = await dialTcp(address, { localAddress: "127.0.0.2" });
        socket.on("error", () => {}); // The hub closes it.
        socket.once("close", () => closed++);
        socket.resume();
        sockets.push(socket);
      }
      await until("the hub to close what is over the share", () => closed > 200);
      const fields = callFields({ path: "/ghub.v1.Hub/WhoAmI" });
      for (let i = 0; i < 10; i++) assert.equal((await bareCall(calls, fields)).status, 0);
      const uri = `ws://${tunnels}/ws`;
      for (let i = 0; i < 5; i++) {
        using tunnel = await RawTunnel.open(uri, { name: `edge-${i}` });
        assert.equal(tunnel.status, 101);
        sockets.push(tunnel.socket);
      }
      assert.doesNotMatch(hub.stderr, /Too many open files/);
    } finally {
      for (const socket of sockets) await drop(socket);
      await Deno.remove(folder, { recursive: true });
    }
  },
});
