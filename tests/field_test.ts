/**
 * The remote install of the README as it stands, from a hub's host to a customer's network behind NAT:
 * TLS on port 443, three sites with a token each, one of them behind a proxy, a renewed certificate,
 * an updated server, and a network that is lost and comes back. Executables only.
 *
 * @module
 */
import assert from "node:assert/strict";
import { builtPrograms } from "./support/built_programs.ts";
import { commandsOf } from "./support/documented.ts";
import { type BareHost, Field, fieldMissing, type Running } from "./support/field.ts";
import { grpcio } from "./support/foreign_programs.ts";
import { type Output, Process, REPOSITORY } from "./support/process.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

const README = await Deno.readTextFile(`${REPOSITORY}README.md`);
const INSTALL = README.split("## Install on a remote machine\n")[1]!.split(/\n#{2,3} /)[0]!;

/** The commands of a step; of the text after the last step for 0. */
function step(number: number): string[] {
  const after = INSTALL.split(/^The certificate is valid/m);
  const text = number === 0
    ? after[1]!
    : after[0]!.split(new RegExp(`^${number}\\. `, "m"))[1]!.split(/^\d\. /m)[0]!;
  const commands = commandsOf(text);
  assert.ok(commands.length > 0, `The README has no commands in step ${number}`);
  return commands;
}

/** The same commands for another site. */
const forSite = (commands: string[], site: string) =>
  commands.map((command) => command.replaceAll("edge-1", site));

/** A python block of the README. */
function python(beginning: RegExp): string {
  const blocks = [...README.matchAll(/```python\n([^]+?)```/g)].map(([, text = ""]) => text);
  return blocks.find((text) => beginning.test(text)) ?? assert.fail(`No block ${beginning}`);
}

/** A call by the README's `channel`, without any generated code. */
const CALL = `
call = channel.unary_unary("/grpc.health.v1.Health/Check")
print(call(b"", metadata=globals().get("metadata"), timeout=60))
`;
/** `grpc.health.v1.HealthCheckResponse` with SERVING. */
const SERVING = String.raw`b'\x08\x01'` + "\n";

Deno.test({
  name: "F11, F12, F13: the README's remote install works as it stands, over real networks",
  ignore: fieldMissing(),
  fn: async (t) => {
    const programs = await builtPrograms();
    const program = (name: string) => Deno.readFile(`${programs}/${name}`);
    await using field = await Field.lay();
    const hub = await field.bootHub();
    const libraries = [Deno.execPath(), `${programs}/gserver`];
    const first = await field.bareHost("first", libraries);
    const second = await field.bareHost("second", libraries);
    const shut = await field.bareHost("shut", libraries);
    const operator = `${field.dir}/operator`;
    const running = new Map<string, Running>();
    let tried = true;
    /** What follows a step that failed would only fail too. */
    const tell = async (name: string, fn: () => Promise<void>) => {
      tried = tried && await t.step(name, fn);
    };

    const onHub = async (command: string): Promise<string> =>
      await hub.must("sh", "-c", `cd /root/ghub && ${command}`);
    const call = (command: string): Promise<Output> =>
      field.run("operator", ["sh", "-c", `cd ${operator} && ${command}`]);
    const status = (name: string) => call(forSite(step(4), name)[0]!);
    const isOnline = async (name: string) => {
      const servers = "./gclient hub servers -a -o json -s hub.example:9090 --tls " +
        "--tls-ca-cert-file ca.crt --token-file operator.token";
      const { stdout, stderr, code } = await call(servers);
      assert.equal(code, 0, stderr);
      const { servers: all = [] } = JSON.parse(stdout) as {
        servers?: { name: string; state: string }[];
      };
      return all.find((one) => one.name === name)?.state === "ONLINE";
    };

    await tell("1. on the hub's machine", async () => {
      await hub.write("/root/ghub/ghub", await program("ghub"), 0o755);
      const unit = await Deno.readTextFile(`${REPOSITORY}systemd/ghub.service`);
      await hub.write("/root/ghub/systemd/ghub.service", unit);
      for (const command of step(1)) await onHub(command);
    });

    await field.startProxy();
    for (const [name, host] of [["edge-1", first], ["edge-2", second], ["edge-3", shut]] as const) {
      await tell(`2. a token for ${name}`, async () => {
        let printed = "";
        for (const command of forSite(step(2), name)) printed = await onHub(command);
        assert.deepEqual(printed.trimEnd().split("\n").slice(1), forSite(step(3), name));
        await host.bring("gserver", await program("gserver"));
        await host.bring("ca.crt", await Deno.readFile(hub.path("/etc/ghub/ca.crt")));
        await host.bring(
          `${name}.token`,
          await Deno.readFile(hub.path(`/root/ghub/${name}.token`)),
        );
      });
      await tell(`3. ${name} is started there`, async () => {
        running.set(name, await startServer(host, name));
      });
    }

    await tell("4. an operator calls them", async () => {
      await Deno.mkdir(operator);
      await Deno.writeFile(`${operator}/gclient`, await program("gclient"), { mode: 0o755 });
      await Deno.writeFile(`${operator}/ca.crt`, await Deno.readFile(hub.path("/etc/ghub/ca.crt")));
      const token = await Deno.readFile(hub.path("/var/lib/private/ghub/operator.token"));
      await Deno.writeFile(`${operator}/operator.token`, token, { mode: 0o600 });
      for (const name of running.keys()) {
        const { code, stdout, stderr } = await status(name);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /"health":"STOPPED"/);
      }
    });
    await tell("… and so does a client of another make", async () => {
      await Deno.writeTextFile(`${operator}/call.py`, python(/secure_channel/) + CALL);
      const { stdout, stderr } = await call("/usr/bin/python3 call.py");
      assert.equal(stdout, SERVING, stderr);
    });

    await tell("a site cannot take the name of another one", async () => {
      const thief = await startOther(first, "edge-3", "edge-1.token");
      await thief.process.says(/403: "edge-1" may not register the name "edge-3"/);
      await thief.stop();
    });

    await tell("the customer's proxy lets nothing out but CONNECT to 443", async () => {
      const [, serve = ""] = forSite(step(3), "edge-3");
      const other = serve.replace("/ws", ":9090/ws");
      const server = await shut.start(`${environment(shut)}${other} --state-dir other`);
      await server.process.says(/403[^]*443/);
      await server.stop();
    });

    await tell("the certificate is renewed: no server has to know, no tunnel ends", async () => {
      const before = await shown(field);
      for (const command of step(0)) await onHub(command);
      assert.notEqual(await shown(field), before);
      for (const [name, { process }] of running) {
        assert.ok(await isOnline(name));
        assert.deepEqual(process.lines, [], `${name} was registered again`);
      }
    });

    await tell("the network is lost, silently, and comes back", async () => {
      const { process: edge1 } = running.get("edge-1")!;
      const said = edge1.stderr.length;
      await field.setWeather("lost");
      await until("edge-1 to be away", async () => !(await isOnline("edge-1")));
      const { code, stderr } = await status("edge-1");
      assert.equal(code, 78, stderr);
      assert.match(stderr, /SERVER_OFFLINE/);
      assert.ok(await isOnline("edge-3"), "the proxy's own way was not lost");
      // A firewall that swallows packets is told (F15).
      await edge1.says(/Dialling: connect to 203\.0\.113\.10:443/, said);
      await field.setWeather("fine");
      for (const name of ["edge-1", "edge-2"]) {
        await running.get(name)!.process.line(/^gserver ready server=edge-/);
        assert.equal((await status(name)).code, 0);
      }
    });

    await tell("a server is updated", async () => {
      await running.get("edge-1")!.stop();
      await first.bring("new", await program("gserver"));
      assert.equal((await first.run("mv new gserver")).code, 0);
      running.set("edge-1", await startServer(first, "edge-1"));
      assert.equal((await status("edge-1")).code, 0);
    });

    await tell("the hub's machine is started again: all servers are back", async () => {
      await hub.must("systemctl", "restart", "ghub");
      for (const { process } of running.values()) await process.line(/^gserver ready server=edge-/);
    });

    async function startServer(host: BareHost, name: string): Promise<Running> {
      const [prepare = "", serve = ""] = forSite(step(3), name);
      const { code, stderr } = await host.run(prepare);
      assert.equal(code, 0, stderr);
      const server = await host.start(environment(host) + serve);
      await server.process.line(/^gserver ready server=edge-/);
      return server;
    }

    async function startOther(host: BareHost, name: string, token: string): Promise<Running> {
      const [, serve = ""] = forSite(step(3), name);
      const line = serve.replace(`${name}.token`, token);
      return await host.start(`${line} --state-dir other`);
    }

    function environment(host: BareHost): string {
      return host === shut ? "env HTTPS_PROXY=http://192.168.7.1:3128 " : "";
    }
  },
});

Deno.test({
  name: "F11: the README's http_proxy example works with the hub of the quick start",
  ignore: grpcio.isMissing,
  fn: async () => {
    await using world = await World.start({ servers: ["edge-1"] });
    const code = python(/^# http_proxy=/);
    const [, variable = "", address = ""] = /^# (http_proxy)=http:\/\/(\S+) python3 /.exec(code)!;
    assert.equal(address, "localhost:9090");
    await Deno.writeTextFile(`${world.dir}/status.py`, code + CALL);
    const { stdout, stderr } = await Process.output("/usr/bin/python3", ["status.py"], {
      cwd: world.dir,
      env: { [variable]: `http://${world.callAddress}` },
    });
    assert.equal(stdout, SERVING, stderr);
  },
});

/** The fingerprint of the certificate that the hub shows to the customer's network. */
async function shown(field: Field): Promise<string> {
  const line = "openssl s_client -connect hub.example:443 </dev/null 2>/dev/null | " +
    "openssl x509 -noout -fingerprint";
  const { stdout, stderr } = await field.run("first", ["sh", "-c", line]);
  assert.match(stdout, /Fingerprint=/, stderr);
  return stdout;
}
