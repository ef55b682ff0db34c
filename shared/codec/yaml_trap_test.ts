import assert from "node:assert/strict";
import { DocumentError, readMessages, writeMessage } from "./document.ts";
import { All } from "./testdata/all.ts";

const read = (text: string) => readMessages(text, { type: All, format: "yaml", source: "req" });

Deno.test("E8: what YAML 1.1 reads as something else is refused with what to write instead", async (t) => {
  const table: [text: string, instead: string][] = [
    ["anInt32: 0755", "write 493 or 755"],
    ["anInt32: -010", "write -8 or -10"],
    ["anInt64: 0899", "write 899"],
    ["aDouble: 0755", "write 493 or 755"],
    ["anInt32: 0o755", "write 493"],
    ["anInt32: 0b11", "write 3"],
    ["anInt32: 1_000", "write 1000"],
    ["aDouble: 1_000.5", "write 1000.5"],
    ["aString: 0755", 'write "0755"'],
    ["aString: 0o17", 'write "0o17"'],
    ["aString: 1_000", 'write "1_000"'],
    ["aString: 12:30:45", 'write "12:30:45"'],
    ["aString: 190:20:30.15", 'write "190:20:30.15"'],
    ["aString: yes", 'write "yes"'],
    ["strings: [a, No]", 'write "No"'],
    ["byString: {a: off}", 'write "off"'],
    ["wString: on", 'write "on"'],
    ["aBool: yes", "write true"],
    ["aBool: Off", "write false"],
    ["aValue: 0755", 'write 493 or 755, or "0755"'],
    ["aStruct: {a: [yes]}", 'write true, or "yes"'],
    ["color: 010", "write 8 or 10"],
  ];
  for (const [text, instead] of table) {
    await t.step(text, () => {
      assert.throws(() => read(text), (error) => {
        assert.ok(error instanceof DocumentError);
        assert.ok(error.reason.endsWith(instead), error.reason);
        return true;
      });
    });
  }
});

Deno.test("E8: what all readers of YAML take for the same is read as before", async (t) => {
  const table: [text: string, json: string][] = [
    ["aString: 'yes'", '{"aString":"yes"}'],
    ['aString: "0755"', '{"aString":"0755"}'],
    ["anInt32: 0", "{}"],
    ["anInt32: 0x1F", '{"anInt32":31}'],
    ["aString: v1_000", '{"aString":"v1_000"}'],
    ["aString: 2026-01-01", '{"aString":"2026-01-01"}'],
    ["aString: 10.0.0.1:8080", '{"aString":"10.0.0.1:8080"}'],
    ["aString: 8080:80", '{"aString":"8080:80"}'],
    ["aString: y", '{"aString":"y"}'],
    ["aString: |\n  yes\n", '{"aString":"yes\\n"}'],
    ["byString: {yes: a, 0755: b}", '{"byString":{"yes":"a","0755":"b"}}'],
    ["aTime: 2026-01-31T12:00:00Z", '{"aTime":"2026-01-31T12:00:00Z"}'],
  ];
  for (const [text, json] of table) {
    await t.step(text, () => {
      const [message] = read(text);
      assert.equal(writeMessage(message!, { type: All, format: "json" }).trim(), json);
    });
  }
});
