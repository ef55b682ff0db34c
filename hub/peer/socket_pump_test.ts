import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { OutBuffer } from "../../shared/bytes/out_buffer.ts";
import { PATIENCE_MS } from "../../tests/support/until.ts";
import { GOODBYE_MS, type PumpProtocol, SocketPump } from "./socket_pump.ts";
import { FakeSocket, microtasks, turns } from "../testing/socket.ts";
import { wordOnItsWay } from "../testing/word.ts";

/** Keeps what comes in; sends what it is told to. */
class Protocol implements PumpProtocol {
  readonly out = new OutBuffer();
  readonly received: Uint8Array[] = [];
  /** The length of the buffer that each piece came in. */
  readonly buffers: number[] = [];
  isFull = false;
  /** Bytes that it takes at a time. */
  takes = Infinity;
  onBytes(bytes: Uint8Array): number {
    const taken = bytes.slice(0, this.takes);
    this.received.push(taken);
    this.buffers.push(bytes.buffer.byteLength);
    return taken.length;
  }
  take(): Uint8Array[] {
    return this.out.take();
  }
  get input(): Buffer {
    return Buffer.concat(this.received);
  }
}

function begin(socket = new FakeSocket()) {
  const protocol = new Protocol();
  const link = new SocketPump(socket, protocol);
  const send = (bytes: Uint8Array | string) => {
    protocol.out.write(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    link.wake();
  };
  return { socket, protocol, link, send };
}

Deno.test("SocketPump writes all that one turn makes at once", async () => {
  const { socket, send } = begin();
  for (const word of ["one ", "two ", "three"]) send(word);
  assert.deepEqual(socket.writes, []);
  await turns();
  assert.deepEqual(socket.writes, [13]);
  assert.equal(socket.output.toString(), "one two three");
});

Deno.test("SocketPump writes late output with what comes soon, and alone when nothing does", async () => {
  const { socket, protocol, link, send } = begin();
  const written = Promise.withResolvers<void>();
  const late = (word: string) => {
    protocol.out.write(Buffer.from(word));
    link.wakeLate();
  };
  late("late ");
  await microtasks();
  assert.deepEqual(socket.writes, []);
  send("soon");
  await turns();
  assert.deepEqual(socket.writes, [9]);
  socket.onWrite = written.resolve;
  late("alone");
  await written.promise;
  assert.equal(socket.output.toString(), "late soonalone");
  // Its timer ends with it.
  late("lost");
  link.close();
});

Deno.test("SocketPump writes everything in order, however little the socket takes", async () => {
  const { socket, send } = begin();
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i * 31 & 0xff));
  socket.takes = 7001;
  send(bytes);
  await turns(500);
  send("end");
  await turns();
  assert.ok(socket.output.equals(Buffer.concat([bytes, Buffer.from("end")])));
});

Deno.test("SocketPump gives what it reads, with a large buffer while much comes", async () => {
  const { socket, protocol, link } = begin();
  const run = link.run();
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i * 17 & 0xff));
  socket.feed(bytes);
  await turns(300);
  for (let i = 0; i < 20; i++) {
    socket.feed(Uint8Array.of(i));
    await turns();
  }
  socket.feed(null);
  assert.equal(await run, undefined);
  assert.ok(protocol.input.subarray(0, bytes.length).equals(bytes));
  const sizes = protocol.buffers;
  assert.equal(sizes[1], 65_536);
  assert.ok(sizes[0]! < 65_536);
  assert.equal(sizes.at(-1), sizes[0], "quiet again");
});

Deno.test("SocketPump reads nothing more from a peer that does not read, until it does", async () => {
  const { socket, protocol, link, send } = begin();
  socket.takes = 0;
  const run = link.run();
  send("answer");
  protocol.isFull = true;
  socket.feed(Buffer.from("a"));
  await turns();
  socket.feed(Buffer.from("b"));
  await turns();
  assert.equal(protocol.input.toString(), "a");
  protocol.isFull = false;
  socket.take();
  await turns();
  assert.equal(protocol.input.toString(), "ab");
  link.close();
  await run;
});

Deno.test("SocketPump that waits for its peer to read can be closed", async () => {
  const { socket, protocol, link, send } = begin();
  socket.takes = 0;
  const run = link.run();
  send("answer");
  protocol.isFull = true;
  socket.feed(Buffer.from("a"));
  await turns();
  link.close();
  assert.equal(await run, undefined);
  assert.equal(socket.closed, true);
});

