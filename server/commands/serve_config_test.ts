import assert from "node:assert/strict";
import { runProgram } from "../../shared/cli/program.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { parseCommand } from "./command_line.ts";
import { type Machine, type ServerConfig, toConfig } from "./serve_config.ts";
import { options, type ServeValues } from "./serve_options.ts";
import { MAX_HUB_URIS, parseHubUri, parseHubUris } from "./hub_uri.ts";
import { parseLabelsFlag } from "./labels.ts";
import { createProgram } from "../main.ts";
import { defaultServerName, parseServerName, toServerName } from "./server_name.ts";
import { defaultStateDir } from "./state_dir.ts";
import { loadTls } from "../dial/tls_material.ts";
import { readToken } from "../dial/token.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";

/** The message and hint of the UsageError that `run` throws. */
async function usageError(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return `${error.message} | ${error.hint ?? ""}`;
  }
  throw new assert.AssertionError({ message: "No UsageError came" });
}

Deno.test("parseHubUri() completes and refuses", async (t) => {
  const table: [text: string, uri: string][] = [
    ["wss://hub.example:8080/ws", "wss://hub.example:8080/ws"],
    ["ws://localhost", "ws://localhost/ws"],
    ["https://hub.example", "wss://hub.example/ws"],
    ["http://hub.example:8080/", "ws://hub.example:8080/ws"],
    ["https://hub.example:80/tunnel?a=b", "wss://hub.example:80/tunnel?a=b"],
    ["wss://[::1]:8080", "wss://[::1]:8080/ws"],
  ];
  for (const [text, uri] of table) {
    await t.step(text, () => assert.equal(parseHubUri(text).href, uri));
  }
  for (
    const text of ["", "hub.example:8080", "tcp://h", "wss://", "ws://h/#x", "wss://u:secret@h/"]
  ) {
    await t.step(`not ${text}`, async () => {
      assert.doesNotMatch(await usageError(() => parseHubUri(text)), /secret/);
    });
  }
});

Deno.test("parseHubUris() reads one or several, and a comma in a path is no end", () => {
  const read = (text: string) => parseHubUris(text).map(String);
  assert.deepEqual(read("wss://a, https://b"), ["wss://a/ws", "wss://b/ws"]);
  assert.deepEqual(read("wss://a/x,y"), ["wss://a/x,y"]);
  assert.throws(() => read("wss://a,tcp://b"), UsageError);
});

Deno.test("hubs are taken once each, and not without limit", async () => {
  const uris = (
    texts: string[],
  ) => [configOf([], { hubUri: texts.map(parseHubUris) }).server.hubUri];
  assert.deepEqual(uris(["wss://a", "wss://b/ws", "wss://a/ws"]).flat().map(String), [
    "wss://a/ws",
    "wss://b/ws",
  ]);
  const many = Array.from({ length: MAX_HUB_URIS + 1 }, (_, i) => `wss://hub-${i}`);
  assert.match(await usageError(() => uris(many)), /17 hubs, and 16 are the most/);
});

Deno.test("parseLabelsFlag() reads key=value pairs and refuses with a hint", async () => {
  assert.deepEqual(parseLabelsFlag("env=prod, site=ams"), { env: "prod", site: "ams" });
  assert.match(
    await usageError(() => parseLabelsFlag("env")),
    /"env": it is not key=value.*--labels env=prod/,
  );
});

Deno.test("server names are checked, and made from the machine's", async (t) => {
  const table: [hostname: string, name: string][] = [
    ["edge-1", "edge-1"],
    ["Edge-1.Corp.Example", "edge-1.corp.example"],
    ["büro pc #2", "b-ro-pc-2"],
    ["--x--", "x"],
    ["x".repeat(200), "x".repeat(128)],
  ];
  for (const [hostname, name] of table) {
    await t.step(hostname.slice(0, 30), () => {
      assert.equal(defaultServerName(hostname), name);
      assert.equal(parseServerName(name), name);
    });
  }
  assert.equal(toServerName("§§"), "");
  assert.match(await usageError(() => parseServerName("Edge 1")), /such as edge-1/);
  assert.match(await usageError(() => parseServerName("edge/1")), /such as edge-1/);
  assert.match(await usageError(() => defaultServerName("localhost")), /gserver serve edge-1/);
});

