/**
 * `gserver --pin-sha256` with the real programs: the pin that the hub shows is the one to give, and a
 * hub changes its key in good order when servers know both.
 *
 * @module
 */
import assert from "node:assert/strict";
import { generateCertificate } from "../shared/tls/generate.ts";
import { pinOf } from "../shared/tls/pin.ts";
import { World } from "./support/world.ts";

Deno.test("a server dials a hub whose key is pinned, and no other, over a change of the key", async (t) => {
  const other = await generateCertificate(["localhost", "127.0.0.1"]);
  const nextPin = pinOf(other.cert);
  await using world = await World.start({ servers: [], tls: true });
  const [, pin = ""] = await world.hub.says(/--pin-sha256 (\S{44})/);
  assert.equal(pin, pinOf(await Deno.readTextFile(world.caCertFile)));

  await t.step("the pin that the hub's log shows", async () => {
    await world.startServer({ name: "one", program: "gserver", args: ["--pin-sha256", pin] });
  });
  await t.step("two pins", async () => {
    const pins = ["--pin-sha256", `sha256//${nextPin}`, "--pin-sha256", pin];
    await world.startServer({ name: "both", program: "gserver", args: pins });
  });
  await t.step("another one is an error that names both", async () => {
    const args = ["--pin-sha256", nextPin, "--tls-insecure-skip-verify"];
    const server = world.spawnServer({ name: "wrong", program: "gserver", args });
    const [, expected, found] = await server.says(/expected (\S+), found (\S{44})/);
    assert.deepEqual([expected, found], [nextPin, pin]);
    // With a pin, a certificate need not be verified otherwise.
    assert.doesNotMatch(server.stderr, /anybody in between can pose as the hub/);
  });
  await t.step("the hub's key changes: who knows the next one comes back", async () => {
    await Deno.writeTextFile(world.caCertFile, other.cert);
    await Deno.writeTextFile(`${world.dir}/hub.key`, other.key, { mode: 0o600 });
    await world.hub.says(new RegExp(`is in use: .* its pin is ${RegExp.escape(nextPin)}`));
    await world.hub.stop();
    await world.startHub();
    await world.server("both").line(/^gserver ready server=both /);
    await world.server("one").says(new RegExp(`found ${RegExp.escape(nextPin)}`));
  });
});
