import assert from "node:assert/strict";
import { UsageError } from "../cli/usage_error.ts";
import {
  hasPassword,
  parseProxy,
  proxyFor,
  type ProxyOptions,
  redactProxy,
  targetOf,
} from "./proxy.ts";

const SECURE = "wss://hub.example:8443/ws";

Deno.test("proxyFor() follows flag, environment and NO_PROXY", async (t) => {
  const secure = { HTTPS_PROXY: "http://s:1", HTTP_PROXY: "http://p:1" };
  const table: [what: string, hub: string, options: ProxyOptions, proxy?: string][] = [
    ["nothing set", SECURE, { env: {} }],
    ["the flag", SECURE, { proxy: "http://f:1", env: secure }, "http://f:1/"],
    ["the flag beats NO_PROXY", SECURE, { proxy: "f:1", env: { NO_PROXY: "*" } }, "http://f:1/"],
    ["the flag goes for loopback", "ws://localhost/ws", { proxy: "f:1", env: {} }, "http://f:1/"],
    ["--proxy direct", SECURE, { proxy: "direct", env: secure }],
    ["wss", SECURE, { env: secure }, "http://s:1/"],
    ["ws", "ws://hub.example/ws", { env: secure }, "http://p:1/"],
    ["lower case", SECURE, { env: { https_proxy: "l:1" } }, "http://l:1/"],
    ["ALL_PROXY", SECURE, { env: { ALL_PROXY: "a:1" } }, "http://a:1/"],
    ["an empty variable", SECURE, { env: { HTTPS_PROXY: "" } }],
    ["loopback name", "wss://localhost:1/ws", { env: secure }],
    ["loopback address", "wss://127.0.0.2:1/ws", { env: secure }],
    ["loopback IPv6", "wss://[::1]:1/ws", { env: secure }],
    ["NO_PROXY=*", SECURE, { env: { ...secure, NO_PROXY: "*" } }],
    ["the host", SECURE, { env: { ...secure, NO_PROXY: "a, hub.example" } }],
    ["the host in capitals", SECURE, { env: { ...secure, NO_PROXY: "HUB.Example" } }],
    ["a parent", SECURE, { env: { ...secure, NO_PROXY: "example" } }],
    ["a parent with a dot", SECURE, { env: { ...secure, no_proxy: ".example" } }],
    ["a parent with a star", SECURE, { env: { ...secure, no_proxy: "*.example" } }],
    [
      "only what is below",
      SECURE,
      { env: { ...secure, NO_PROXY: ".hub.example" } },
      "http://s:1/",
    ],
    ["half a label", SECURE, { env: { ...secure, NO_PROXY: "ub.example" } }, "http://s:1/"],
    ["the port", SECURE, { env: { ...secure, NO_PROXY: "hub.example:8443" } }],
    ["another port", SECURE, { env: { ...secure, NO_PROXY: "hub.example:1" } }, "http://s:1/"],
    ["E2: a CIDR", "wss://10.1.2.3/ws", { env: { ...secure, NO_PROXY: "10.0.0.0/8" } }],
    [
      "E2: another CIDR",
      "wss://11.1.2.3/ws",
      { env: { ...secure, NO_PROXY: "10.0.0.0/8" } },
      "http://s:1/",
    ],
    ["E2: a CIDR is no name", "wss://10.0.0.0.example/ws", {
      env: { ...secure, NO_PROXY: "10.0.0.0/8" },
    }, "http://s:1/"],
    ["E2: a CIDR of IPv6", "wss://[fd00::7]/ws", { env: { ...secure, NO_PROXY: "fd00::/8" } }],
    ["E2: an IPv6 address, written otherwise", "wss://[fd00::7]/ws", {
      env: { ...secure, no_proxy: "fd00:0::7" },
    }],
    ["E2: an IPv6 address with its port", "wss://[fd00::7]:8443/ws", {
      env: { ...secure, no_proxy: "[fd00::7]:8443" },
    }],
    ["E2: bits that cannot be", "wss://10.1.2.3/ws", {
      env: { ...secure, NO_PROXY: "10.0.0.0/33" },
    }, "http://s:1/"],
    ["E2: an empty NO_PROXY", SECURE, { env: { ...secure, NO_PROXY: "", no_proxy: "*" } }],
    ["E2: loopback that is none", "wss://127.evil.example/ws", { env: secure }, "http://s:1/"],
    ["E2: http_proxy of a plain call port", "http://hub.example:9090", {
      env: { http_proxy: "l:1" },
    }, "http://l:1/"],
    [
      "E2: HTTPS_PROXY of a call port with TLS",
      "https://hub.example:9090",
      { env: secure },
      "http://s:1/",
    ],
    ["E2: http_proxy, but the call port is here", "http://localhost:9090", {
      env: { http_proxy: "l:1" },
    }],
    ["E2: SOCKS", SECURE, { env: { ALL_PROXY: "socks5://a:1" } }, "socks5://a:1"],
    ["the default port", "wss://h.e/", { env: { ...secure, NO_PROXY: "h.e:443" } }],
  ];
  for (const [what, hub, options, proxy] of table) {
    await t.step(what, () => assert.equal(proxyFor(targetOf(new URL(hub)), options)?.href, proxy));
  }
});

Deno.test("parseProxy() refuses what is none, and repeats no password", async (t) => {
  for (const text of ["http://", "socks4://u:secret@h:1", "http://u:secret@h:99999", "u:secret@"]) {
    await t.step(text, () => {
      assert.throws(() => parseProxy(text, "HTTPS_PROXY"), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, /HTTPS_PROXY/);
        assert.doesNotMatch(error.message + error.hint, /secret/);
        return true;
      });
    });
  }
});

Deno.test("hasPassword() sees a credential, also in what is no URL", () => {
  for (const text of ["http://u:p@h:1", "u:p@h:1", "http://token@h", "u:p@"]) {
    assert.ok(hasPassword(text), text);
  }
  for (const text of ["http://h:1", "h", "direct", "[::1]:1"]) assert.ok(!hasPassword(text), text);
});

Deno.test("redactProxy() shows no credential", () => {
  assert.equal(redactProxy(new URL("http://user:secret@p.example:1")), "http://…@p.example:1");
  assert.equal(redactProxy(new URL("https://p.example")), "https://p.example");
});
