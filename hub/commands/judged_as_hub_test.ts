import assert from "node:assert/strict";
import { parseAuthFile } from "../auth/auth_file.ts";
import { writeEnrolled } from "../auth/enrolment.ts";
import { type AuditEntry, Judge } from "./dry_run/judge.ts";
import { asHubMeans, hubAround } from "./judged_as_hub.ts";

const FILE = parseAuthFile("auth.yaml", "version: 1\nallowLoopback: true\n");
const ENV = {};

/** A registration as the audit has it. */
function registered(who: string, server: string): AuditEntry {
  return { kind: "registration", who, server, labels: {}, status: "OK" };
}

Deno.test("an auth file is judged as the hub would: with who is enrolled, and what loopback counts", async (t) => {
  const stateDir = await Deno.makeTempDir();
  try {
    await Deno.chmod(stateDir, 0o700);
    const tokens = [{ sha256: "a".repeat(64), expiresAtMs: undefined }];
    writeEnrolled(stateDir, { name: "edge-1", tokens, labels: {} });
    const judged = (trustLoopback: "yes" | "no") => {
      const judge = new Judge(asHubMeans(FILE, hubAround({ stateDir, trustLoopback }, ENV)));
      return (entry: AuditEntry) => judge.judge(entry, () => undefined).answer;
    };
    await t.step("who is enrolled keeps its name, whatever the file says", () => {
      assert.equal(judged("yes")(registered("edge-1", "edge-1")), "allowed");
      assert.equal(judged("yes")(registered("edge-1", "edge-2")), "refused");
      assert.equal(judged("yes")(registered("edge-2", "edge-2")), "refused");
    });
    await t.step("loopback is let in by the file and the hub together", () => {
      assert.equal(judged("yes")(registered("loopback", "edge-3")), "allowed");
      assert.equal(judged("no")(registered("loopback", "edge-3")), "refused");
    });
    await t.step("an enrolment that cannot be used is told", async () => {
      await Deno.writeTextFile(`${stateDir}/enrolled/edge-2.yaml`, "servers: 1\n", { mode: 0o644 });
      const { enrolled, faults } = hubAround({ stateDir, trustLoopback: "yes" }, ENV);
      assert.deepEqual(enrolled.map(({ id }) => id), ["edge-1"]);
      assert.match(faults.join(), /edge-2\.yaml/);
    });
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});
