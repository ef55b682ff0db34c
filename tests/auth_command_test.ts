/**
 * `ghub auth` as a shell sees it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { hasTool } from "./support/executable.ts";
import { cleanEnv, commandLine, Process, REPOSITORY, source } from "./support/process.ts";

const auth = (args: readonly string[], stdin = "") =>
  Process.run([...source("hub/main.ts"), "auth", ...args], { stdin });

function sha256(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}\n`;
}

Deno.test("ghub auth makes a token, hashes it, and checks the file that has it", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "ghub-auth-" });
  const file = `${folder}/edge.token`;
  try {
    await t.step(
      "token writes a file of its owner's alone, and only the hash to stdout",
      async () => {
        const { code, stdout, stderr } = await auth(["token", file]);
        const token = (await Deno.readTextFile(file)).trim();
        assert.equal(code, 0, stderr);
        assert.equal(stdout, sha256(token));
        assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
        assert.equal(stderr, "");
      },
    );
    await t.step("token never overwrites one", async () => {
      const before = await Deno.readTextFile(file);
      const { code, stderr } = await auth(["token", file]);
      assert.equal(code, 2);
      assert.match(stderr, /it exists already, and may be in use\nhint: Name another file/);
      assert.equal(await Deno.readTextFile(file), before);
    });
    await t.step("hash reads a pipe, or a file", async () => {
      const token = await Deno.readTextFile(file);
      assert.equal((await auth(["hash"], token)).stdout, sha256(token.trim()));
      assert.equal((await auth(["hash", file])).stdout, sha256(token.trim()));
    });
    await t.step("hash does not take a secret from the command line", async () => {
      const { code, stdout, stderr } = await auth(["hash", "s".repeat(40)]);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.ok(!stderr.includes("sss"), stderr);
    });
    await t.step("hash refuses what is too short to be a secret", async () => {
      const { code, stderr } = await auth(["hash"], "hunter2");
      assert.equal(code, 2);
      assert.match(stderr, /32 to 512 visible ASCII characters/);
      assert.ok(!stderr.includes("hunter2"));
    });
    await t.step("check tells what a file means", async () => {
      const hash = sha256((await Deno.readTextFile(file)).trim()).trim();
      const path = `${folder}/auth.yaml`;
      await Deno.writeTextFile(
        path,
        `version: 1
servers: [{ id: edges, tokens: ["${hash}"], names: [edge-*], labels: { env: prod } }]
operators:
  - id: alice
    jwt: { issuer: corp, claims: { sub: alice } }
    rules: [{ servers: "**", labels: { env: prod }, methods: /a.B/*, effect: deny }]
issuers: [{ id: corp, issuer: x, audience: ghub, algorithms: ES256, keysUrl: https://id.test/ }]
`,
      );
      const { code, stdout, stderr } = await auth(["check", path]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /server edges: may be edge-\* with env=prod/);
      assert.match(stdout, /operator alice:\n {2}deny \/a\.B\/\* of \*\* env=prod/);
      assert.match(stderr, /warning: "alice" has a deny rule with labels/);
    });
    await t.step("check tells who is enrolled besides, and what loopback counts", async () => {
      const path = `${folder}/local.yaml`;
      await Deno.writeTextFile(path, "version: 1\nallowLoopback: true\n");
      const state = `${folder}/state`;
      await Deno.mkdir(`${state}/enrolled`, { recursive: true, mode: 0o755 });
      await Deno.writeTextFile(
        `${state}/enrolled/edge-9.yaml`,
        `version: 1\nservers: [{ id: edge-9, tokens: ["sha256:${
          "a".repeat(64)
        }"], names: edge-9 }]\n`,
      );
      const hub = ["--state-dir", state, "--trust-loopback", "no"];
      const { code, stdout, stderr } = await auth(["check", path, ...hub]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /to come from loopback counts for nothing here/);
      assert.match(stdout, /^enrolled, with tokens of their own: edge-9$/m);
    });
    await t.step("check says what is wrong, and where", async () => {
      const path = `${folder}/broken.yaml`;
      await Deno.writeTextFile(path, "version: 1\nserver: []\n");
      const { code, stdout, stderr } = await auth(["check", path]);
      assert.equal(code, 1);
      assert.equal(stdout, "");
      assert.match(stderr, /broken\.yaml:2:9: server: is unknown here/);
    });
    await t.step("check refuses a file that others may change", async () => {
      const path = `${folder}/auth.yaml`;
      await Deno.chmod(path, 0o666);
      const { code, stderr } = await auth(["check", path]);
      assert.equal(code, 1);
      assert.match(stderr, /others may change it; run: chmod go-w/);
    });
    await t.step("a hub does not start with a broken file", async () => {
      const { code, stderr } = await Process.run([
        ...source("hub/main.ts"),
        "serve",
        ...["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"],
        ...["--auth-file", `${folder}/broken.yaml`],
      ]);
      assert.equal(code, 1);
      assert.match(stderr, /broken\.yaml:2:9: server: is unknown here/);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What a person at a terminal sees of a shell's script, who answers the prompt with some keys. */
async function atTerminal(script: string, keys: string): Promise<string> {
  const child = new Deno.Command("script", {
    args: ["-qec", script, "/dev/null"],
    env: { ...cleanEnv(), TERM: "xterm", SHELL: "/bin/sh" },
    clearEnv: true,
    cwd: REPOSITORY,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keyboard = child.stdin.getWriter();
  let seen = "";
  let typed = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    seen += text;
    if (typed || !seen.includes("Token: ")) continue;
    typed = true;
    await keyboard.write(new TextEncoder().encode(keys));
  }
  await child.status;
  await keyboard.close().catch(() => {});
  return seen;
}

Deno.test({
  name: "ghub auth hash asks at a terminal and shows nothing of what is typed",
  ignore: !await hasTool("script"),
  fn: async (t) => {
    const hash = [...commandLine(source("hub/main.ts")), "auth", "hash"]
      .map((word) => `'${word}'`).join(" ");
    // Whether the terminal shows again what is typed when it is over.
    const command = `${hash}; echo "exit $?"; stty -a | tr ' ' '\\n' | grep -x -e -echo -e echo`;
    const token = "a-secret-that-nobody-may-see-0123456789";
    const table: [name: string, keys: string, rest: RegExp][] = [
      ["a token", `${token}\r`, /^\r?\nsha256:([0-9a-f]{64})\r\nexit 0\r\necho\r\n$/],
      [
        "a token with a mistake that is taken back",
        `${token}zz\x7f\x08\n`,
        /^\r?\nsha256:([0-9a-f]{64})\r\nexit 0\r\necho\r\n$/,
      ],
      ["Ctrl-C", `${token}\x03`, /^\r?\nerror: No token was given\r\nexit 2\r\necho\r\n$/],
      ["Ctrl-D", "\x04", /^\r?\nerror: No token was given\r\nexit 2\r\necho\r\n$/],
      ["too short", "hunter2\r", /^\r?\nerror: A token must be .*\r\nexit 2\r\necho\r\n$/],
    ];
    for (const [name, keys, rest] of table) {
      await t.step(name, async () => {
        const seen = await atTerminal(command, keys);
        const [, after = ""] = seen.split("Token: ");
        const match = rest.exec(after);
        assert.ok(match, JSON.stringify(seen));
        if (match[1] !== undefined) assert.equal(`sha256:${match[1]}\n`, sha256(token));
        assert.ok(!seen.includes("secret") && !seen.includes("hunter"), seen);
      });
    }
  },
});