Deno.test("parseCommand() splits at blanks outside quotes", async (t) => {
  const table: [text: string, words: string[]][] = [
    ["fluentd", ["fluentd"]],
    ["  fluentd -v\t--x ", ["fluentd", "-v", "--x"]],
    [`'/a b/c' "d e" f'g h'i`, ["/a b/c", "d e", "fg hi"]],
    [`a '' b`, ["a", "", "b"]],
  ];
  for (const [text, words] of table) {
    await t.step(text, () => assert.deepEqual(parseCommand(text), words));
  }
  for (const text of ["", "  ", "a 'b", 'a"']) {
    await t.step(`not ${text}`, async () => void await usageError(() => parseCommand(text)));
  }
});

Deno.test("F7: a server's state is never in a folder of the hub's", async (t) => {
  const table: [env: Record<string, string>, uid: number | null, dir: string][] = [
    [{ STATE_DIRECTORY: "/var/lib/x:/var/lib/y", HOME: "/h" }, 0, "/var/lib/x"],
    [{ HOME: "/root" }, 0, "/var/lib/gserver"],
    [{ XDG_STATE_HOME: "/s", HOME: "/h" }, 1000, "/s/gserver"],
    [{ HOME: "/h" }, 1000, "/h/.local/state/gserver"],
  ];
  const isOwn = () => false;
  for (const [env, uid, path] of table) {
    await t.step(path, () => assert.deepEqual(defaultStateDir(env, uid, { isOwn }), { path }));
  }
  await t.step("one that version 0.1.0 has made is used, until it is moved", () => {
    const old = "/var/lib/ghub/gserver";
    const { path, warning } = defaultStateDir({}, 0, { isOwn: (one) => one === old });
    assert.equal(path, old);
    assert.match(warning ?? "", /move it to \/var\/lib\/gserver/);
    assert.deepEqual(defaultStateDir({}, 0, { isOwn: () => true }), { path: "/var/lib/gserver" });
  });
  assert.match(await usageError(() => defaultStateDir({}, 1000)), /--state-dir/);
});

