import assert from "node:assert/strict";
import { fc } from "../../testing/property.ts";
import type { Field } from "../header_list.ts";
import { DynamicTable, FIELD_OVERHEAD, fieldBytes } from "./dynamic_table.ts";

/** The table as RFC 7541 §4 tells it, without a thought for speed. */
class NaiveTable {
  readonly fields: Field[] = [];
  constructor(public maxBytes: number) {}

  get bytes(): number {
    return this.fields.reduce((sum, field) => sum + fieldBytes(field), 0);
  }

  add(field: Field): void {
    this.fields.unshift(field);
    this.resize(this.maxBytes);
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    while (this.bytes > maxBytes) this.fields.pop();
  }
}

Deno.test("DynamicTable is the naive table, whatever is added and however it is resized", () => {
  const step = fc.oneof(
    { weight: 9, arbitrary: fc.record({ add: fc.nat(120) }) },
    { weight: 1, arbitrary: fc.record({ resize: fc.nat(2000) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const table = new DynamicTable(1000);
    const naive = new NaiveTable(1000);
    for (const [index, step] of steps.entries()) {
      const version = table.version;
      if ("add" in step) {
        const field: Field = [String(index), "v".repeat(step.add)];
        table.add(field);
        naive.add(field);
      } else {
        table.resize(step.resize);
        naive.resize(step.resize);
      }
      assert.notEqual(table.version, version);
      assert.equal(table.length, naive.fields.length);
      assert.equal(table.bytes, naive.bytes);
      naive.fields.forEach((field, index) => assert.equal(table.get(index), field));
      assert.equal(table.get(naive.fields.length), undefined);
    }
  }));
});

Deno.test("DynamicTable keeps a field that fills it to the byte and drops one that is larger", () => {
  const table = new DynamicTable(100);
  table.add(["name", "v".repeat(100 - 4 - FIELD_OVERHEAD)]);
  assert.equal(table.bytes, 100);
  table.add(["name", "v".repeat(101 - 4 - FIELD_OVERHEAD)]);
  assert.equal(table.bytes, 0);
  assert.equal(table.length, 0);
});
