import assert from "node:assert/strict";
import { formatHostPort, parseHostPort } from "./parse_host_port.ts";
import { UsageError } from "./usage_error.ts";

Deno.test("parseHostPort() reads, and formatHostPort() writes it back", async (t) => {
  const table: [text: string, host: string, port: number][] = [
    [":8080", "", 8080],
    ["0.0.0.0:8080", "0.0.0.0", 8080],
    ["[::1]:0", "::1", 0],
    ["[fe80::1%eth0]:1", "fe80::1%eth0", 1],
    ["[::]:65535", "::", 65535],
    ["localhost:0", "localhost", 0],
    ["hub.example.org:9090", "hub.example.org", 9090],
  ];
  for (const [text, host, port] of table) {
    await t.step(text, () => {
      assert.deepEqual(parseHostPort(text, { usualPort: 9090 }), { host, port });
      assert.equal(formatHostPort({ host, port }), text);
    });
  }
});

Deno.test("parseHostPort() refuses the rest and says what to write", async (t) => {
  const table: [text: string, hint: RegExp][] = [
    ["", /host:port/],
    ["localhost", /port is missing: write localhost:9090/],
    ["localhost:", /host:port/],
    ["localhost:65536", /port is 0 to 65535/],
    [":99999", /port is 0 to 65535/],
    ["8080", /port alone as :8080$/],
    ["localhost:http", /host:port/],
    ["::1:9091", /brackets: \[::1\]:9091$/],
    ["::1", /brackets: \[::1\]:9090$/],
    ["2001:db8::7", /brackets: \[2001:db8::7\]:9090$/],
    ["[localhost]:1", /host:port/],
    ["http://localhost:1", /without a scheme/],
    ["user@localhost:1", /host:port/],
    ["a b:1", /host:port/],
  ];
  for (const [text, hint] of table) {
    await t.step(JSON.stringify(text), () => {
      assert.throws(() => parseHostPort(text, { usualPort: 9090 }), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.hint ?? "", hint);
        return true;
      });
    });
  }
});

Deno.test("parseHostPort() proposes the port that is usual there", () => {
  assert.throws(() => parseHostPort("hub", { usualPort: 8080 }), {
    hint: "The port is missing: write hub:8080",
  });
});
