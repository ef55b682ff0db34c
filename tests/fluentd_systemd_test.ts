/**
 * Fluentd as its package installs it, on a real systemd, kept by a gserver of root's and by one that runs
 * as Fluentd's own user, with the polkit rule of docs/fluentd.md and no other right.
 *
 * @module
 */
import assert from "node:assert/strict";
import { builtPrograms } from "./support/built_programs.ts";
import { fluentdCommand, simpleConfig } from "./support/fluentd.ts";
import { REPOSITORY } from "./support/process.ts";
import { SystemdMachine, systemdMissing } from "./support/systemd_machine.ts";
import { until } from "./support/until.ts";

const fluentd = fluentdCommand()?.[0];
const ignore = systemdMissing() || fluentd === undefined;

/** As in fluent-package: a daemon with a PID file, a user of its own, log and options in variables. */
const UNIT = `[Service]
Type=forking
User=fluent
Group=fluent
PIDFile=/run/fluent/fluentd.pid
RuntimeDirectory=fluent
LogsDirectory=fluent
StateDirectory=fluent
TimeoutStartSec=120
Environment=FLUENT_CONF=/etc/fluent/fluentd.conf
Environment=LOG_FILE=/var/log/fluent/fluentd.log
EnvironmentFile=-/etc/default/fluentd
ExecStart=${fluentd} --log $LOG_FILE --daemon /run/fluent/fluentd.pid $FLUENT_PACKAGE_OPTIONS
ExecStop=/bin/kill -TERM \${MAINPID}
Restart=on-failure
`;

const PORT = 24224;

/** A machine with a hub, Fluentd, and users `fluent` (Fluentd's own) and `other`. */
async function installed(): Promise<SystemdMachine> {
  const programs = await builtPrograms();
  const machine = await SystemdMachine.boot();
  for (const name of ["ghub", "gserver", "gclient"]) {
    const program = await Deno.readFile(`${programs}/${name}`);
    await machine.write(`/usr/local/bin/${name}`, program, 0o755);
  }
  await machine.must("useradd", "--system", "fluent");
  await machine.must("useradd", "--system", "other");
  await machine.write("/etc/systemd/system/fluentd.service", UNIT);
  await machine.write("/etc/fluent/fluentd.conf", simpleConfig({ port: PORT }));
  await machine.must("systemctl", "daemon-reload");
  await machine.must("systemctl", "start", "polkit");
  await service(machine, "hub", "root", "ghub", "--state-dir", "/var/lib/hub");
  await machine.says("hub", /^ghub ready /);
  return machine;
}

async function service(machine: SystemdMachine, name: string, user: string, ...argv: string[]) {
  const setup = [`--unit=${name}`, `--uid=${user}`, `--property=StateDirectory=${name}`];
  await machine.must("systemd-run", "--quiet", ...setup, "--", ...argv);
}

/** A gserver of this name and user. */
async function gserver(machine: SystemdMachine, name: string, user: string): Promise<void> {
  await service(machine, name, user, "gserver", "serve", name, "--hub-uri", "ws://localhost:8080");
  await machine.says(name, /^gserver ready /);
}

interface Answer {
  readonly code: number;
  readonly status?: string;
  readonly message: string;
}

/** What one gserver answers to a call. */
async function call(
  machine: SystemdMachine,
  name: string,
  method: string,
  ...args: string[]
): Promise<Answer> {
  const times = ["--timeout", "220s", "--connect-timeout", "100s"];
  // The default of a start is 30 s: a busy machine needs more.
  const wait = method === "start" ? ["--set", "wait=150s"] : [];
  const words = ["fluentd", method, name, "-n", "-o", "json", ...times, ...wait, ...args];
  const { code, stdout, stderr } = await machine.run("gclient", ...words);
  const { status } = stdout.startsWith("{") ? JSON.parse(stdout) : {};
  return { code, status, message: stdout + stderr };
}

/** The rule that the document tells people to install, for this user. */
async function documentedRule(user: string): Promise<string> {
  const text = await Deno.readTextFile(`${REPOSITORY}docs/fluentd.md`);
  const [, after = ""] = text.split("// /etc/polkit-1/rules.d/50-gserver.rules\n");
  const lines = after.split("\n");
  const rule = lines.slice(0, lines.indexOf("")).join("\n");
  assert.match(rule, /subject\.user == "\w+"/);
  return rule.replace(/subject\.user == "\w+"/, `subject.user == "${user}"`);
}

/** An input that makes the folder of its storage when it is configured, and one that is broken. */
const STORING = `
<source>
  @type sample
  @id sample
  tag sample
  <storage>
    @type local
    path /srv/fluent/storage/sample.json
  </storage>
</source>
<source>
  @type nope
</source>
`;

