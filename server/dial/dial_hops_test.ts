import assert from "node:assert/strict";
import { isWithoutProgram } from "../../tests/support/daemon.ts";
import { deadPort } from "../../tests/support/dead_port.ts";
import { startNginx } from "../../tests/support/nginx.ts";
import { World } from "../../tests/support/world.ts";
import { failure, tryDial } from "../testing/dial_fixture.ts";
import { nextTry, SLOW_RETRY_MS } from "../tunnel/retry_policy.ts";

const NGINX = /The proxy "nginx\/[\d.]+"/;

Deno.test({
  name:
    "E3: what a real nginx before the hub answers is told as nginx's, with what to change there",
  ignore: isWithoutProgram("nginx"),
  async fn(t) {
    await using world = await World.start({ servers: [] });
    using dead = await deadPort();
    const hub = new URL(world.tunnelUri.replace(/^ws/, "http")).origin;
    const table: [what: string, location: string, says: RegExp, hint: RegExp, slow: boolean][] = [
      [
        "no Upgrade headers, HTTP/1.0 to the hub",
        `proxy_pass ${hub};`,
        /does not pass our request on unchanged: the hub answered 505/,
        /proxy_http_version 1\.1; proxy_set_header Upgrade/,
        true,
      ],
      [
        "no Upgrade headers, HTTP/1.1 to the hub",
        `proxy_pass ${hub}; proxy_http_version 1.1;`,
        /does not pass our request on unchanged: the hub answered 426/,
        /proxy_set_header Connection "upgrade"/,
        true,
      ],
      [
        "301",
        "return 301 https://hub.example:8443/ws?token=secret;",
        /answered 301: it leads to https:\/\/hub\.example:8443\/ws;/,
        /--hub-uri wss:\/\/hub\.example:8443\/ws/,
        true,
      ],
      [
        "301 to plain text",
        "return 301 http://hub.example/ws;",
        /http:\/\/hub/,
        /without a redirect/,
        true,
      ],
      [
        "502",
        `proxy_pass http://${dead.address};`,
        /answered 502; no hub answered/,
        /is the hub running/,
        false,
      ],
      [
        "its own 401",
        `auth_basic closed; auth_basic_user_file login; proxy_pass ${hub};`,
        /answered 401; no hub answered/,
        /auth_basic off/,
        true,
      ],
      ["403", "deny all;", /answered 403/, /allow the path/, true],
      ["404", "return 404;", /answered 404/, /forward that path/, true],
      ["a page", 'return 200 "hello";', /answered 200: hello/, /not the hub itself/, true],
      [
        "the hub's own refusal, passed on",
        `proxy_pass ${hub}/no; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; ` +
        `proxy_set_header Connection "upgrade";`,
        /^The hub answered 404: Tunnels are at \/ws/,
        /\/ws/,
        true,
      ],
    ];
    for (const [what, location, says, hint, slow] of table) {
      await t.step(what, async () => {
        await using nginx = await startNginx(location);
        const error = await failure(new URL(`ws://${nginx.address}/ws`));
        if (!says.source.startsWith("^The hub")) assert.match(error.message, NGINX);
        assert.match(error.message, says);
        assert.match(error.hint ?? "", hint);
        assert.doesNotMatch(`${error.message} ${error.hint}`, /secret|uri ws:/);
        const { waitMs } = nextTry(0, { kind: "failed", ...error }, { random: () => 0.5 });
        assert.equal(waitMs === SLOW_RETRY_MS, slow);
      });
    }
    await t.step("as docs/operations.md has it, a tunnel opens", async () => {
      const docs = await Deno.readTextFile(new URL("../../docs/operations.md", import.meta.url));
      const [, location = ""] = /```nginx\nlocation \/ws \{\n([^}]*)\}/.exec(docs) ?? [];
      await using nginx = await startNginx(location.replace("http://127.0.0.1:8080", hub));
      assert.equal(await tryDial(new URL(`ws://${nginx.address}/ws`)), "open");
    });
  },
});
