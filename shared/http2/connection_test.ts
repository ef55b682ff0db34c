/**
 * Two connections back to back: what one does, the other hears.
 */
import assert from "node:assert/strict";
import { ErrorCode } from "./frames.ts";
import { merged, pair, pump, Recorder } from "./testing/recorder.ts";
import {
  block,
  data,
  frames,
  headers,
  join,
  number,
  PREFACE,
  REQUEST,
  RESPONSE,
  settings,
  text,
  Type,
  windowUpdate,
} from "./testing/wire.ts";

const HEAD = block(REQUEST);
const ANSWER = block(RESPONSE);
const STATUS = block([["grpc-status", "0"]]);

const ASKED = ":method=POST :scheme=http :path=/echo.v1.Echo/Say :authority=hub";

Deno.test("Connection carries a call, from both ends' view", () => {
  const { client, server } = pair();
  const call = client.request(HEAD);
  client.connection.data(call, text("hello"), true);
  pump(client, server);
  assert.deepEqual(server.events(), [`open 1 ${ASKED}`, 'data 1 "hello" end']);
  const stream = server.streams.get(1)!;
  server.connection.headers(stream, ANSWER, false);
  server.connection.data(stream, text("hel"), false);
  server.connection.data(stream, text("lo"), false);
  server.connection.headers(stream, STATUS, true);
  pump(client, server);
  assert.deepEqual(merged(client.events().filter((line) => !line.startsWith("credit"))), [
    "headers 1 :status=200",
    'data 1 "hello"',
    "headers 1 grpc-status=0 end",
  ]);
  assert.deepEqual([client.connection.streamCount, server.connection.streamCount], [0, 0]);
  assert.ok(call.closed && stream.closed);
});

Deno.test("Connection carries calls beside each other, each ended in its own way", () => {
  const { client, server } = pair();
  const calls = Array.from({ length: 6 }, () => client.request(HEAD));
  pump(client, server);
  const [, answered, reset, refused, cancelled, open] = [undefined, ...calls];
  server.connection.headers(server.streams.get(answered!.id)!, ANSWER, true);
  server.connection.reset(server.streams.get(reset!.id)!, ErrorCode.INTERNAL_ERROR);
  server.connection.reset(server.streams.get(refused!.id)!, ErrorCode.REFUSED_STREAM);
  client.connection.reset(cancelled!, ErrorCode.CANCEL);
  pump(client, server);
  assert.deepEqual(client.events(), [
    "headers 1 :status=200 end",
    "reset 3 INTERNAL_ERROR peer",
    "reset 5 REFUSED_STREAM peer",
  ]);
  assert.deepEqual(server.events().slice(6), ["reset 7 CANCEL peer"]);
  assert.equal(client.connection.streamCount, 3, "answered but still sending, and two open");
  client.connection.data(answered!, new Uint8Array(), true);
  assert.equal(client.connection.streamCount, 2);
  client.connection.abort(ErrorCode.CANCEL);
  assert.deepEqual(client.events(), [`reset ${open!.id} CANCEL us`, "reset 11 CANCEL us"]);
  assert.equal(client.connection.streamCount, 0);
});

Deno.test("Connection does nothing on a stream that is over, and says nothing", () => {
  const { client, server } = pair();
  const call = client.request(HEAD, true);
  pump(client, server);
  const stream = server.streams.get(1)!;
  server.connection.headers(stream, ANSWER, true);
  pump(client, server);
  for (const [end, over] of [[client, call], [server, stream]] as const) {
    const { connection } = end;
    connection.data(over, text("late"), true);
    connection.headers(over, STATUS, true);
    connection.grant(over, 100);
    connection.reset(over, ErrorCode.CANCEL);
    assert.equal(end.take().length, 0);
  }
});

Deno.test("Connection sends nothing behind an end that still waits", () => {
  const { client, server } = pair();
  const call = client.request(HEAD);
  client.connection.data(call, new Uint8Array(70_000), true);
  client.connection.data(call, text("late"), false);
  client.connection.headers(call, STATUS, true);
  pump(client, server);
  const received = server.events().slice(1).join();
  assert.ok(!received.includes("late") && received.endsWith("end"));
});