Deno.test("readToken() reads a file or the environment, and shows neither", async (t) => {
  const dir = await Deno.makeTempDir();
  try {
    const file = `${dir}/token`;
    await Deno.writeTextFile(file, "s3cret\n", { mode: 0o600 });
    assert.equal(await readToken({ file, value: "other" }), "s3cret");
    assert.equal(await readToken({ value: "other" }), "other");
    assert.equal(await readToken({ value: "" }), undefined);
    assert.equal(await readToken({}), undefined);
    for (const text of ["", "two s3cret words", "s3cret\nlines"]) {
      await t.step(JSON.stringify(text), async () => {
        await Deno.writeTextFile(file, text);
        const words = await usageError(() => readToken({ file }));
        assert.match(words, /holds no token/);
        assert.doesNotMatch(words, /s3cret/);
      });
    }
    assert.match(await usageError(() => readToken({ file: `${dir}/none` })), /Cannot read/);
    await t.step("loose permissions", async () => {
      await Deno.writeTextFile(file, "s3cret\n");
      await Deno.chmod(file, 0o640);
      const words = await usageError(() => readToken({ file }));
      assert.match(words, /others may read it; run: chmod 600/);
      assert.doesNotMatch(words, /s3cret/);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("loadTls() names the file that is wrong", async (t) => {
  const file = await Deno.makeTempFile();
  const [cert, key] = [`${file}.crt`, `${file}.key`];
  try {
    await Deno.writeTextFile(file, "nonsense");
    const pair = await generateCertificate(["localhost"]);
    await Deno.writeTextFile(cert, pair.cert);
    await Deno.writeTextFile(key, pair.key);
    await Deno.chmod(key, 0o644);
    const table: [files: Parameters<typeof loadTls>[0], words: RegExp][] = [
      [{ caCertFile: file }, /--tls-ca-cert-file .* no certificate/],
      [{ caCertFile: "/none" }, /Cannot read --tls-ca-cert-file "\/none": there is no such file/],
      [{ keyFile: file }, /--tls-key-file needs --tls-cert-file/],
      [{ certFile: file, keyFile: file }, /certificate ".*": there is no certificate in it/],
      [{ certFile: cert }, /private key ".*\.key": others may read it; run: chmod 600/],
      [{ certFile: cert, keyFile: key }, /private key ".*": others may read it; run: chmod 600/],
    ];
    for (const [files, words] of table) {
      await t.step(String(words), async () => {
        assert.match(await usageError(() => loadTls(files)), words);
      });
    }
  } finally {
    for (const path of [file, cert, key]) await Deno.remove(path);
  }
});

const MACHINE: Machine = {
  env: { GSERVER_TOKEN: "t", STATE_DIRECTORY: "/var/lib/gserver" },
  hostname: "Edge",
  uid: 0,
};
const DEFAULTS = Object.fromEntries(
  Object.entries(options).map(([key, option]) => {
    const { value, default: given, many } = option as Record<string, unknown>;
    return [key, value === undefined ? false : given ?? (many === true ? [] : undefined)];
  }),
) as ServeValues;

function configOf(
  args: string[],
  change: Partial<ServeValues> = {},
): ServerConfig {
  return toConfig(args, { ...DEFAULTS, ...change }, MACHINE);
}

Deno.test("toConfig() makes of the command line what the parts take", () => {
  const { server, fluentd, stateDir, warnings } = configOf([], { tlsInsecureSkipVerify: true });
  assert.equal(server.name, "edge");
  assert.deepEqual([server.hubUri].flat().map(String), ["wss://localhost:8080/ws"]);
  assert.equal(server.token?.value, "t");
  assert.equal(stateDir, "/var/lib/gserver");
  assert.deepEqual(
    [fluentd?.manager, fluentd?.command, fluentd?.unit, fluentd?.stateDir],
    ["auto", ["fluentd"], "fluentd.service", "/var/lib/gserver/fluentd"],
  );
  assert.equal(warnings.length, 2);
  assert.match(warnings[0]!, /"Edge".*"edge"/);
  assert.deepEqual(configOf(["edge-1"]).warnings, []);
});

Deno.test("toConfig() refuses contradictions", async () => {
  const payments = { name: "payments", address: { host: "h", port: 1 } };
  assert.match(await usageError(() => configOf(["Edge 1"])), /not a server name/);
  assert.match(await usageError(() => configOf(["a"], { expose: [payments, payments] })), /twice/);
  assert.match(await usageError(() => configOf(["a"], { deadAfterMs: 9_999 })), /--dead-after/);
  assert.match(await usageError(() => configOf(["a"], { pingIntervalMs: 0 })), /--ping-interval/);
});

Deno.test("gserver answers a wrong command line with 2 and what to do", async (t) => {
  const table: [args: string[], words: RegExp][] = [
    [["serve", "Edge 1"], /edge-1/],
    [["serve", "--hub-uri", "hub:1"], /wss:\/\/hub\.example/],
    [["serve", "--labels", "x"], /env=prod/],
    [["serve", "--expose", "x"], /payments=/],
    [["serve", "--nonsense"], /--nonsense/],
    [["serve", "a", "b"], /b/],
  ];
  for (const [args, words] of table) {
    await t.step(args.join(" "), async () => {
      let text = "";
      const output = {
        write: (part: string) => (text += part, Promise.resolve()),
        isTerminal: false,
        color: false,
      };
      const code = await runProgram(createProgram(), args, {
        env: {},
        io: { stdout: output, stderr: output },
        signal: new AbortController().signal,
      });
      assert.equal(code, 2, text);
      assert.match(text, words);
    });
  }
});
