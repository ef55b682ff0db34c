/**
 * What one output form tells, the others tell too: of an answer, and of an error on stderr, in an
 * envelope, and in the envelope of one of several servers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parse as parseYaml } from "yaml";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { FROM_HUB, hubTest, type Ran, runClient, type Script } from "../testing/fake_hub.ts";

/** Each form that a program reads, and how it gets at the values in it. */
const FORMS: Readonly<Record<string, (text: string) => unknown>> = {
  json: JSON.parse,
  prettyjson: JSON.parse,
  yaml: (text) => parseYaml(text),
  xml: fromXml,
};

/** The elements of a document of ours: their texts, or what is in them; of a list, the last one. */
function fromXml(text: string): unknown {
  const open: { inner: Record<string, unknown>; text: string }[] = [{ inner: {}, text: "" }];
  for (const [, slash, name, alone, after] of text.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>([^<]*)/g)) {
    if (slash === "") open.push({ inner: {}, text: after! });
    if (slash === "" && alone === "") continue;
    const { inner, text } = open.pop()!;
    const isMessage = Object.keys(inner).length > 0;
    open.at(-1)!.inner[name!] = isMessage ? inner : text.replaceAll("&gt;", ">");
  }
  return Object.values(open[0]!.inner)[0];
}

/** What `failure_text.ts` says to people; each must be in each form. */
const FACTS = ["code", "message", "status", "call", "server", "hop", "delivery", "hint", "callId"];

const away: Script["fail"] = () => ({
  error: new RpcError(Status.UNAVAILABLE, "It is away -> wait", {
    details: [errorInfo("SERVER_OFFLINE", "ghub")],
  }),
  trailers: { ...FROM_HUB, "x-hub-call-id": "5f0c9a1e-42" },
});

/** A command, and where its document is that tells the error. */
const WAYS: readonly [args: string[], document: (ran: Ran) => string, path: string[]][] = [
  [["fluentd", "start", "a", "--set", "requestId=r-1"], ({ err }) => err, []],
  [["fluentd", "status", "a"], ({ err }) => err, []],
  [["fluentd", "start", "a", "--envelope"], ({ out }) => out, ["status"]],
  [["fluentd", "status", "--from-file", "@"], ({ out }) => out, ["status"]],
  [["call", "fluentd.v1.Fluentd/GetStatus", "a"], ({ err }) => err, []],
  [["call", "fluentd.v1.Fluentd/GetStatus", "--from-file", "@"], ({ out }) => out, ["status"]],
];

hubTest("each form of an error tells all that is known of it", async (hub, t) => {
  hub.script.fail = away;
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "a\n");
    for (const [words, document, path] of WAYS) {
      const args = words.map((word) => word === "@" ? file : word);
      const known = new Map<string, unknown>();
      for (const [form, read] of Object.entries(FORMS)) {
        await t.step(`${words.join(" ")} -o ${form}`, async () => {
          const ran = await runClient([...args, "-n", "-o", form, "-s", hub.address]);
          let found = read(document(ran)) as Record<string, unknown>;
          for (const key of path) found = found[key] as typeof found;
          for (const fact of FACTS) {
            const value = String(found[fact]);
            assert.notEqual(found[fact], undefined, `${fact} is missing in ${document(ran)}`);
            if (!known.has(fact)) known.set(fact, value);
            assert.equal(value, known.get(fact), fact);
          }
          if (words.includes("--set")) assert.equal(found["requestId"], "r-1");
        });
      }
      assert.equal(known.get("hop"), "hub");
      assert.equal(known.get("delivery"), "not-delivered");
    }
  } finally {
    await Deno.remove(file);
  }
});

hubTest("each form of an answer has the same values", async (hub, t) => {
  hub.script.status = {
    state: { health: "DEGRADED", version: "1.18.0", configPath: "/etc/a.conf", expectedWorkers: 2 },
  };
  hub.script.servers = {
    servers: [{ name: "a", state: "ONLINE", version: "0.1.0", lastCloseReason: "why" }],
  };
  const table: [args: string[], inTable: RegExp[]][] = [
    [["fluentd", "status", "a", "-n"], [/DEGRADED/, /1\.18\.0/, /\/etc\/a\.conf/]],
    [["hub", "servers"], [/\ba\b/, /ONLINE/, /0\.1\.0/, /why/]],
  ];
  for (const [args, inTable] of table) {
    let first: unknown;
    for (const [form, read] of Object.entries(FORMS)) {
      await t.step(`${args.join(" ")} -o ${form}`, async () => {
        const { out } = await runClient([...args, "-o", form, "-s", hub.address]);
        const found = JSON.stringify(leavesOf(read(out)));
        first ??= found;
        assert.equal(found, first);
      });
    }
    await t.step(`${args.join(" ")} -o wide`, async () => {
      const { out } = await runClient([...args, "-o", "wide", "-s", hub.address]);
      for (const value of inTable) assert.match(out, value);
    });
  }
});

/** All values in it, as texts, by the names on the way to them. */
function leavesOf(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [`${path}=${value}`];
  return Object.entries(value).flatMap(([name, inner]) =>
    leavesOf(inner, Array.isArray(value) ? path : `${path}/${name}`)
  );
}
