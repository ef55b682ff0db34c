/**
 * The Fluentd service alone, for a machine that a test has booted: it listens on a unix socket, which
 * the test reaches through that machine's files.
 *
 *     fluentd_host.ts /run/a.sock '{"manager":"systemd","unit":"a.service","stateDir":"/var/lib/a"}'
 *
 * @module
 */
import { TestService } from "../../server/fluentd/testing/kit.ts";

const [socket = "", options = ""] = Deno.args;
await TestService.open(JSON.parse(options), `unix:${socket}`);
