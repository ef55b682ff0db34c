import assert from "node:assert/strict";
import { ConnectionPlaces, MAX_ANSWERS, openFileLimit } from "./open_files.ts";

const MAX = { maxCallers: 10_000, maxHandshakes: 512, maxTlsHandshakes: 1_000 };

/** Takes as many places as there are for this one. */
function takeAll(take: () => Disposable | undefined): Disposable[] {
  const taken: Disposable[] = [];
  for (let place; (place = take()) !== undefined;) taken.push(place);
  return taken;
}

Deno.test("B12: with a limit of 1024 open files one address, or one token, leaves files to others", () => {
  const places = new ConnectionPlaces(1024, MAX);
  const callers = takeAll(() => places.caller("192.0.2.7"));
  assert.equal(callers.length, 360, "three quarters of a half");
  assert.equal(
    takeAll(() => places.handshake("192.0.2.7")).length,
    90,
    "three quarters of an eighth",
  );
  const tunnels = takeAll(() => places.tunnel("edge-*"));
  assert.ok(tunnels.length >= 300 && tunnels.length < 510, `${tunnels.length} tunnels`);
  for (const other of ["192.0.2.8", "192.0.2.9"]) {
    const [caller] = takeAll(() => places.caller(other));
    const [tunnel] = takeAll(() => places.tunnel(`site at ${other}`));
    assert.ok(caller !== undefined && tunnel !== undefined);
  }
  for (const place of tunnels) place[Symbol.dispose]();
  assert.ok(takeAll(() => places.tunnel("another")).length > 200, "what was given back can be had");
});

Deno.test("B12: TLS handshakes that are never ended leave files to all others", () => {
  const places = new ConnectionPlaces(1024, MAX);
  assert.equal(takeAll(() => places.tlsHandshake("192.0.2.7")).length, 90);
  const others = Array.from({ length: 100 }, (_, i) => `198.51.100.${i}`);
  const all = others.flatMap((network) => takeAll(() => places.tlsHandshake(network)));
  assert.equal(90 + all.length, 120, "an eighth, whoever dials");
  assert.ok(takeAll(() => places.caller("192.0.2.8")).length > 300);
  assert.ok(takeAll(() => places.tunnel("fleet")).length > 100);
});

Deno.test("B12: answers to those that are refused take a few files, however many are refused", () => {
  const places = new ConnectionPlaces(1024, MAX);
  const answers = takeAll(() => places.answer());
  assert.equal(answers.length, MAX_ANSWERS);
  answers[0]![Symbol.dispose]();
  assert.equal(takeAll(() => places.answer()).length, 1);
  const unlimited = new ConnectionPlaces(Infinity, MAX);
  for (let i = 0; i < 10 * MAX_ANSWERS; i++) assert.notEqual(unlimited.answer(), undefined);
});

Deno.test("ConnectionPlaces leaves the bounds as they are where files are many", () => {
  const places = new ConnectionPlaces(Infinity, MAX);
  assert.equal(takeAll(() => places.caller("192.0.2.7")).length, 7_500);
  assert.equal(takeAll(() => places.handshake("192.0.2.7")).length, 384);
  assert.notEqual(places.tunnel("fleet"), undefined);
});

Deno.test("openFileLimit() finds the limit of this process, and closes what it opened for that", () => {
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  assert.equal(openFileLimit(100), Infinity, "a hundred more are possible");
  assert.equal(open(), before);
});

Deno.test({
  name: "B12: openFileLimit() finds what ulimit says",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const module = new URL("./open_files.ts", import.meta.url).href;
    const code = "console.log((await import(Deno.args[0])).openFileLimit())";
    const { stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", 'ulimit -n 300; exec "$0" eval "$@"', Deno.execPath(), code, module],
    }).output();
    const limit = Number(new TextDecoder().decode(stdout));
    assert.ok(limit > 200 && limit < 300, new TextDecoder().decode(stderr));
  },
});
