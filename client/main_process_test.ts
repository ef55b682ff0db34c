/**
 * What only a real process shows: the kinds of standard input, exit codes, signals, a terminal.
 * And connections that fail: after those, grpc-js keeps its backoff timer for a second.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Status } from "../shared/grpc/status.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { deadPort } from "../tests/support/dead_port.ts";
import { cleanEnv, commandLine, source } from "../tests/support/process.ts";
import { startFakeHub } from "./testing/fake_hub.ts";

const GCLIENT = commandLine(source("client/main.ts"));
const decoder = new TextDecoder();

/** A directory with a wrapper that bash finds as `gclient`. */
async function withGclient(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const text = `#!/bin/sh\nexec ${GCLIENT.join(" ")} "$@"\n`;
    await Deno.writeTextFile(`${directory}/gclient`, text, { mode: 0o755 });
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function bash(directory: string, script: string, env: Record<string, string>): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["--norc", "-c", script],
    cwd: directory,
    clearEnv: true,
    env: { ...cleanEnv(), PATH: `${directory}:${Deno.env.get("PATH")}`, ...env },
    stdin: "null",
  }).output();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("gclient reads a request from each kind of standard input that holds one", async (t) => {
  await using hub = await startFakeHub();
  const env = { GCLIENT_SERVER_ADDR: hub.address, GCLIENT_TIMEOUT: "90s" };
  await withGclient(async (directory) => {
    await Deno.writeTextFile(`${directory}/req.json`, '{"reason":"file"}');
    await Deno.writeTextFile(`${directory}/req.yaml`, "reason: yaml file\n");
    const xml = "<StartRequest><reason>xml</reason></StartRequest>";
    const table: [name: string, script: string, reason: string][] = [
      ["a file", "gclient fluentd start < req.json", "file"],
      ["a pipe", `echo '{"reason":"pipe"}' | gclient fluentd start`, "pipe"],
      ["a pipe with XML", `echo '${xml}' | gclient fluentd start`, "xml"],
      ["a pipe with YAML", "echo 'reason: yaml' | gclient fluentd start", "yaml"],
      ["an empty pipe and -n", "printf '' | gclient fluentd start -n", ""],
      ["an empty pipe and -d", "printf '' | gclient fluentd start -d '{}'", ""],
      ["a here-string", `gclient fluentd start <<< '{"reason":"here"}'`, "here"],
      ["/dev/null", "gclient fluentd start < /dev/null", ""],
      ["a closed one", "gclient fluentd start <&-", ""],
      ["a pipe and -n", "echo nonsense | gclient fluentd start -n", ""],
      ["-f over a pipe", "echo nonsense | gclient fluentd start -f req.yaml", "yaml file"],
      ["-f -", `echo '{"reason":"dash"}' | gclient fluentd start -f -`, "dash"],
      [
        "-f /dev/stdin",
        `echo '{"reason":"device"}' | gclient fluentd start -f /dev/stdin`,
        "device",
      ],
      [
        "-f of a substitution",
        `gclient fluentd start -f <(echo '{"reason":"sub"}') < /dev/null`,
        "sub",
      ],
      ["-d over a pipe", `echo nonsense | gclient fluentd start -d '{"reason":"d"}'`, "d"],
      ["-d @file", "gclient fluentd start -d @req.json < /dev/null", "file"],
      ["-d @-", `echo '{"reason":"at"}' | gclient fluentd start -d @-`, "at"],
    ];
    for (const [name, script, reason] of table) {
      await t.step(name, async () => {
        const { code, out, err } = await bash(directory, script, env);
        assert.deepEqual([code, err], [0, ""]);
        assert.deepEqual(JSON.parse(out), { status: "SUCCESS" });
        const request = hub.calls.pop()?.request as { reason?: string };
        assert.equal(request.reason ?? "", reason);
      });
    }
    await t.step("F10: a pipe whose writer failed stops nothing", async () => {
      const { code, out, err } = await bash(directory, "false | gclient fluentd stop", env);
      assert.deepEqual([code, out], [2, ""]);
      assert.equal(
        err,
        "error: stdin holds no request\nhint: To send an empty one, use -n or -d '{}'\n",
      );
      assert.deepEqual(hub.calls, []);
    });
    await t.step("a loop keeps its list with -n", async () => {
      const script = 'printf "a\\nb\\n" | while read s; do gclient fluentd start -n $s; done';
      const { code } = await bash(directory, script, env);
      assert.equal(code, 0);
      assert.deepEqual(hub.calls.map(({ metadata }) => metadata["x-hub-server"]), ["a", "b"]);
    });
    await t.step("what is no request ends with exit code 2 and its place", async () => {
      const script = `echo '{"reason":1}' | gclient fluentd start`;
      const { code, err, out } = await bash(directory, script, env);
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, /^error: stdin:1:11: .*reason/);
      assert.match(err, /hint: A sample: -p\. If standard input is not the request, use -n/);
    });
  });
});

const hasScript =
  (await new Deno.Command("sh", { args: ["-c", "command -v script"], stdout: "null" })
    .output()).success;