Deno.test("Connection.canRequest", async (t) => {
  await t.step("keeps to the peer's limit", () => {
    const { client, server } = pair({ server: { maxConcurrentStreams: 2 } });
    const [first] = [client.request(HEAD), client.request(HEAD)];
    assert.equal(client.connection.canRequest, false);
    pump(client, server);
    server.connection.reset(server.streams.get(first!.id)!, ErrorCode.CANCEL);
    pump(client, server);
    assert.equal(client.connection.canRequest, true);
  });
  await t.step("ends with a GOAWAY, an error, and abort()", () => {
    for (const bytes of [[7, 0, 1, 0], [7, 1, 0, 0]]) {
      const { client } = pair();
      client.connection.receive(
        Uint8Array.of(0, 0, 8, bytes[0]!, 0, 0, 0, 0, bytes[1]!, ...new Uint8Array(8)),
      );
      assert.equal(client.connection.canRequest, false);
    }
    const { client } = pair();
    client.connection.abort(ErrorCode.CANCEL);
    assert.equal(client.connection.canRequest, false);
  });
});

Deno.test("Connection.goaway()", async (t) => {
  await t.step("a warning: streams on their way are still taken", () => {
    const { client, server } = pair();
    server.connection.goaway(ErrorCode.NO_ERROR, { now: false, debug: "soon" });
    client.request(HEAD); // Sent before it has read that.
    pump(client, server);
    assert.deepEqual(server.events(), [`open 1 ${ASKED}`]);
    assert.deepEqual(client.events(), ["goaway 2147483647 NO_ERROR soon"]);
    assert.equal(client.connection.canRequest, false);
  });
  await t.step("the line: later streams are refused, earlier ones go on", () => {
    const { client, server } = pair();
    const first = client.request(HEAD);
    pump(client, server);
    server.connection.goaway();
    const second = client.request(HEAD);
    client.connection.data(second, text("lost"), true);
    client.connection.data(first, text("kept"), true);
    pump(client, server);
    assert.deepEqual(server.events().slice(1), ['data 1 "kept" end']);
    assert.deepEqual(client.events().slice(0, 2), [
      "reset 3 REFUSED_STREAM peer",
      "goaway 1 NO_ERROR",
    ]);
    server.connection.headers(server.streams.get(1)!, ANSWER, true);
    pump(client, server);
    assert.equal(client.connection.streamCount + server.connection.streamCount, 0);
  });
  await t.step("a client's leaves its own streams alone", () => {
    const { client, server } = pair();
    client.request(HEAD);
    client.connection.goaway();
    pump(client, server);
    assert.equal(server.events().at(-1), "goaway 0 NO_ERROR");
    assert.equal(server.connection.streamCount, 1);
  });
});

Deno.test("Connection keeps to windows, in both directions and over settings that change", () => {
  const { client, server } = pair();
  server.consumes = false;
  const call = client.request(HEAD);
  client.connection.data(call, new Uint8Array(100_000), true);
  pump(client, server);
  assert.equal(call.queuedBytes, 100_000 - 65_535);
  assert.equal(call.sendWindow, 0);

  client.connection.receive(settings([4, 10]));
  assert.equal(call.sendWindow, 10 - 65_535, "a window may become negative");
  assert.equal(client.events().at(-1), `credit 1 ${10 - 65_535}`);
  const stream = server.streams.get(1)!;
  server.connection.grant(stream, 65_535);
  pump(client, server);
  assert.equal(call.queuedBytes, 100_000 - 65_535 - 10);
  client.connection.receive(settings([4, 65_535]));
  assert.equal(call.queuedBytes, 0);
});

Deno.test("Connection.consumed() gives the connection's window back in halves", () => {
  const server = new Recorder({ role: "server", connectionWindow: 1 << 20 });
  server.consumes = false;
  server.connection.start();
  server.connection.receive(join(PREFACE, settings(), headers(1)));
  server.take();
  server.connection.consumed((1 << 19) - 1);
  assert.equal(server.take().length, 0);
  server.connection.consumed(1);
  const [update] = frames(server.take());
  assert.deepEqual([update!.type, update!.id, number(update!.payload)], [
    Type.WINDOW_UPDATE,
    0,
    1 << 19,
  ]);
});

