import assert from "node:assert/strict";
import { OncePerGroup } from "./once_per_group.ts";

Deno.test("one member of a group is asked, and a failure is its own", async () => {
  const asked: string[] = [];
  const answers = new OncePerGroup((member) => {
    asked.push(member);
    return member.includes("away") ? Promise.reject(new Error(member)) : Promise.resolve(member);
  }, (member) => member[0]!);
  const given = await Promise.allSettled(["a-away", "a1", "a2", "b1"].map((m) => answers.of(m)));
  assert.deepEqual(
    given.map((one) => one.status === "fulfilled" ? one.value : one.reason.message),
    ["a-away", "a1", "a1", "b1"],
  );
  assert.deepEqual(asked, ["a-away", "b1", "a1"]);
  await assert.rejects(new OncePerGroup(() => Promise.reject(new Error("no")), () => "").of("a"));
});