Deno.test({
  name: "gclient on a terminal does not wait for input, and prints a table",
  ignore: !hasScript,
  async fn() {
    await using hub = await startFakeHub();
    await withGclient(async (directory) => {
      const command = `gclient fluentd status -s ${hub.address} --timeout 90s`;
      const script = `script -qec '${command}' /dev/null`;
      const { code, out } = await bash(directory, script, { TERM: "xterm" });
      assert.equal(code, 0);
      assert.match(out, /health {2}HEALTHY\r\n/);
    });
  },
});

Deno.test({
  name: "gclient on a terminal says what it waits for, and takes it back",
  ignore: !hasScript,
  async fn() {
    await using hub = await startFakeHub();
    const shown = Promise.withResolvers<void>();
    // Answers once the line is there.
    hub.script.before = () => shown.promise;
    await withGclient(async (directory) => {
      const command = `${directory}/gclient fluentd status edge-1 -s ${hub.address} --timeout 60s`;
      const child = new Deno.Command("script", {
        args: ["-qec", command, "/dev/null"],
        // Whatever the terminal of the tests can do.
        env: { NO_COLOR: "1" },
        stdin: "null",
        stdout: "piped",
      }).spawn();
      let text = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (/fluentd\.status on edge-1: \d+ s of at most 60 s/.test(text)) shown.resolve();
      }
      assert.equal((await child.status).code, 0);
      const [before, after] = text.split("\r\x1b[K").slice(-2);
      assert.match(before!, /60 s …$/);
      assert.match(after!, /^health {2}HEALTHY/);
    });
  },
});

/** It accepts connections and says nothing. */
function listenSilently(): AsyncDisposable & { readonly address: string } {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  // Whoever has little time may have given up before connecting.
  const accepted = listener.accept().catch(() => undefined);
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      (await accepted)?.close();
    },
  };
}

Deno.test("a call that could not be sent was not delivered", async (t) => {
  await withGclient(async (directory) => {
    await t.step("refused", async () => {
      using dead = await deadPort();
      const { code, err } = await bash(directory, `gclient fluentd stop -s ${dead.address}`, {});
      assert.equal(code, 78);
      assert.equal(
        err,
        `error: fluentd.stop: UNAVAILABLE: Cannot connect: Connection refused
  hop: client → hub
  The call was not delivered: nothing was done
hint: Is ghub running at ${dead.address}? Another one is named with -s HOST:PORT
`,
      );
    });
    await t.step("never answered", async () => {
      await using silent = listenSilently();
      const { address } = silent;
      const script = `gclient fluentd stop -s ${address} --connect-timeout 100ms`;
      const { code, err } = await bash(directory, script, {});
      assert.equal(code, 78);
      assert.match(
        err,
        /no answer within 100 ms[^]*The call was not delivered[^]*hint: .*firewall/,
      );
    });
    await t.step("never answered, and the call has less time than connecting", async () => {
      await using silent = listenSilently();
      const { address } = silent;
      const script = `gclient fluentd stop -s ${address} --timeout 500ms`;
      const { code, err } = await bash(directory, script, {});
      assert.equal(code, 68);
      assert.match(
        err,
        /DEADLINE_EXCEEDED: Cannot connect [^]*The call was not delivered[^]*hint: --timeout gives/,
      );
    });
    await t.step("no such host", async () => {
      // On a busy machine the look-up takes longer than gclient waits by itself.
      const line = "gclient fluentd stop -s nowhere.invalid:1 --connect-timeout 60s --timeout 90s";
      const { code, err } = await bash(directory, line, {});
      assert.equal(code, 78);
      assert.match(
        err,
        /The call was not delivered[^]*hint: Is the name in -s nowhere\.invalid:1 right/,
      );
    });
    await t.step("TLS to a plain port", async () => {
      await using hub = await startFakeHub();
      const { code, err } = await bash(
        directory,
        `gclient fluentd stop --tls -s ${hub.address}`,
        {},
      );
      assert.equal(code, 78);
      assert.match(err, /The call was not delivered[^]*hint: .*speak TLS/);
      assert.deepEqual(hub.calls, []);
    });
  });
});

