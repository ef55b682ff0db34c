import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { statusName } from "../../shared/grpc/status.ts";
import { MAX_ANSWER_BYTES, parseAnswer, shakeHands } from "./raw_handshake.ts";
import { duplexStream } from "../../shared/grpc_client/duplex_stream.ts";

Deno.test("parseAnswer() gives the refusal", async (t) => {
  const table: [line: string, refusal: string | undefined][] = [
    ['{"ok":true,"server":"edge-1","tunnel":"t"}', undefined],
    ['{"ok":false,"code":"NOT_FOUND","message":"never here"}', "NOT_FOUND: never here"],
    ['{"ok":false,"code":"UNAVAILABLE","message":"away"}', "UNAVAILABLE: away"],
    ['{"ok":false,"code":"TEAPOT","message":"short"}', "UNKNOWN: short"],
    ['{"ok":false,"code":"OK","message":"odd"}', "UNKNOWN: odd"],
    ['{"ok":false,"code":"ABORTED"}', "ABORTED: ABORTED"],
  ];
  for (const [line, refusal] of table) {
    await t.step(line, () => assert.equal(parseAnswer(line)?.toString(), refusal));
  }
});

Deno.test("parseAnswer() names what is no hub", async (t) => {
  for (const line of ["HTTP/1.1 400 Bad Request", "", "null", "[]", '{"ok":1}', "{", "7"]) {
    await t.step(JSON.stringify(line), () => {
      assert.throws(() => parseAnswer(line), (error) => {
        assert.ok(error instanceof RpcError);
        assert.equal(statusName(error.code), "UNAVAILABLE");
        assert.match(error.message, /does no JSON handshake: it sent "/);
        return true;
      });
    });
  }
});

Deno.test("shakeHands() ends when the other side gives no answer", async (t) => {
  const long = "x".repeat(MAX_ANSWER_BYTES + 1);
  const table: [name: string, behave: (socket: Socket) => void, message: RegExp][] = [
    ["closed", (socket) => socket.end(), /closed before the handshake's answer/],
    ["closed in the line", (socket) => socket.end('{"ok":'), /it sent "{\\"ok\\":"/],
    ["a line without end", (socket) => socket.write(long), /it sent "xxx/],
  ];
  for (const [name, behave, message] of table) {
    await t.step(name, async () => {
      const accepted: Socket[] = [];
      const server = createServer((socket) => {
        accepted.push(socket);
        socket.on("error", () => {});
        socket.once("data", () => behave(socket));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const socket = connect((server.address() as { port: number }).port, "127.0.0.1");
      try {
        await assert.rejects(shakeHands(duplexStream(socket), { server: "edge-1" }), message);
      } finally {
        for (const each of [socket, ...accepted]) each.destroy();
        await new Promise((resolve) => server.close(resolve));
      }
    });
  }
});
