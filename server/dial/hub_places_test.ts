import assert from "node:assert/strict";
import { findPlaces, type HubPlace, placesFor, watchPlaces } from "./hub_places.ts";

const uri = (text: string) => new URL(text);
const keys = (places: readonly HubPlace[]) => places.map(({ key }) => key);

Deno.test("findPlaces() makes a place of each URI, and of each address of a name with several", async (t) => {
  const table: [
    what: string,
    uris: string[],
    addresses: string[],
    isProxied: boolean,
    keys: string[],
  ][] = [
    ["two URIs", ["ws://a/ws", "ws://b/ws"], ["192.0.2.1"], false, ["ws://a/ws", "ws://b/ws"]],
    [
      "two addresses",
      ["wss://hub/ws"],
      ["192.0.2.2", "192.0.2.1"],
      false,
      ["wss://hub/ws at 192.0.2.1", "wss://hub/ws at 192.0.2.2"],
    ],
    ["one of each family", ["wss://hub/ws"], ["192.0.2.1", "2001:db8::1"], false, ["wss://hub/ws"]],
    [
      "two machines of both families",
      ["wss://hub/ws"],
      ["192.0.2.1", "192.0.2.2", "2001:db8::1"],
      false,
      [
        "wss://hub/ws at 192.0.2.1",
        "wss://hub/ws at 192.0.2.2",
        "wss://hub/ws at 2001:db8::1",
      ],
    ],
    ["a proxy", ["wss://hub/ws"], ["192.0.2.1", "192.0.2.2"], true, ["wss://hub/ws"]],
    ["this machine", ["ws://localhost/ws"], ["127.0.0.1", "127.0.0.2"], false, [
      "ws://localhost/ws",
    ]],
    ["an address", ["ws://192.0.2.7/ws"], ["192.0.2.1", "192.0.2.2"], false, ["ws://192.0.2.7/ws"]],
    ["the same twice", ["ws://a/ws", "ws://a/ws"], [], false, ["ws://a/ws"]],
  ];
  for (const [what, uris, addresses, isProxied, expected] of table) {
    await t.step(what, async () => {
      const find = () => Promise.resolve(addresses);
      const places = await findPlaces(uris.map(uri), { isProxied: () => isProxied, find });
      assert.deepEqual(keys(places), expected);
    });
  }
});

Deno.test("a name that cannot be looked up is one place, or those that it had", async () => {
  const uris = [uri("wss://hub/ws")];
  const known = [{ key: "wss://hub/ws at 192.0.2.1", uri: uris[0]!, address: "192.0.2.1" }];
  const isProxied = () => false;
  const find = () => Promise.reject(new Error("no such name"));
  assert.deepEqual(keys(await findPlaces(uris, { isProxied, find })), ["wss://hub/ws"]);
  assert.deepEqual(await findPlaces(uris, { isProxied, find, known }), known);
  const never = () => new Promise<never>(() => {});
  assert.deepEqual(
    keys(await findPlaces(uris, { isProxied, find: never, timeoutMs: 1 })),
    ["wss://hub/ws"],
  );
});

Deno.test("watchPlaces() tells of a hub that joins, and ends with its signal", async () => {
  const answers = [["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2", "192.0.2.3"]];
  const stop = new AbortController();
  const told: string[][] = [];
  const options = {
    isProxied: () => false,
    find: () => Promise.resolve(answers.length > 1 ? answers.shift()! : answers[0]!),
  };
  const uris = [uri("wss://hub/ws")];
  const known = await findPlaces(uris, options);
  await watchPlaces(uris, {
    ...options,
    known,
    lookMs: 1,
    signal: stop.signal,
    onChange: (places) => {
      told.push(keys(places).map((key) => key.split(" at ")[1]!));
      stop.abort();
    },
  });
  assert.deepEqual(told, [["192.0.2.1", "192.0.2.2", "192.0.2.3"]]);
});

Deno.test("placesFor() wants two of several, and dials a single one once more if more are asked for", () => {
  const places = ["ws://a/ws", "ws://b/ws", "ws://c/ws"].map((key) => ({ key, uri: uri(key) }));
  const [a] = places;
  const rows: [given: HubPlace[], maxHubs: number | undefined, most: number, count: number][] = [
    [places, undefined, 2, 3],
    [places, 3, 3, 3],
    [places, 9, 3, 3],
    [places, 1, 1, 3],
    [[a!], undefined, 1, 1],
    [[a!], 3, 3, 3],
  ];
  for (const [given, maxHubs, most, count] of rows) {
    const result = placesFor(given, maxHubs);
    assert.deepEqual([result.most, new Set(keys(result.places)).size], [most, count]);
  }
});