Deno.test("TLS accepts the right certificate and no other", async (t) => {
  const certificate = await generateCertificate(["127.0.0.1", "localhost"]);
  const other = await generateCertificate(["127.0.0.1", "localhost"]);
  await using hub = await startFakeHub(certificate);
  await withGclient(async (directory) => {
    await Deno.writeTextFile(`${directory}/ca.crt`, certificate.cert);
    await Deno.writeTextFile(`${directory}/other.crt`, other.cert);
    await Deno.writeTextFile(`${directory}/other.key`, other.key, { mode: 0o600 });
    const ip = `-s 127.0.0.1:${hub.port}`;
    const name = `-s localhost:${hub.port}`;
    const table: [args: string, code: number, err: RegExp][] = [
      [`${ip} --tls-ca-cert-file ca.crt`, 0, /^$/],
      [`${name} --tls-ca-cert-file ca.crt`, 0, /^$/],
      [`${ip} --tls-ca-cert-file ca.crt --tls-server-name localhost`, 0, /^$/],
      [`${ip} --tls-insecure-skip-verify`, 0, /^$/],
      [`${ip} --tls-ca-cert-file ca.crt --tls-cert-file other.crt`, 0, /^$/],
      [`${ip} --tls`, 78, /not delivered[^]*hint: --tls-ca-cert-file names the certificate/],
      [`${ip} --tls-ca-cert-file other.crt`, 78, /hint: .*authority with --tls-ca-cert-file/],
      [
        `${ip} --tls-ca-cert-file ca.crt --tls-server-name x.org`,
        78,
        /Cannot connect: the hub's certificate is for .*localhost.*, not for x\.org\n[^]*hint: --tls-server-name gives/,
      ],
      [ip, 78, /not delivered[^]*hint: .*If it wants TLS, add --tls/],
    ];
    for (const [args, code, err] of table) {
      await t.step(args.replaceAll(String(hub.port), "PORT"), async () => {
        const ran = await bash(directory, `gclient fluentd stop -n ${args}`, {});
        assert.match(ran.err, err);
        assert.equal(ran.code, code);
      });
    }
  });
});

Deno.test("a certificate that has expired is not taken for one of a stranger", async () => {
  const expired = await generateCertificate(["localhost"], {
    days: 1,
    notBefore: new Date("2024-01-01"),
  });
  await using hub = await startFakeHub(expired);
  await withGclient(async (directory) => {
    await Deno.writeTextFile(`${directory}/ca.crt`, expired.cert);
    const address = `localhost:${hub.port}`;
    const { code, err } = await bash(
      directory,
      `gclient hub servers -n -s ${address} --tls-ca-cert-file ca.crt`,
      {},
    );
    assert.match(err, /hint: The certificate has expired/);
    assert.equal(code, 78);
  });
});

Deno.test("TLS at the tunnel port is not taken for no TLS", async () => {
  const { cert, key } = await generateCertificate(["localhost"]);
  // Nagle's algorithm delays nothing here: this end sends its part of one handshake, and no more.
  using listener = Deno.listenTls({ port: 0, cert, key, alpnProtocols: ["http/1.1"] });
  const told = Promise.withResolvers<void>();
  // Whatever becomes of the handshake is the client's to tell. A close at once may overtake the alert.
  const served = (async () => {
    using connection = await listener.accept();
    await connection.handshake().catch(() => {});
    await told.promise;
  })();
  await withGclient(async (directory) => {
    const address = `localhost:${listener.addr.port}`;
    const script = `gclient hub servers -n -s ${address} --tls-insecure-skip-verify`;
    const { code, err } = await bash(directory, script, {});
    assert.match(
      err,
      /hint: localhost:\d+ speaks TLS, but not gRPC: is it the hub's tunnel port\?/,
    );
    assert.equal(code, 78);
  }).finally(told.resolve);
  await served;
});

Deno.test("a refused handshake tells the hub's reason", async (t) => {
  const table: [answer: string, code: number, err: RegExp][] = [
    [
      '{"ok":false,"code":"NOT_FOUND","message":"Server \\"edgy-1\\" was never here","servers":["edge-1"]}\n',
      64 + Status.NOT_FOUND,
      /^error: fluentd\.stop on edgy-1: NOT_FOUND: Server "edgy-1" was never here\n.*hop: hub\n[^]*not delivered[^]*Did you mean edge-1/,
    ],
    [
      '{"ok":false,"code":"UNAUTHENTICATED","message":"No token"}\n',
      64 + Status.UNAUTHENTICATED,
      /hint: --token-file/,
    ],
    ["HTTP/1.1 400 Bad Request\r\n\r\n", 78, /does no JSON handshake: it sent "HTTP\/1\.1 400/],
  ];
  await withGclient(async (directory) => {
    for (const [answer, code, err] of table) {
      await t.step(answer.trim(), async () => {
        using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
        const served = (async () => {
          using connection = await listener.accept();
          await connection.read(new Uint8Array(1000));
          await connection.write(new TextEncoder().encode(answer));
        })();
        const address = `127.0.0.1:${listener.addr.port}`;
        const ran = await bash(directory, `gclient fluentd stop edgy-1 --raw -n -s ${address}`, {});
        await served;
        assert.match(ran.err, err);
        assert.equal(ran.code, code);
      });
    }
  });
});

Deno.test("Ctrl-C ends a stream with exit code 130", async () => {
  await using hub = await startFakeHub();
  const ended = Promise.withResolvers<void>();
  hub.script.activity = async function* (signal) {
    yield { seq: 1, kind: "SERVER_LEFT", server: "edge-1" };
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    ended.resolve();
  };
  const [command, ...args] = GCLIENT;
  const child = new Deno.Command(command, {
    args: [...args, "hub", "activity", "-s", hub.address],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const line = JSON.parse(decoder.decode(value));
  assert.deepEqual(line, { seq: "1", kind: "SERVER_LEFT", server: "edge-1" });
  child.kill("SIGINT");
  assert.equal((await child.status).code, 130);
  await ended.promise;
  await reader.cancel();
  assert.equal(await new Response(child.stderr).text(), "");
});
