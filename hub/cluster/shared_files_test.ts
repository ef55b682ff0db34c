import assert from "node:assert/strict";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { removeEnrolled, writeEnrolled } from "../auth/enrolment.ts";
import { differingFiles, SharedFiles, SharedFilesCheck } from "./shared_files.ts";
import type { HubRecord } from "./view.ts";

function hub(name: string, fingerprints: HubRecord["fingerprints"]): HubRecord {
  return {
    ...{ session: `session-${name}`, name, peerAddress: `${name}:9091`, version: "1" },
    ...{ protocol: 1, state: "open", sinceMs: 0, fingerprints },
  };
}

Deno.test("differingFiles names files that differ, and those that one of two hubs does not have", () => {
  const same = { join: "1", auth: "2" };
  assert.deepEqual(differingFiles(hub("a", same), hub("b", same)), []);
  assert.deepEqual(differingFiles(hub("a", same), hub("b", { join: "9", auth: "2" })), ["join"]);
  assert.deepEqual(differingFiles(hub("a", same), hub("b", { join: "1" })), ["auth"]);
  assert.deepEqual(differingFiles(hub("b", { join: "1" }), hub("a", same)), ["auth"]);
});

Deno.test("SharedFiles sees who is enrolled, and the files that come, change and go", async () => {
  const stateDir = await Deno.makeTempDir();
  try {
    const authFile = `${stateDir}/auth.yaml`;
    const files = new SharedFiles({ stateDir, authFile });
    assert.deepEqual(files.fingerprints(), {});
    await Deno.writeTextFile(authFile, "version: 1");
    await Deno.writeTextFile(`${stateDir}/join.token`, "a secret");
    const { auth, ...others } = files.fingerprints();
    assert.deepEqual(Object.keys(others), ["join"]);
    await Deno.writeTextFile(authFile, "version: 2");
    assert.notEqual(files.fingerprints().auth, auth);

    const tokens = [{ sha256: "a".repeat(64), expiresAtMs: undefined }];
    const enrol = (name: string) => writeEnrolled(stateDir, { name, tokens, labels: {} });
    enrol("edge-1");
    const one = files.fingerprints().enrolled;
    enrol("edge-2");
    const both = files.fingerprints().enrolled;
    removeEnrolled(stateDir, "edge-2");
    const after = files.fingerprints().enrolled;
    assert.ok(one !== undefined && both !== undefined && one !== both && after === one);
    removeEnrolled(stateDir, "edge-1");
    assert.equal(files.fingerprints().enrolled, undefined);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});

Deno.test("SharedFilesCheck names a hub that has no auth file, where this one has one", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { kept: (record) => records.push(record) },
    loggers: [{ category: ["hub", "cluster"], sinks: ["kept"], lowestLevel: "info" }, {
      category: ["logtape", "meta"],
      sinks: [],
    }],
  });
  try {
    const check = new SharedFilesCheck();
    const mine = hub("mine", { auth: "1", join: "2" });
    check.look("session-mine", [mine, hub("like", { auth: "1", join: "2" })]);
    assert.equal(records.length, 0);
    check.look("session-other", [mine, hub("open", { join: "2" })]);
    assert.equal(records.length, 0, "its own record is not known yet");
    check.look("session-mine", [mine, hub("open", { join: "2" })]);
    assert.deepEqual(records.map(({ properties }) => properties["what"]), ["open (auth)"]);
  } finally {
    await reset();
  }
});
