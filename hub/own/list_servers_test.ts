import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { root } from "../../shared/grpc/root.ts";
import { encodeMessage } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import { FakeTunnel } from "../testing/fake_tunnel.ts";
import { someServers } from "../testing/some_servers.ts";
import { MAX_SERVERS, Registry } from "../registry/registry.ts";
import { listServers, MAX_PAGE_BYTES } from "./list_servers.ts";

Deno.test("listServers() lists by name, state and labels", async (t) => {
  const registry = new Registry();
  await someServers(registry);
  const table: [what: string, request: Parameters<typeof listServers>[0], expected: string[]][] = [
    ["here", {}, ["edge-2 ONLINE", "edge-3 DRAINING", "edge-4 ONLINE"]],
    ["all", { includeOffline: true }, [
      "edge-1 OFFLINE",
      "edge-2 ONLINE",
      "edge-3 DRAINING",
      "edge-4 ONLINE",
    ]],
    ["one label", { labels: { env: "prod" } }, [
      "edge-2 ONLINE",
      "edge-3 DRAINING",
      "edge-4 ONLINE",
    ]],
    ["both labels", { labels: { env: "prod", site: "ams" } }, ["edge-2 ONLINE"]],
    ["offline by label", { includeOffline: true, labels: { env: "test" } }, ["edge-1 OFFLINE"]],
    ["no such label", { labels: { toString: "x" } }, []],
    ["by selector", { selector: "env in (prod,test),!site" }, [
      "edge-3 DRAINING",
      "edge-4 ONLINE",
    ]],
    ["offline by selector", { includeOffline: true, selector: "env!=prod" }, ["edge-1 OFFLINE"]],
    ["by label and selector", { labels: { env: "prod" }, selector: "site" }, ["edge-2 ONLINE"]],
    ["after a name", { pageToken: "edge-2" }, ["edge-3 DRAINING", "edge-4 ONLINE"]],
    ["after the last name", { includeOffline: true, pageToken: "edge-4" }, []],
  ];
  for (const [what, request, expected] of table) {
    await t.step(what, () => {
      const { servers = [] } = listServers(request, registry);
      assert.deepEqual(servers.map(({ name, state }) => `${name} ${state}`), expected);
    });
  }
});

Deno.test("listServers() refuses a selector that it cannot read, with the column", () => {
  assert.throws(() => listServers({ selector: "role in edge" }, new Registry()), (error) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.code, Status.INVALID_ARGUMENT);
    assert.match(error.message, /at column 9$/);
    return true;
  });
});

/** All pages, with what happens after each of them. */
function pagesOf(
  registry: Registry,
  request: Parameters<typeof listServers>[0],
  after: () => void = () => {},
): string[][] {
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const response = listServers({ ...request, pageToken }, registry);
    const bytes = encodeMessage(root.lookupType("ghub.v1.ListServersResponse"), response).length;
    assert.ok(bytes < MAX_PAGE_BYTES, `${bytes} bytes`);
    pages.push((response.servers ?? []).map(({ name = "" }) => name));
    pageToken = response.nextPageToken ?? "";
    after();
  } while (pageToken !== "");
  return pages;
}

Deno.test("listServers() gives pages of the size that was asked for", async () => {
  const registry = new Registry();
  await someServers(registry);
  const pages = (pageSize: number) => pagesOf(registry, { includeOffline: true, pageSize });
  assert.deepEqual(pages(1), [["edge-1"], ["edge-2"], ["edge-3"], ["edge-4"]]);
  assert.deepEqual(pages(3), [["edge-1", "edge-2", "edge-3"], ["edge-4"]]);
  // No empty page at the end, which would be a question in vain.
  assert.deepEqual(pages(2), [["edge-1", "edge-2"], ["edge-3", "edge-4"]]);
  assert.deepEqual(pages(4), [["edge-1", "edge-2", "edge-3", "edge-4"]]);
});

Deno.test("listServers() lists each server that stays once, whoever comes and goes between pages", () => {
  const registry = new Registry();
  const add = (name: string) => registry.add(new FakeTunnel(name, registry.nextGeneration(name)));
  for (let i = 10; i < 30; i++) add(`stay-${i}`);
  const passing = Array.from({ length: 20 }, (_, i) => add(`stay-${i + 10}-passing`));
  let count = 0;
  const names = pagesOf(registry, { pageSize: 3 }, () => {
    passing.pop()?.[Symbol.dispose]();
    add(`stay-${20 - count}-new`);
    count++;
  }).flat();
  assert.equal(new Set(names).size, names.length);
  const stayed = names.filter((name) => /^stay-..$/.test(name));
  assert.deepEqual(stayed, Array.from({ length: 20 }, (_, i) => `stay-${i + 10}`));
});

Deno.test("listServers() lists as many servers as a hub takes without an answer over 1 MiB", () => {
  const registry = new Registry();
  const labels = { env: "prod", site: "ams" };
  for (let i = 0; i < MAX_SERVERS; i++) registry.add(new FakeTunnel(`edge-${i}`, 1, { labels }));
  const pages = pagesOf(registry, {});
  assert.equal(new Set(pages.flat()).size, MAX_SERVERS);
  // As much in each as fits: a list of few is one answer.
  assert.ok(pages.length < 10, `${pages.length} pages`);
});
