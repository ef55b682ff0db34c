import assert from "node:assert/strict";
import { fc } from "../../shared/testing/property.ts";
import { SlotSet } from "./slot_set.ts";

Deno.test("SlotSet is a set, whatever comes and goes", () => {
  const steps = fc.array(fc.tuple(fc.nat(9), fc.boolean()), { maxLength: 200 });
  fc.assert(fc.property(steps, (steps) => {
    const members = Array.from({ length: 10 }, (_, id) => ({ id, place: -1 }));
    const set = new SlotSet<"place", typeof members[0]>("place");
    const expected = new Set<number>();
    for (const [id, add] of steps) {
      const member = members[id]!;
      if (!add) set.delete(member);
      else if (!set.has(member)) set.add(member);
      add ? expected.add(id) : expected.delete(id);
      assert.equal(set.size, expected.size);
      assert.deepEqual(members.filter((m) => set.has(m)).map((m) => m.id), [...expected].sort());
      assert.deepEqual(set.members.map((m) => m.id).sort(), [...expected].sort());
    }
  }));
});

Deno.test("SlotSet.clear() lets go of all", () => {
  const members = Array.from({ length: 4 }, (_, id) => ({ id, place: -1 }));
  const set = new SlotSet<"place", typeof members[0]>("place");
  for (const member of members) set.add(member);
  set.clear();
  assert.equal(set.size, 0);
  assert.ok(members.every((member) => member.place === -1 && !set.has(member)));
});
