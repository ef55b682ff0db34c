import assert from "node:assert/strict";
import { configureLog, resetLog } from "../../shared/cli/log.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { until } from "../../tests/support/until.ts";
import { CertificateWatch, loadIdentity } from "./certificate_watch.ts";
import type { TlsIdentity } from "./listen_options.ts";

const DAY_MS = 86_400_000;

/** A folder with a certificate, and what the watch says and does about it. */
class World implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly used: TlsIdentity[] = [];
  readonly folder: string;
  now = Date.now();
  /** What becomes of what is used. */
  using: (() => Promise<void>) | undefined;
  #watch: CertificateWatch | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<World> {
    const world = new World(await Deno.makeTempDir());
    await configureLog({ level: "info", write: (line) => world.lines.push(line) });
    return world;
  }

  get files() {
    return { certFile: `${this.folder}/hub.crt`, clientCaFile: undefined };
  }

  async put(name: "hub.crt" | "hub.key", text: string): Promise<void> {
    await Deno.writeTextFile(`${this.folder}/new`, text, { mode: 0o600 });
    await Deno.rename(`${this.folder}/new`, `${this.folder}/${name}`);
  }

  async watch(): Promise<CertificateWatch> {
    return this.#watch = new CertificateWatch({
      files: this.files,
      current: await loadIdentity(this.files),
      use: async (identity) => {
        this.used.push(identity);
        await this.using?.();
      },
      pollMs: 10,
      now: () => this.now,
    });
  }

  said(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Waits for the look that may be under way: it would read on when the test has ended.
    await this.#watch?.look().catch(() => {});
    await resetLog();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("CertificateWatch uses a renewed certificate, when it and its key are both there", async () => {
  await using world = await World.start();
  const first = await generateCertificate(["localhost"]);
  await world.put("hub.crt", first.cert);
  await world.put("hub.key", first.key);
  using _ = await world.watch();
  const second = await generateCertificate(["localhost"]);
  await world.put("hub.crt", second.cert);
  await until("a complaint", () => world.said(/NOT in use/) > 0);
  assert.equal(world.used.length, 0);
  await world.put("hub.key", second.key);
  await until("the second one to be used", () => world.used.length > 0);
  assert.deepEqual(world.used.map(({ cert }) => cert), [second.cert]);
  await until("a word", () => world.said(/is another certificate, and is in use/) === 1);
  await world.put("hub.crt", "rubbish");
  await until(
    "another complaint",
    () => world.said(/NOT in use.*there is no certificate in it/) === 1,
  );
  assert.equal(world.used.length, 1);
  for (const { key } of [first, second]) {
    assert.ok(!world.lines.some((line) => line.includes(key.split("\n")[1]!)), "a key is shown");
  }
});

Deno.test("CertificateWatch says once that a certificate cannot be used, however often it tries", async () => {
  await using world = await World.start();
  const [first, second] = [
    await generateCertificate(["localhost"]),
    await generateCertificate(["localhost"]),
  ];
  await world.put("hub.crt", first.cert);
  await world.put("hub.key", first.key);
  using _ = await world.watch();
  world.using = () => Promise.reject(new Error("no listener takes it"));
  await world.put("hub.key", second.key);
  await world.put("hub.crt", second.cert);
  await until("several tries", () => world.used.length > 3);
  assert.equal(world.said(/NOT in use.*no listener takes it/), 1);
});

Deno.test("CertificateWatch warns 30, 7 and 1 days before the end, and at it, once each", async () => {
  await using world = await World.start();
  const { cert, key } = await generateCertificate(["localhost"], { days: 60 });
  await world.put("hub.crt", cert);
  await world.put("hub.key", key);
  using _ = await world.watch();
  const end = world.now + 60 * DAY_MS;
  const warnings = () => world.said(/renew it|peers refuse it/);
  assert.equal(warnings(), 0);
  for (const [i, days] of [29, 6, 0.9, -1].entries()) {
    world.now = end - days * DAY_MS;
    await until(`the warning at ${days} days`, () => warnings() === i + 1);
  }
  assert.match(world.lines.at(-1)!, /ended .*peers refuse it/);
});

Deno.test("loadIdentity() refuses authorities that others may change", async () => {
  await using world = await World.start();
  const { cert, key } = await generateCertificate(["localhost"]);
  await world.put("hub.crt", cert);
  await world.put("hub.key", key);
  const clientCaFile = `${world.folder}/ca.crt`;
  await Deno.writeTextFile(clientCaFile, cert);
  assert.equal((await loadIdentity({ ...world.files, clientCaFile })).clientCa, cert);
  await Deno.chmod(clientCaFile, 0o666);
  await assert.rejects(
    loadIdentity({ ...world.files, clientCaFile }),
    /Cannot use --client-ca .*: others may change it; run: chmod go-w/,
  );
});
