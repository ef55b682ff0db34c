/**
 * The units of systemd/ on a real systemd, with the executables: they are never given up, a renewed
 * certificate arrives, their folders cannot meet, and the journal knows what matters.
 *
 * @module
 */
import assert from "node:assert/strict";
import { builtPrograms } from "./support/built_programs.ts";
import { REPOSITORY } from "./support/process.ts";
import { SystemdMachine, systemdMissing } from "./support/systemd_machine.ts";
import { until } from "./support/until.ts";

const ignore = systemdMissing();

/** More often than systemd lets a unit fail in ten seconds by itself. */
const CRASHES = 7;
/** `CAP_NET_BIND_SERVICE`, as /proc shows it. */
const BIND_ONLY = "0000000000000400";

/** A machine on which the programs and the units are installed as docs/operations.md says. */
async function installed(): Promise<SystemdMachine> {
  const programs = await builtPrograms();
  const machine = await SystemdMachine.boot();
  for (const name of ["ghub", "gserver"]) {
    await machine.write(
      `/usr/local/bin/${name}`,
      await Deno.readFile(`${programs}/${name}`),
      0o755,
    );
    const unit = await Deno.readTextFile(`${REPOSITORY}systemd/${name}.service`);
    await machine.write(`/etc/systemd/system/${name}.service`, unit);
  }
  return machine;
}

/** Settings that a test adds to a unit, as an operator would. */
async function dropIn(machine: SystemdMachine, unit: string, text: string): Promise<void> {
  await machine.write(`/etc/systemd/system/${unit}.service.d/test.conf`, `[Service]\n${text}\n`);
  await machine.must("systemctl", "daemon-reload");
}

const LIVE = "/etc/letsencrypt/live/hub.example";

/** Makes an authority, and the links by which ghub.service finds what certbot keeps. */
async function useCertbot(machine: SystemdMachine): Promise<void> {
  await machine.must("ghub", "cert", "ca", "--out", "/root/ca.crt");
  await machine.must("install", "-D", "-m", "644", "/root/ca.crt", "/etc/gserver/ca.crt");
  await machine.must("mkdir", "-p", "/etc/ghub");
  await machine.must("ln", "-s", `${LIVE}/fullchain.pem`, "/etc/ghub/hub.crt");
  await machine.must("ln", "-s", `${LIVE}/privkey.pem`, "/etc/ghub/hub.key");
}

/** A certificate with a new key, where and as certbot puts both: only root can reach them. */
const RENEW = `set -eu
umask 077
ghub cert make --ca /root/ca.crt --hosts hub.example,localhost --out /root/new.crt --force
archive=/etc/letsencrypt/archive/hub.example
mkdir -p "$archive" ${LIVE}
n=$(($(ls "$archive" | wc -l) / 2 + 1))
mv /root/new.key "$archive/privkey$n.pem"
mv /root/new.crt "$archive/fullchain$n.pem"
chmod 644 "$archive/fullchain$n.pem"
ln -sfn ../../archive/hub.example/privkey$n.pem ${LIVE}/privkey.pem
ln -sfn ../../archive/hub.example/fullchain$n.pem ${LIVE}/fullchain.pem`;

/** The fingerprint of the certificate that a port shows, or that a file holds. */
async function fingerprint(machine: SystemdMachine, from: number | string): Promise<string> {
  const read = typeof from === "string"
    ? `cat ${from}`
    : `openssl s_client -connect localhost:${from} </dev/null 2>/dev/null`;
  const { stdout } = await machine.run("sh", "-c", `${read} | openssl x509 -noout -fingerprint`);
  return stdout.trim();
}

async function active(machine: SystemdMachine, unit: string): Promise<void> {
  await until(
    `${unit} to be active`,
    async () => (await machine.show(unit, "ActiveState")).ActiveState === "active",
  );
}

