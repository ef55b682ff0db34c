/**
 * Units of Fluentd as one meets them, for machines with a real systemd. `daemon-reload` is left to the
 * caller, who installs several.
 *
 * @module
 */
import { fluentdCommand } from "./fluentd.ts";
import { freePort } from "./free_port.ts";
import { type KeptUnit, VARIABLE } from "./kept_fluentd.ts";
import type { SystemdMachine } from "./systemd_machine.ts";

/** Even a machine on which each start takes seconds reaches the limit of five then. */
const LIMIT = "StartLimitIntervalSec=600";

/**
 * As fluent-package 5 and 6 have it: a daemon with a PID file, a log file, and a user of its own. The
 * blank in the path of its config stands in a variable, which a zero-downtime restart does not break.
 */
export async function installForking(machine: SystemdMachine): Promise<KeptUnit> {
  const value = String(freePort());
  const configPath = "/etc/fluent/my config.conf";
  const [fluentd = ""] = fluentdCommand() ?? [];
  await machine.must("useradd", "--system", "_fluentd");
  await machine.must("install", "-d", "-o", "_fluentd", "/var/log/fluent", "/var/lib/fluent");
  await machine.must("install", "-d", "/opt/fluent/bin", "/etc/fluent");
  await machine.must("ln", "-s", fluentd, "/opt/fluent/bin/fluentd");
  await machine.must("ln", "-s", "fluentd.service", "/etc/systemd/system/td-agent.service");
  await machine.write(
    "/etc/default/fluentd",
    `# options\nFLUENT_CONF=${configPath}\n${VARIABLE}="${value}"\n`,
  );
  await machine.write(
    "/etc/systemd/system/fluentd.service",
    `[Unit]
${LIMIT}
[Service]
Type=forking
User=_fluentd
Group=_fluentd
RuntimeDirectory=fluent
PIDFile=/var/run/fluent/fluentd.pid
Environment=FLUENT_CONF=/etc/fluent/fluentd.conf
Environment=FLUENT_PACKAGE_LOG_FILE=/var/log/fluent/fluentd.log
EnvironmentFile=-/etc/default/fluentd
ExecStart=/opt/fluent/bin/fluentd --log $FLUENT_PACKAGE_LOG_FILE --daemon /var/run/fluent/fluentd.pid $FLUENT_PACKAGE_OPTIONS
ExecStop=/bin/kill -TERM \${MAINPID}
ExecReload=/bin/kill -HUP \${MAINPID}
Restart=always
TimeoutStopSec=120
`,
  );
  return {
    name: "systemd, Type=forking as packaged",
    unit: "fluentd.service",
    named: "td-agent.service",
    configPath,
    dir: "/var/lib/fluent",
    value,
    handsOver: true,
    afterKill: "HEALTHY",
  };
}

/** One that somebody wrote: in the foreground, to the journal, as root. */
export async function installSimple(machine: SystemdMachine): Promise<KeptUnit> {
  const value = String(freePort());
  const configPath = "/etc/collector/my config.conf";
  await machine.must("install", "-d", "/etc/collector", "/var/lib/collector");
  await machine.write("/etc/systemd/system/collector.service", simpleUnit(configPath, value));
  return {
    name: "systemd, Type=simple to the journal",
    unit: "collector.service",
    configPath,
    dir: "/var/lib/collector",
    value,
    handsOver: /Type=simple/,
    afterKill: "HEALTHY",
  };
}

function simpleUnit(configPath: string, value: string): string {
  return `[Unit]
${LIMIT}
[Service]
Environment=${VARIABLE}=${value}
ExecStart=${fluentdCommand()?.[0]} -c "${configPath}"
Restart=on-failure
`;
}

/** One whose command and environment a drop-in replaces. */
export async function installOverridden(machine: SystemdMachine): Promise<KeptUnit> {
  const value = String(freePort());
  const configPath = "/etc/overridden/my config.conf";
  const file = "/etc/systemd/system/overridden.service";
  await machine.must("install", "-d", "/etc/overridden", "/var/lib/overridden");
  await machine.write(file, simpleUnit("/etc/overridden/none.conf", "wrong"));
  await machine.write(
    `${file}.d/override.conf`,
    `[Service]
ExecStart=
ExecStart=${fluentdCommand()?.[0]} -c "${configPath}"
Environment=${VARIABLE}=${value}
`,
  );
  return {
    name: "systemd, a drop-in",
    unit: "overridden.service",
    configPath,
    dir: "/var/lib/overridden",
    value,
    handsOver: /Type=simple/,
    afterKill: "HEALTHY",
  };
}

/** An instance of a template; its name has what must be escaped. */
export async function installTemplate(machine: SystemdMachine): Promise<KeptUnit> {
  const value = String(freePort());
  const configPath = "/etc/collectors/site-a.conf";
  await machine.must("install", "-d", "/etc/collectors", "/var/lib/collectors");
  const text = simpleUnit("/etc/collectors/%i.conf", value);
  await machine.write("/etc/systemd/system/collector@.service", text);
  return {
    name: "systemd, an instance of a template",
    unit: "collector@site-a.service",
    host: "site-a",
    configPath,
    dir: "/var/lib/collectors",
    value,
    handsOver: /Type=simple/,
    afterKill: "HEALTHY",
  };
}
