import assert from "node:assert/strict";
import { runClient } from "../testing/fake_hub.ts";

const NOTES = `syntax = "proto2";
package notes;
// Of a message.
message Outer {
  // Of a field.
  optional string text = 1;
  optional int32 count = 2; // After a field.
  // Of a oneof.
  oneof how {
    // Of one of its fields.
    string slow = 3;
  }
  // Of a nested message.
  message Inner {
    // Of its field.
    optional bool deep = 1;
    extend Outer {
      // Of an extension within a message.
      optional string more = 100;
    }
  }
  optional Inner inner = 5;
  // Of a nested enum.
  enum Mood {
    // Of a value.
    CALM = 0;
  }
  // Of a group.
  optional group Extra = 6 {
    // Of a field in a group.
    optional bool up = 1;
  }
  extensions 100 to 199;
}
// Of an enum.
enum Kind {
  ONE = 1; // After a value.
}
message Open {
  extensions 1 to 9;
}
extend Open {
  // Of an extension.
  optional string shut = 1;
}
// Of a service,
// in two lines.
service Desk {
  // Of a method.
  rpc Ask(Outer) returns (Outer);
}
`;

const OUTER = `// Of a message.
message notes.Outer {
  // Of a field.
  optional string text = 1;
  // After a field.
  optional int32 count = 2;
  // Of a oneof.
  oneof how {
    // Of one of its fields.
    string slow = 3;
  }
  optional notes.Outer.Inner inner = 5;
  // Of a group.
  optional group Extra = 6 {
    // Of a field in a group.
    optional bool up = 1;
  }
  // Of an extension within a message.
  optional string [notes.Outer.Inner.more] = 100;
  extensions 100 to 199;

  // Of a nested message.
  message Inner {
    // Of its field.
    optional bool deep = 1;

    // Of an extension within a message.
    extend notes.Outer {
      optional string more = 100;
    }
  }

  // Of a nested enum.
  enum Mood {
    // Of a value.
    CALM = 0;
  }
}
`;

function hasProtoc(): boolean {
  try {
    return new Deno.Command("protoc", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    console.warn("SKIPPED: There is no protoc on this machine (Debian: protobuf-compiler)");
    return false;
  }
}

Deno.test({
  name: "describe shows the same comments of a .proto file and of what protoc made of it",
  ignore: !hasProtoc(),
  async fn(t) {
    const dir = await Deno.makeTempDir();
    try {
      const [source, set] = [`${dir}/notes.proto`, `${dir}/notes.protoset`];
      await Deno.writeTextFile(source, NOTES);
      const made = await new Deno.Command("protoc", {
        args: ["-I", dir, "--include_source_info", `--descriptor_set_out=${set}`, source],
      }).output();
      assert.equal(new TextDecoder().decode(made.stderr), "");
      const describe = async (symbol: string, ...from: string[]) => {
        const { code, out, err } = await runClient(["describe", symbol, ...from]);
        assert.deepEqual([code, err], [0, ""], symbol);
        return out;
      };
      const table: [symbol: string, expected: string | RegExp][] = [
        ["notes.Outer", OUTER],
        ["notes.Outer.Extra", /^\/\/ Of a group\.\nmessage .*\n {2}\/\/ Of a field in a group\.$/m],
        ["notes.Outer.slow", "// Of one of its fields.\nstring slow = 3;\n"],
        ["notes.Outer.Inner.more", /^\/\/ Of an extension within a message\.\nextend notes\.Outer/],
        ["notes.Kind", "// Of an enum.\nenum notes.Kind {\n  // After a value.\n  ONE = 1;\n}\n"],
        ["notes.shut", /^\/\/ Of an extension\.\nextend notes\.Open \{\n/],
        ["notes.Desk", /^\/\/ Of a service,\n\/\/ in two lines\.\n.*\n {2}\/\/ Of a method\.$/m],
        ["notes.Desk/Ask", /^\/\/ Of a method\.\nrpc Ask/],
      ];
      for (const [symbol, expected] of table) {
        await t.step(symbol, async () => {
          const out = await describe(symbol, "--proto", source);
          if (typeof expected === "string") assert.equal(out, expected);
          else assert.match(out, expected);
          assert.equal(await describe(symbol, "--protoset", set), out);
        });
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