Deno.test("SocketPump.run() tells what ended it", async (t) => {
  await t.step("the peer", async () => {
    const { socket, link } = begin();
    const run = link.run();
    socket.feed(null);
    assert.equal(await run, undefined);
  });
  await t.step("an error of reading", async () => {
    const { socket, link } = begin();
    const run = link.run();
    socket.fail(new Error("Connection reset"));
    assert.match(String(await run), /Connection reset/);
  });
  await t.step("an error of writing", async () => {
    const { socket, link, send } = begin();
    socket.write = () => Promise.reject(new Error("Broken pipe"));
    const run = link.run();
    send("x");
    assert.match(String(await run), /Broken pipe/);
    assert.equal(link.closed, true);
  });
  await t.step("a protocol that throws", async () => {
    const { socket, protocol, link } = begin();
    protocol.onBytes = () => {
      throw new Error("A bug");
    };
    const run = link.run();
    socket.feed(Uint8Array.of(1));
    assert.match(String(await run), /A bug/);
  });
  await t.step("close()", async () => {
    const { link } = begin();
    const run = link.run();
    link.close();
    link.close();
    assert.equal(await run, undefined);
  });
});

Deno.test("SocketPump.end() sends the last words, and waits for the peer's end", async () => {
  const { socket, protocol, link } = begin();
  socket.takes = 4;
  const run = link.run();
  protocol.out.write(Buffer.from("last words"));
  let ended = false;
  const end = link.end().then(() => ended = true);
  await turns();
  assert.equal(socket.output.toString(), "last words");
  assert.equal(socket.halfClosed, true);
  assert.equal(ended, false);
  assert.equal(socket.closed, false);
  socket.feed(null);
  await Promise.all([end, run]);
  assert.equal(socket.closed, true);
});

Deno.test("SocketPump.end() does not wait for ever", async (t) => {
  const GRACE = 10 * GOODBYE_MS;
  const soon = async (promise: Promise<unknown>) => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("It waits")), GRACE);
    await Promise.race([promise, late]).finally(() => clearTimeout(timer));
  };
  await t.step("for a peer that takes nothing", async () => {
    const { socket, link, send } = begin();
    socket.takes = 0;
    const run = link.run();
    send("x");
    await soon(Promise.all([link.end(), link.end(), run]));
    assert.equal(socket.closed, true);
  });
  await t.step("for a peer that never ends its half", async () => {
    const { socket, link } = begin();
    const run = link.run();
    await soon(Promise.all([link.end(), run]));
    assert.equal(socket.closed, true);
  });
  await t.step("when it is closed meanwhile", async () => {
    const { link, socket, send } = begin();
    socket.takes = 0;
    send("x");
    const end = link.end();
    link.close();
    await end;
  });
});

Deno.test("SocketPump counts ticks in which nothing was taken, and nothing came", async () => {
  const { socket, link, send } = begin();
  const run = link.run();
  const counts = () => [link.stalledTicks, link.quietTicks];
  link.tick();
  link.tick();
  assert.deepEqual(counts(), [0, 2], "nothing waits, so nothing stalls");
  socket.takes = 0;
  send("0123456789");
  await turns();
  link.tick();
  link.tick();
  assert.deepEqual(counts(), [2, 4]);
  socket.take(1);
  socket.takes = 0;
  await turns();
  assert.deepEqual(counts(), [0, 4], "one byte is progress");
  link.tick();
  socket.feed(Uint8Array.of(1));
  await turns();
  assert.deepEqual(counts(), [1, 0]);
  socket.take();
  await turns();
  link.tick();
  assert.deepEqual(counts(), [0, 1]);
  link.close();
  await run;
});

Deno.test("SocketPump carries bytes between real sockets", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const left = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const right = await accepted;
  listener.close();
  const near = new Protocol();
  const far = new Protocol();
  const [a, b] = [new SocketPump(left, near), new SocketPump(right, far)];
  const runs = [a.run(), b.run()];
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i * 7 & 0xff));
  near.out.write(bytes);
  far.out.write(bytes.subarray(0, 100));
  b.wake();
  // Each sends to its end, and hears the other to its end.
  await Promise.all([a.end(PATIENCE_MS), b.end(PATIENCE_MS), ...runs]);
  assert.ok(far.input.equals(bytes));
  assert.ok(near.input.equals(bytes.subarray(0, 100)));
});

Deno.test("B2: a link whose peer sends without a pause lets the event loop look at its sockets", async () => {
  const { socket, protocol, link } = begin();
  const bytes = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i * 13 & 0xff));
  protocol.takes = 100;
  const work = protocol.onBytes.bind(protocol);
  protocol.onBytes = (bytes) => {
    // No piece is done in less than a millisecond, on whatever machine.
    for (const end = performance.now() + 1; performance.now() < end;);
    return work(bytes);
  };
  socket.feed(bytes);
  const { read } = await wordOnItsWay();
  const run = link.run(Buffer.from("first "));
  await read;
  link.close();
  await run;
  const { input } = protocol;
  assert.ok(input.length < bytes.length, "it was read while there was much to do");
  const sent = Buffer.concat([Buffer.from("first "), bytes]);
  assert.ok(input.equals(sent.subarray(0, input.length)));
});
