/**
 * What we take for a unit's arguments and environment, compared with those that a real systemd gives to
 * its process.
 *
 * @module
 */
import assert from "node:assert/strict";
import { SystemdMachine, systemdMissing } from "../../../tests/support/systemd_machine.ts";
import { parseEnvironmentFile } from "../system/environment_file.ts";
import { SystemdManager } from "./systemd.ts";
import { parseShellWords } from "./systemctl.ts";
import { tempDir } from "../testing/kit.ts";

const { signal } = new AbortController();

/** New at each start. */
const EACH_START = /^(?:INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|PWD|SHLVL|OLDPWD|_)=/;

/** As people write them. The parts that a shell reads in another way are most of it. */
const FILE = String.raw`# a comment
; another one
PLAIN=value
BLANKS=-c /etc/fluent/my config.conf
QUOTED="two words"
SINGLE='it is "so"'
NO_COMMENT=/etc/fluent/a.conf # the usual one
  INDENTED=1
TRAILING=ends here${"   "}
JOINED='a'"b"c
INNER=a"b"c
EMPTY=
EMPTY_QUOTED=""
DOLLAR=$PLAIN ${"${PLAIN}"}
ESCAPED=a\ b\\c\"d
CONTINUED=one \
two
DOUBLE="x\"y\\z\n\$q"
LINES="first
second"
URL=https://u:p@host/?a=b&c=d
export NOT_A_VARIABLE=1
BAD-NAME=1
UMLAUT=größe
QUOTE_THEN_TEXT="a b" c
OPTIONS=-v --log "/tmp/a log" 'x y' back\ slash
LAST=no newline`;

Deno.test({
  name: "G5: arguments and environment are those that systemd gives to the process",
  ignore: systemdMissing(),
  fn: async () => {
    await using folder = await tempDir();
    const { path } = folder;
    await Deno.chmod(path, 0o755);
    await Deno.writeTextFile(`${path}/keep`, "#!/bin/sh\nwhile :; do sleep 1000; done\n");
    await Deno.chmod(`${path}/keep`, 0o755);
    await Deno.writeTextFile(`${path}/env.1`, FILE);
    await Deno.writeTextFile(`${path}/env.2`, "SECOND=from the second\nPLAIN=changed\n");
    await using machine = await SystemdMachine.boot({ sees: [path] });
    await machine.write(
      "/etc/systemd/system/x@.service",
      String.raw`[Service]
User=daemon
SupplementaryGroups=adm
StateDirectory=x y
Environment=A=1 "B=two words" 'C=say "hi"' D=a\x20b SECOND=of the unit
EnvironmentFile=-${path}/none
EnvironmentFile=-${path}/env.*
UnsetEnvironment=EMPTY
ExecStart=${path}/keep -c "/etc/a b.conf" $BLANKS ${"${BLANKS}"} $OPTIONS $NONE ${"${NONE}"} x${"${QUOTED}"}y $$PLAIN 'single $PLAIN' %i ""
`,
    );
    await machine.write(
      "/etc/systemd/system/x@one.service.d/more.conf",
      "[Service]\nEnvironment=DROPPED_IN=yes LC_ALL=C\n",
    );
    await machine.must("systemctl", "daemon-reload");
    await machine.must("systemctl", "start", "x@one");
    await using manager = new SystemdManager({
      unit: "x@one.service",
      systemctl: [...machine.enter, "systemctl"],
      busctl: [...machine.enter, "busctl"],
    });
    const launch = await manager.launch({ signal });

    const { MainPID } = await machine.show("x@one", "MainPID");
    const [, ...cmdline] = (await machine.read(`/proc/${MainPID}/cmdline`)).split("\0").slice(
      0,
      -1,
    );
    assert.deepEqual(launch.argv, cmdline);
    const environ = (await machine.read(`/proc/${MainPID}/environ`)).split("\0")
      .filter((entry) => entry !== "" && !EACH_START.test(entry));
    const ours = Object.entries(launch.env ?? {}).map(([name, value]) => `${name}=${value}`);
    assert.deepEqual(ours.toSorted(), environ.toSorted());
    assert.deepEqual([launch.user, launch.groups, launch.cwd], ["daemon", ["adm"], "/"]);

    // The naive readings are another command and another environment.
    const { ExecStart } = await machine.show("x@one", "ExecStart");
    assert.notDeepEqual(ExecStart.split("argv[]=")[1]?.split(" ; ")[0]?.split(" "), cmdline);
    const shell = Object.fromEntries(parseShellWords(FILE).map((word) => word.split(/=(.*)/s)));
    const file = parseEnvironmentFile(FILE);
    assert.deepEqual([shell.BLANKS, file.BLANKS], ["-c", "-c /etc/fluent/my config.conf"]);
    assert.equal(file.NO_COMMENT, "/etc/fluent/a.conf # the usual one");
  },
});
