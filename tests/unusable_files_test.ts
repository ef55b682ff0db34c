/**
 * A file that a user names and that cannot be used: each program says so in the same plain words, without the
 * system's numbers, and without Deno's flags, which no program of ours has.
 *
 * @module
 */
import assert from "node:assert/strict";
import { asBuilt } from "./support/as_built.ts";
import { Process } from "./support/process.ts";

const LISTEN = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];
const HUB = ["ghub", ...LISTEN, "--state-dir"];
const CALL = ["gclient", "fluentd", "status"];
const NOT_OURS =
  "this program may not use it; name an ordinary file outside of /dev, /proc and /sys";

const ROWS: [args: string[], code: number, message: string][] = [
  [[...CALL, "-f", "none"], 2, 'Cannot read request file "none": there is no such file'],
  [[...CALL, "--token-file", "none"], 2, 'Cannot read token file "none": there is no such file'],
  [[...CALL, "--config", "none"], 2, 'Cannot read config file "none": there is no such file'],
  [[...CALL, "--config", "."], 2, 'Cannot read config file ".": it is a directory'],
  [[...HUB, "hub", "--auth-file", "none"], 1, "Cannot read auth file none: there is no such file"],
  [
    [...HUB, "/proc/x"],
    1,
    `Cannot make state folder /proc/x: Cannot look at /proc: ${NOT_OURS}`,
  ],
  [[...HUB, "hub2", "--audit-log", "/dev/full"], 1, `Cannot open audit log /dev/full: ${NOT_OURS}`],
  [
    ["ghub", "audit", "verify", "none"],
    2,
    "Cannot read audit file none: there is no such file",
  ],
  [
    ["gserver", "policy", "check", "none"],
    1,
    "Cannot read policy file none: there is no such file",
  ],
];

for (const [[name = "", ...args], code, message] of ROWS) {
  const words = args.filter((arg) => !LISTEN.includes(arg)).join(" ");
  Deno.test(`a file that cannot be used: ${name} ${words}`, async () => {
    const cwd = await Deno.makeTempDir();
    // Its permissions are what keeps it out of `/dev`.
    const output = await Process.run([...asBuilt(name), ...args], { cwd });
    assert.equal(output.stderr.split("\n")[0], `error: ${message}`);
    assert.equal(output.code, code);
    await Deno.remove(cwd, { recursive: true });
  });
}
