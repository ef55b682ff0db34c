/**
 * What each program may do on its machine, tried from inside: the table in docs/security.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { bundle } from "../scripts/build/bundle.ts";
import { PROGRAMS } from "../scripts/build/programs.ts";
import { generateAuthority, signerOf } from "../shared/tls/authority.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { asBuilt } from "./support/as_built.ts";
import { IS_ROOT, NOBODY } from "./support/executable.ts";
import { Process, REPOSITORY } from "./support/process.ts";
import { World } from "./support/world.ts";

const PROBE = `${REPOSITORY}tests/support/permission_probe.ts`;
const KINDS = ["run", "ffi", "import", "sys", "env", "read", "write", "net", "others"] as const;
type Kind = typeof KINDS[number];

/** How a program is run by its executable, with the probe in it. */
function probed(name: string, args: readonly string[]): string[] {
  return [...asBuilt(name, ["--preload", PROBE]), ...args];
}

/** The kinds that the last probe was not denied. */
function allowed(stderr: string): Kind[] {
  const lines = [...stderr.matchAll(/^probe (\{.*\})$/gm)];
  const found = JSON.parse(lines.at(-1)![1]!) as Record<Kind, string>;
  return KINDS.filter((kind) => found[kind] === "allowed");
}

/** Starts a program, waits until it is ready, and probes it again. */
async function afterStart(
  name: string,
  args: readonly string[],
  ready: RegExp,
  env: Readonly<Record<string, string>> = {},
): Promise<{ process: Process; first: Kind[]; then: Kind[] }> {
  const process = Process.deno(name, probed(name, args), { env });
  await process.line(ready);
  // Long written, but on another pipe.
  await process.says(/^probe \{.*\}$/m);
  const first = allowed(process.stderr);
  const before = process.stderr.length;
  process.signal("SIGUSR2");
  await process.says(/^probe \{.*\}$/m, before);
  return { process, first, then: allowed(process.stderr) };
}

const ANY = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];

Deno.test("the hub starts no program, loads no code, and gives back what it needs no more", async (t) => {
  await using world = await World.start({ servers: [], tls: true });
  // As the unit has it: its authority lies in another folder.
  const signed = `${world.dir}/signed`;
  await Deno.mkdir(signed);
  const authority = await signerOf(await generateAuthority("Example"));
  const { cert, key } = await generateCertificate(["hub.example"], { authority });
  await Deno.writeTextFile(`${signed}/hub.crt`, cert);
  await Deno.writeTextFile(`${signed}/hub.key`, key, { mode: 0o600 });
  const table: [name: string, args: string[], then: Kind[]][] = [
    ["with nothing", [], ["env", "read", "write"]],
    ["with a certificate", ["--tls-cert", world.caCertFile], ["env", "read", "write"]],
    ["with one that is signed", ["--tls-cert", `${signed}/hub.crt`], ["env", "read", "write"]],
  ];
  for (const [i, [name, args, expected]] of table.entries()) {
    await t.step(name, async () => {
      const serve = ["serve", ...ANY, "--state-dir", `${world.dir}/hub-${i}`, ...args];
      const { process, first, then } = await afterStart("ghub", serve, /^ghub ready/);
      await using _ = process;
      assert.deepEqual(first, ["env", "read", "write", "net"]);
      assert.deepEqual(then, expected);
    });
  }
});

Deno.test("the client starts no program, loads no code, and writes only what it is told to", async (t) => {
  await using world = await World.start({ servers: ["edge-1"] });
  const to = ["-s", world.callAddress];
  const endless = [
    "-d",
    '{"count":100000,"delayMs":50}',
    "--all",
    "--log-dir",
    `${world.dir}/logs`,
  ];
  const table: [name: string, args: string[], ready: RegExp, then: Kind[]][] = [
    [
      "a call",
      ["hub", "activity", "--history", "1", "-o", "json", ...to],
      /"seq"/,
      ["env", "read", "net"],
    ],
    [
      "--log-dir",
      ["call", "echo.v1.Echo/ServerStream", ...endless, ...to],
      /"server":"edge-1"/,
      ["env", "read", "write", "net"],
    ],
  ];
  // Where somebody has logged in, gclient keeps the right to write.
  const env = { XDG_STATE_HOME: `${world.dir}/state` };
  for (const [name, args, ready, expected] of table) {
    await t.step(name, async () => {
      const { process, first, then } = await afterStart("gclient", args, ready, env);
      await using _ = process;
      assert.deepEqual(first, ["run", "env", "read", "write", "net"]);
      assert.deepEqual(then, expected);
    });
  }
});

Deno.test("a server without Fluentd gives back what it does not need; with it, it needs /proc", async (t) => {
  await using world = await World.start({ servers: [] });
  const table: [manager: string, then: readonly Kind[]][] = [
    ["none", ["env", "read", "write", "net"]],
    ["spawn", KINDS.filter((kind) => kind !== "import")],
  ];
  for (const [manager, expected] of table) {
    await t.step(manager, async () => {
      const args = ["serve", `edge-${manager}`, "--hub-uri", world.tunnelUri];
      const more = ["--state-dir", `${world.dir}/${manager}`, "--fluentd-manager", manager];
      const { process, then } = await afterStart("gserver", [...args, ...more], /^gserver ready/);
      await using _ = process;
      assert.deepEqual(then, expected);
      const listed = await world.gclient(["list", `edge-${manager}`]);
      assert.equal(listed.stdout.includes("fluentd.v1.Fluentd"), manager !== "none", listed.stderr);
    });
  }
});

Deno.test({
  name: "the hub runs with its own permissions as a user who is not root, also the second time",
  ignore: !IS_ROOT,
  fn: async (t) => {
    const dir = await Deno.makeTempDir();
    try {
      const program = PROGRAMS.find(({ name }) => name === "ghub")!;
      await Deno.writeFile(`${dir}/hub.js`, await bundle(program, REPOSITORY));
      // Where it is may be a folder of root's.
      await Deno.copyFile(Deno.execPath(), `${dir}/deno`);
      await Deno.chown(dir, NOBODY, NOBODY);
      const state = `${dir}/state`;
      const words = ["run", "--no-config", "--no-lock", ...program.flags, `${dir}/hub.js`, "serve"];
      const su = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"];
      for (const what of ["it makes its tokens", "it reads them"]) {
        await t.step(what, async () => {
          await using hub = Process.start(
            "ghub",
            "setpriv",
            [...su, `${dir}/deno`, ...words, ...ANY, "--state-dir", state],
            { cwd: "/", env: { HOME: dir, DENO_DIR: `${dir}/cache` } },
          );
          await hub.line(/^ghub ready /);
          assert.deepEqual(await hub.stop(), { code: 0, signal: null });
        });
      }
      assert.equal((await Deno.stat(`${state}/operator.token`)).uid, NOBODY);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("tasks run the programs with the permissions of the executables", async (t) => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${REPOSITORY}deno.json`));
  for (const { name, entry, flags } of PROGRAMS) {
    await t.step(name, () => {
      assert.equal(tasks[name].command, ["deno", "run", ...flags, entry].join(" "));
    });
  }
});
