/**
 * docs/embedding.md, step by step: a project made of its blocks, in which the sources are a member of
 * the workspace. `deno check` looks at the types of its blocks, in `deno task ok`.
 */
import assert from "node:assert/strict";
import { VERSION } from "../shared/version.ts";
import { Process, REPOSITORY } from "./support/process.ts";

const page = Deno.readTextFileSync(`${REPOSITORY}docs/embedding.md`);

/** The blocks of a language. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))]
    .map(([, text = ""]) => text);
}

/** The blocks that are files, by their first line. */
const programs = new Map(
  blocks("ts").map((text) => [/^\/\/ (\w+\.ts)\n/.exec(text)?.[1] ?? "", text]),
);

Deno.test("docs/embedding.md is a project that runs: a hub, a server and a caller", async () => {
  assert.deepEqual([...programs.keys()], ["hub.ts", "server.ts", "client.ts"]);
  const dir = await Deno.makeTempDir({ prefix: "ghub-embedding-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.symlink(REPOSITORY.replace(/\/$/, ""), `${dir}/ghub`);
  const [config = "", ...others] = blocks("json");
  assert.deepEqual(others, []);
  await Deno.writeTextFile(`${dir}/deno.json`, config);
  await Deno.writeTextFile(`${dir}/shop.proto`, blocks("proto")[0]!);
  const write = (name: string, ports: Readonly<Record<string, string>>) => {
    let text = programs.get(name)!;
    for (const [from, to] of Object.entries(ports)) text = text.replaceAll(from, to);
    Deno.writeTextFileSync(`${dir}/${name}`, text);
  };
  const args = (name: string) => ["run", "-A", "--quiet", "--no-check", "--cached-only", name];
  const start = (name: string) =>
    cleanup.use(Process.start(name, Deno.execPath(), args(name), { cwd: dir }));

  write("hub.ts", { "port: 8080": "port: 0", "port: 9090": "port: 0" });
  const hub = start("hub.ts");
  const [, tunnel = "", call = ""] = await hub.line(/^hub ready tunnel=(\S+) call=(\S+)$/);
  write("server.ts", { "ws://127.0.0.1:8080/ws": tunnel });
  const server = start("server.ts");
  await server.line(/^server ready$/);
  write("client.ts", { "127.0.0.1:9090": call });
  const { code, stdout, stderr } = await Process.output(Deno.execPath(), args("client.ts"), {
    cwd: dir,
  });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, blocks("text")[0]);

  const described = await Process.output(Deno.execPath(), [
    ...["run", "-A", "--quiet", `${REPOSITORY}client/main.ts`],
    ...["describe", "acme.v1.Shop", "edge-1", "-s", call],
  ]);
  assert.match(described.stdout, /rpc Chat\(stream acme\.v1\.Order\)/, described.stderr);

  const documented = await Process.output(
    Deno.execPath(),
    ["doc", ...["hub", "server", "client"].map((name) => `ghub/${name}/mod.ts`)],
    { cwd: dir },
  );
  for (const name of ["runHub", "serveOnHub", "class HubClient"]) {
    assert.ok(documented.stdout.includes(name), `${name}: ${documented.stderr}`);
  }

  server.signal("SIGINT");
  assert.equal((await server.ended()).code, 0);
  hub.signal("SIGINT");
  assert.equal((await hub.ended()).code, 0);
});

Deno.test("deno.json has the version of the programs", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(`${REPOSITORY}deno.json`));
  assert.equal(version, VERSION);
});

Deno.test("the changelog and the security policy know the version of the programs", () => {
  const read = (path: string) => Deno.readTextFileSync(`${REPOSITORY}${path}`);
  assert.ok(read("CHANGELOG.md").includes(`\n## ${VERSION}\n`), "no section in CHANGELOG.md");
  const [major, minor] = VERSION.split(".");
  assert.ok(read("SECURITY.md").includes(`| ${major}.${minor}.x `), "no row in SECURITY.md");
});
