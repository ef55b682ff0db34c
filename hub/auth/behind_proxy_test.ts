import assert from "node:assert/strict";
import { isForwarded } from "./behind_proxy.ts";
import { CallHeaders } from "../access/call_head.ts";

Deno.test("D2: what proxies, load balancers and CDNs add cancels the trust in loopback", async (t) => {
  const names = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-envoy-internal",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-ray",
    "fastly-client-ip",
    "x-original-forwarded-for",
    "x-azure-clientip",
    "cdn-loop",
  ];
  for (const name of names) {
    await t.step(name, () => {
      assert.equal(isForwarded([["host", "h"], [name, ""]]), true);
      assert.equal(new CallHeaders([[":path", "/"], [name, ""]]).forwarded, true);
    });
  }
});

Deno.test("isForwarded() leaves what callers send by themselves", async (t) => {
  for (const name of ["host", "user-agent", "x-request-id", "traceparent", "x-hub-server", "cfg"]) {
    await t.step(name, () => assert.equal(isForwarded([[name, ""]]), false));
  }
});