Deno.test("Connection.grant() never lets a window grow beyond what it may be", () => {
  const { client, server } = pair();
  client.request(HEAD);
  pump(client, server);
  const stream = server.streams.get(1)!;
  server.connection.grant(stream, 2 ** 31);
  server.connection.grant(stream, 2 ** 31);
  assert.equal(stream.recvWindow, 2 ** 31 - 1);
  pump(client, server);
  assert.equal(client.error, undefined);
});

Deno.test("Connection gives padding back at once, and passes none of it on", () => {
  const { server } = pair({ server: { connectionWindow: 65_535 } });
  server.connection.receive(headers(1));
  const padded = new Uint8Array(1 + 2 + 200);
  padded[0] = 200;
  padded.set(text("ab"), 1);
  for (let i = 0; i < 1000; i++) {
    server.connection.receive(join(Uint8Array.of(0, 0, padded.length, 0, 8, 0, 0, 0, 1), padded));
    server.take();
  }
  assert.equal(server.error, undefined);
  assert.equal(server.streams.get(1)!.recvWindow, 65_535);
  assert.equal(merged(server.events())[1], `data 1 "${"ab".repeat(1000)}"`);
});

Deno.test("Connection says `fieldsRepeated` for a header block that keeps coming", () => {
  const { server } = pair();
  const seen: boolean[] = [];
  server.onEvent = () => seen.push(server.connection.fieldsRepeated);
  for (let id = 1; id < 12; id += 2) server.connection.receive(headers(id));
  assert.deepEqual(seen, [false, false, true, true, true, true]);
});

Deno.test("Connection.ping() is answered", () => {
  const { client, server } = pair();
  client.connection.ping();
  server.connection.ping();
  pump(client, server);
  assert.deepEqual([client.events(), server.events()], [["pong"], ["pong"]]);
});

Deno.test("Connection survives whoever hears it: one stream ends, the others go on", async (t) => {
  for (const event of ["request", "headers", "data", "credit", "reset"]) {
    await t.step(event, () => {
      const { client, server } = pair();
      const bad = client.request(HEAD);
      const good = client.request(HEAD);
      const victim = event === "headers" ? client : server;
      victim.onEvent = (stream, what) => {
        if (stream.id === bad.id && what === event) throw new Error(`Fault in ${event}`);
      };
      pump(client, server);
      for (const id of [bad.id, good.id]) {
        const stream = server.streams.get(id)!;
        server.connection.headers(stream, ANSWER, false);
      }
      client.connection.data(bad, text("x"), false);
      client.connection.receive(windowUpdate(1, 1));
      server.connection.receive(windowUpdate(1, 1));
      if (event === "reset") client.connection.reset(bad, ErrorCode.CANCEL);
      pump(client, server);
      assert.deepEqual(victim.faults.map(String), [`Error: Fault in ${event}`]);
      assert.ok(bad.closed);
      assert.deepEqual([client.error, server.error], [undefined, undefined]);
      client.connection.data(good, text("fine"), true);
      server.connection.headers(server.streams.get(good.id)!, STATUS, true);
      pump(client, server);
      assert.ok(client.events().includes(`headers ${good.id} grpc-status=0 end`));
      assert.equal(client.connection.streamCount + server.connection.streamCount, 0);
    });
  }
});

Deno.test("Connection.abort() tells all, whatever one of them makes of it, and takes nothing more", () => {
  const { client, server } = pair();
  for (let i = 0; i < 3; i++) client.request(HEAD);
  pump(client, server);
  server.events();
  server.onEvent = (stream) => {
    if (stream.id === 3) throw new Error("Fault");
  };
  server.connection.abort(ErrorCode.CANCEL);
  assert.deepEqual(
    server.events(),
    [1, 3, 5].flatMap((id) => [`reset ${id} CANCEL us`, ...(id === 3 ? ["fault"] : [])]),
  );
  server.connection.receive(headers(7));
  server.connection.goaway();
  server.connection.ping();
  assert.deepEqual([server.events(), server.take().length], [[], 0]);
});

Deno.test("Connection.abort() in the midst of what it receives ends that as well", () => {
  const { server } = pair();
  server.onEvent = (_, what) => {
    if (what === "request") server.connection.abort(ErrorCode.CANCEL);
  };
  server.connection.receive(join(headers(1), headers(3), data(1, "x")));
  assert.equal(server.streams.size, 1);
  assert.equal(server.connection.streamCount, 0);
});