Deno.test({
  name: "F5, G5, G7, G9: Fluentd as packaged, on a real systemd",
  ignore,
  fn: async (t) => {
    await using machine = await installed();
    await gserver(machine, "own", "fluent");
    await gserver(machine, "other", "other");
    await gserver(machine, "root", "root");

    await t.step(
      "F5: without the rule a gserver may look, and is told which right it needs",
      async () => {
        assert.match((await call(machine, "own", "status")).message, /"health":\s*"STOPPED"/);
        const { message } = await call(machine, "own", "start");
        assert.match(message, /AGENT_PRIVILEGE/);
        assert.match(message, /polkit rule for org\.freedesktop\.systemd1\.manage-units/);
      },
    );

    await machine.write("/etc/polkit-1/rules.d/50-gserver.rules", await documentedRule("fluent"));

    await t.step("F5: as Fluentd's own user, with the documented rule, it can do all", async () => {
      const started = await until("the rule to be read", async () => {
        const answer = await call(machine, "own", "start");
        return /AGENT_PRIVILEGE/.test(answer.message) ? undefined : answer;
      });
      assert.equal(started.status, "SUCCESS", started.message);
      const status = await call(machine, "own", "status");
      assert.match(status.message, /"health":\s*"HEALTHY"/);
      assert.match(status.message, /"sockets"/, "it may look into Fluentd's processes");
      const restarted = await call(machine, "own", "restart");
      assert.equal(restarted.status, "SUCCESS", restarted.message);
      assert.equal((await call(machine, "own", "stop")).status, "SUCCESS");
      await machine.write("/etc/fluent/fluentd.conf", "<source>\n  @type nope\n</source>\n");
      assert.match((await call(machine, "own", "start")).message, /CONFIG_INVALID/);
      await machine.write("/etc/fluent/fluentd.conf", simpleConfig({ port: PORT }));
    });

    await t.step("F5: another user is told flags that exist, and they help", async () => {
      await machine.write(
        "/etc/polkit-1/rules.d/50-gserver.rules",
        await documentedRule("other"),
      );
      const refused = await until("the rule to be read", async () => {
        const answer = await call(machine, "other", "start");
        return /may not start/.test(answer.message) ? undefined : answer;
      });
      assert.match(refused.message, /AGENT_PRIVILEGE/);
      const [, start = "", restart = ""] =
        /\(gclient: (--set \w+=\w+)\).*\((--set \w+=\w+)\)/.exec(refused.message) ?? [];
      const started = await call(machine, "other", "start", ...start.split(" "));
      assert.equal(started.status, "SUCCESS", started.message);
      const restarted = await call(machine, "other", "restart", ...restart.split(" "));
      assert.equal(restarted.status, "SUCCESS", restarted.message);
    });

    await t.step(
      "G5: the config that the environment file names is checked, as systemd reads it",
      async () => {
        await machine.write("/etc/fluent/my config.conf", simpleConfig({ port: PORT }));
        await machine.write(
          "/etc/default/fluentd",
          `FLUENT_PACKAGE_OPTIONS=-c "/etc/fluent/my config.conf"\n`,
        );
        // A shell's reading, or one that cuts at blanks, finds this one or none.
        await machine.write("/etc/fluent/fluentd.conf", "<source>\n  @type nope\n</source>\n");
        const restarted = await call(machine, "root", "restart");
        assert.equal(restarted.status, "SUCCESS", restarted.message);
        assert.match(restarted.message, /"configPath":\s*"\/etc\/fluent\/my config\.conf"/);
      },
    );

    await t.step(
      "G5: a Restart that checks first never stops a healthy Fluentd for a broken config",
      async () => {
        await machine.write("/etc/fluent/my config.conf", "<source>\n  @type nope\n</source>\n");
        await machine.write("/etc/fluent/fluentd.conf", simpleConfig({ port: PORT }));
        const { MainPID } = await machine.show("fluentd", "MainPID");
        assert.match((await call(machine, "root", "restart")).message, /CONFIG_INVALID/);
        assert.equal((await machine.show("fluentd", "MainPID")).MainPID, MainPID);
      },
    );

    await t.step("G5: the check has the service's locale", async () => {
      const show = "#{raise %w[LC_ALL LANG HOME].map { |name| ENV[name].to_s }.join(' ')}";
      const raise = simpleConfig({ port: PORT, system: `  process_name "${show}"` });
      await machine.write("/etc/fluent/my config.conf", raise);
      await machine.write(
        "/etc/systemd/system/fluentd.service.d/locale.conf",
        "[Service]\nEnvironment=LC_ALL=C LANG=x\n",
      );
      await machine.must("systemctl", "daemon-reload");
      assert.match((await call(machine, "root", "restart")).message, /C x \/home\/fluent/);
    });

    await t.step("G9: what a check makes is the service's", async () => {
      assert.equal((await call(machine, "root", "stop")).status, "SUCCESS");
      await machine.must("install", "-d", "-o", "fluent", "/srv/fluent");
      await machine.write(
        "/etc/fluent/my config.conf",
        simpleConfig({ port: PORT, system: "  root_dir /srv/fluent/root" }) + STORING,
      );
      assert.match((await call(machine, "root", "start")).message, /CONFIG_INVALID/);
      const owners = await machine.must("find", "/srv/fluent", "-printf", "%U %u %p\n");
      assert.doesNotMatch(owners, /^root /m);
      assert.match(owners, /fluent .*\/srv\/fluent\/root/);
      assert.match(owners, /fluent .*\/srv\/fluent\/storage/);
    });

    await t.step("G7: one that another unit keeps is named, and auto finds it", async () => {
      await machine.write("/etc/td-agent/td-agent.conf", simpleConfig({ port: PORT }));
      const exec = `ExecStart=${fluentd} -c /etc/td-agent/td-agent.conf`;
      await machine.write("/etc/systemd/system/td-agent.service", `[Service]\n${exec}\n`);
      await machine.must("systemctl", "daemon-reload");
      await machine.must("systemctl", "start", "td-agent");
      const { message } = await call(machine, "root", "start");
      assert.match(message, /RUNNING_ELSEWHERE/);
      assert.match(message, /process \d+, unit td-agent\.service, config \/etc\/td-agent/);
      assert.match(message, /--fluentd-unit td-agent\.service/);
      await gserver(machine, "auto", "root");
      const status = await until("it to be ready", async () => {
        const { message } = await call(machine, "auto", "status");
        return /"health":\s*"HEALTHY"/.test(message) ? message : undefined;
      });
      assert.match(status, /"unit":\s*"td-agent\.service"/);
    });
  },
});