Deno.test({
  name: "F2, F3, F7, F12, F15: the units on a real systemd",
  ignore,
  fn: async (t) => {
    await using machine = await installed();

    await t.step("systemd finds nothing wrong in them", async () => {
      const { code, stdout, stderr } = await machine.run("systemd-analyze", "verify", ...UNITS);
      assert.deepEqual({ code, said: stdout + stderr }, { code: 0, said: "" });
    });

    await t.step("F2: a hub that cannot start is tried again until it can", async () => {
      await useCertbot(machine);
      await dropIn(machine, "ghub", "RestartSec=50ms\nEnvironment=GHUB_METRICS_LISTEN=:9464");
      await machine.run("systemctl", "enable", "--now", "ghub"); // There is no certificate.
      await until("many tries", async () => {
        const { NRestarts } = await machine.show("ghub", "NRestarts");
        return Number(NRestarts) >= CRASHES;
      });
      await machine.must("sh", "-c", RENEW);
      await active(machine, "ghub");
    });

    await t.step("F12: it listens on 443 as an ordinary user who may do nothing else", async () => {
      const { MainPID } = await machine.show("ghub", "MainPID");
      const status = await machine.read(`/proc/${MainPID}/status`);
      assert.match(status, new RegExp(`^CapEff:\\s+${BIND_ONLY}$`, "m"));
      assert.match(status, /^Uid:\s+[1-9]/m);
      assert.match(await fingerprint(machine, 443), /Fingerprint=/);
      // Hardened as before, but for the port: 1.7 of 10 on systemd 252.
      await machine.must("systemd-analyze", "security", "--threshold=18", "ghub");
    });

    await t.step("F7: the state of a gserver of root's is out of reach for the hub", async () => {
      const token = await machine.read("/var/lib/private/ghub/join.token");
      await machine.write("/etc/gserver/server.token", token, 0o600);
      const hub = "Environment=GSERVER_HUB_URI=wss://localhost/ws";
      await dropIn(machine, "gserver", `RestartSec=50ms\n${hub}\n${EXEC_START}`);
      await machine.must("systemctl", "enable", "--now", "gserver");
      await machine.says("gserver", /^gserver ready server=edge-1 /);
      await machine.must("systemctl", "restart", "ghub");
      const owners = await machine.must("stat", "-c", "%n %U", "/var/lib/gserver", HUB_STATE);
      assert.equal(owners, `/var/lib/gserver root\n${HUB_STATE} ghub\n`);
    });

    for (const unit of ["ghub", "gserver"]) {
      await t.step(`F2: ${unit} comes back however often it crashes`, async () => {
        for (let crash = 0; crash < CRASHES; crash++) {
          const { MainPID } = await machine.show(unit, "MainPID");
          await machine.kill(Number(MainPID));
          await until(`${unit} to come back`, async () => {
            const now = await machine.show(unit, "MainPID", "ActiveState");
            return now.ActiveState === "active" && now.MainPID !== MainPID;
          });
        }
      });
    }

    await t.step("F3: a renewed certificate with a new key is shown after a reload", async () => {
      const before = await fingerprint(machine, 443);
      await machine.must("sh", "-c", RENEW);
      await machine.must("systemctl", "reload", "ghub"); // certbot's --deploy-hook
      const after = await fingerprint(machine, 443);
      assert.notEqual(after, before);
      assert.equal(after, await fingerprint(machine, `${LIVE}/fullchain.pem`));
      assert.equal(await fingerprint(machine, 9090), after, "the call port");
      assert.match(await metrics(machine), /^ghub_last_reload_successful 1$/m);
    });

    await t.step("F3: a reload that fails is seen, and changes nothing", async () => {
      const before = await fingerprint(machine, 443);
      await machine.must("sh", "-c", `${RENEW}; echo no key >${LIVE}/privkey.pem`);
      assert.equal((await machine.run("systemctl", "reload", "ghub")).code, 1);
      assert.equal(await fingerprint(machine, 443), before);
      assert.match(await metrics(machine), /^ghub_last_reload_successful 0$/m);
      const { priority } = await machine.says("ghub", /^reload reload: .* is NOT applied/);
      assert.equal(priority, 3);
      await active(machine, "ghub");
      await machine.must("sh", "-c", RENEW);
      await machine.must("systemctl", "reload", "ghub");
      assert.match(await metrics(machine), /^ghub_last_reload_successful 1$/m);
    });

    await t.step("F3: so is one of gserver", async () => {
      await machine.must("systemctl", "reload", "gserver");
      await machine.must("sh", "-c", "mv /etc/gserver/server.token /etc/gserver/away");
      assert.equal((await machine.run("systemctl", "reload", "gserver")).code, 1);
      const { priority } = await machine.says("gserver", /^reload reload: .* is NOT applied/);
      assert.equal(priority, 3);
      await machine.must("sh", "-c", "mv /etc/gserver/away /etc/gserver/server.token");
      await machine.must("systemctl", "reload", "gserver");
    });

    await t.step("F15: lines of the journal have a priority and no second time stamp", async () => {
      for (const unit of ["ghub", "gserver"]) {
        const lines = await machine.journal(unit);
        assert.ok(lines.length > 10);
        assert.deepEqual(
          lines.filter(({ message }) => /^\d{4}-\d\d-\d\dT|^<\d>/.test(message)),
          [],
        );
      }
    });
  },
});

const UNITS = ["ghub", "gserver"].map((name) => `/etc/systemd/system/${name}.service`);
const HUB_STATE = "/var/lib/private/ghub";
/** As in the unit, with the hub of this machine. */
const EXEC_START =
  "ExecStart=\nExecStart=/usr/local/bin/gserver serve edge-1 --fluentd-manager none " +
  "--tls-ca-cert-file /etc/gserver/ca.crt --token-file /etc/gserver/server.token";

async function metrics(machine: SystemdMachine): Promise<string> {
  return await machine.must("curl", "-sf", "http://127.0.0.1:9464/metrics");
}
