/**
 * The main job, end to end: gclient ─▶ ghub ─▶ gserver ─▶ a real Fluentd, all as programs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parse as parseYaml } from "yaml";
import { Status } from "../shared/grpc/status.ts";
import { fluentdCommand, simpleConfig } from "./support/fluentd.ts";
import { freePort } from "./support/free_port.ts";
import { until } from "./support/until.ts";
import { type ServerSpec, World } from "./support/world.ts";

const command = fluentdCommand();

/** The parts of the answers that are looked at here. */
interface State {
  readonly health?: string;
  readonly supervisor?: { readonly pid: string };
}
interface Change {
  readonly status?: string;
  readonly before?: State;
  readonly after?: State;
  readonly failure?: { readonly reason: string; readonly message: string; logTail?: string[] };
}

async function listens(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

/** Whether a process runs. One that has ended and waits for its parent to notice does not. */
function lives(pid: string | undefined): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  } catch {
    return false;
  }
}

const REQUEST = {
  json: '{"wait": "150s", "reason": "test"}',
  xml: "<?xml version='1.0'?><StartRequest><wait>150s</wait><reason>test</reason></StartRequest>",
  yaml: "wait: 150s\nreason: test\n",
};

Deno.test({
  name: "gclient manages a real Fluentd through the hub",
  ignore: command === undefined,
  fn: async (t) => {
    await using world = await World.start({ tls: true, servers: [] });
    const [port, monitor] = [freePort(), freePort()];
    const config = `${world.dir}/fluent.conf`;
    await Deno.writeTextFile(config, simpleConfig({ port, monitor }));
    const spec: ServerSpec = {
      name: "edge-1",
      program: "gserver",
      args: [
        "--fluentd-manager",
        "spawn",
        "--fluentd-command",
        `'${command?.join("' '")}'`,
        "--fluentd-config",
        config,
        "--fluentd-monitor",
        `127.0.0.1:${monitor}`,
      ],
    };
    await world.startServer(spec);
    const fluentd = (args: string[], stdin?: string) =>
      world.gclient(["fluentd", ...args], stdin === undefined ? {} : { stdin });
    /** The answer of a call that went as `code` says. */
    const change = async (args: string[], stdin: string, code = 0): Promise<Change> => {
      const result = await fluentd([...args, "-o", "json"], stdin);
      assert.equal(result.code, code, result.stderr + result.stdout);
      return JSON.parse(result.stdout);
    };
    const state = async (): Promise<State> => {
      const { code, stdout, stderr } = await fluentd(["status", "edge-1", "-o", "json"]);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout).state;
    };
    // Whatever happens, no Fluentd of ours may stay behind.
    await using _cleanup = {
      async [Symbol.asyncDispose]() {
        await fluentd(["stop", "edge-1", "--set", "forceAfter=true", "--set", "wait=10s"]);
      },
    };

    await t.step("nothing runs", async () => {
      assert.equal((await state()).health, "STOPPED");
      assert.equal((await fluentd(["status", "edge-1", "--exit-code", "-q"])).code, 3);
    });

    let pid: string | undefined;
    await t.step("start, by JSON from standard input", async () => {
      const { status, after } = await change(["start", "edge-1"], REQUEST.json);
      assert.equal(status, "SUCCESS");
      assert.equal(after?.health, "HEALTHY");
      pid = after?.supervisor?.pid;
      assert.ok(lives(pid), `process ${pid} lives`);
      assert.ok(await listens(port), "it is really Fluentd: its input listens");
    });

    await t.step("start again, by XML: nothing to do", async () => {
      const { status, after } = await change(["start", "edge-1"], REQUEST.xml);
      assert.equal(status, "NOCHANGE");
      assert.equal(after?.supervisor?.pid, pid);
    });

    await t.step("status, in each format", async () => {
      const json = await fluentd(["status", "-o", "json"]);
      assert.equal(JSON.parse(json.stdout).state.supervisor.pid, pid);
      const yaml = await fluentd(["status", "-o", "yaml"]);
      assert.equal(`${parseYaml(yaml.stdout).state.supervisor.pid}`, pid);
      const xml = await fluentd(["status", "-o", "xml"]);
      assert.match(xml.stdout, /^<\?xml .*<GetStatusResponse>.*<health>HEALTHY<\/health>/s);
      assert.ok(xml.stdout.includes(`<pid>${pid}</pid>`));
      const table = await fluentd(["status", "-o", "table"]);
      assert.match(table.stdout, /HEALTHY/);
      assert.deepEqual([json, yaml, xml, table].map(({ code }) => code), [0, 0, 0, 0]);
      assert.equal((await fluentd(["status", "--exit-code", "-q"])).code, 0);
    });

    await t.step("restart, by YAML", async () => {
      const { status, before, after } = await change(["restart", "edge-1"], REQUEST.yaml);
      assert.equal(status, "SUCCESS");
      assert.equal(before?.supervisor?.pid, pid);
      assert.notEqual(after?.supervisor?.pid, pid);
      assert.ok(!lives(pid), "the old one is gone");
      pid = after?.supervisor?.pid;
      assert.ok(lives(pid) && await listens(port));
    });

    await t.step("a server that is killed and started again finds it", async () => {
      await world.server("edge-1").kill();
      assert.ok(lives(pid), "Fluentd does not die with gserver");
      await world.startServer(spec);
      const { health, supervisor } = await state();
      assert.deepEqual([health, supervisor?.pid], ["HEALTHY", pid]);
    });

    await t.step("stop through raw mode", async () => {
      const { status, after } = await change(["stop", "edge-1", "--raw"], "{}");
      assert.equal(status, "SUCCESS");
      assert.equal(after?.health, "STOPPED");
      assert.ok(!lives(pid));
      assert.equal((await change(["stop", "edge-1"], "<StopRequest/>")).status, "NOCHANGE");
    });

    await t.step("start with a config that is wrong: refused, exit code 64 + 9", async () => {
      await Deno.writeTextFile(config, "<source>\n  @type no_such_plugin\n</source>\n");
      const { code, stdout, stderr } = await fluentd(["start", "edge-1"], "{}");
      assert.equal(code, 64 + Status.FAILED_PRECONDITION);
      assert.equal(stdout, "");
      assert.match(stderr, /no_such_plugin/);
      assert.equal((await state()).health, "STOPPED");
    });

    await t.step("start with a port that is taken: seen to fail, exit code 3", async () => {
      using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      await Deno.writeTextFile(config, simpleConfig({ port: taken.addr.port, monitor }));
      const { status, failure } = await change(["start", "edge-1"], REQUEST.json, 3);
      assert.equal(status, "FAILED");
      assert.match(failure?.reason ?? "", /^(CRASH_LOOP|EXITED)$/);
      assert.match(failure?.logTail?.join("\n") ?? "", /EADDRINUSE|in use/i);
      await change(["stop", "edge-1"], '{"forceAfter": true}');
    });

    await t.step("restart into a wrong config: what ran before runs on", async () => {
      await Deno.writeTextFile(config, simpleConfig({ port, monitor }));
      const started = await change(["start", "edge-1"], REQUEST.json);
      await Deno.writeTextFile(config, "<match\n");
      const { code, stderr } = await fluentd(["restart", "edge-1"], "{}");
      assert.equal(code, 64 + Status.FAILED_PRECONDITION, stderr);
      const { health, supervisor } = await state();
      assert.equal(health, "HEALTHY");
      assert.equal(supervisor?.pid, started.after?.supervisor?.pid);
    });

    const unreadable: [what: string, stdin: string][] = [
      ["JSON that ends too early", '{"wait": '],
      ["a field that does not exist", '{"wiat": "3s"}'],
      ["XML of another message", "<StopRequest/>"],
      ["two messages", "{} {}"],
      ["a duration that is none", "wait: soon"],
    ];
    for (const [what, stdin] of unreadable) {
      await t.step(`a request with ${what}: exit code 2, and nobody is called`, async () => {
        const { code, stdout, stderr } = await fluentd(["start", "edge-1"], stdin);
        assert.equal(code, 2, stderr);
        assert.equal(stdout, "");
        assert.notEqual(stderr, "");
      });
    }

    await t.step("a server that nobody knows: exit code 64 + 5 and the nearest names", async () => {
      const { code, stderr } = await fluentd(["start", "egde-1"], "{}");
      assert.equal(code, 64 + Status.NOT_FOUND);
      assert.match(stderr, /edge-1/);
    });

    await t.step("a server that is away: exit code 64 + 14", async () => {
      await world.server("edge-1").stop();
      const result = await until("the hub to know", async () => {
        const result = await fluentd(["status", "edge-1"]);
        return result.code === 64 + Status.UNAVAILABLE && result;
      });
      assert.match(result.stderr, /away, last seen/);
      await world.startServer(spec); // For the cleanup.
    });
  },
});
