/**
 * The self-extracting executable: whatever the machine does to it, it runs the program it holds or
 * says why not. Everything here starts a real executable, made once from `support/tiny.ts`.
 */
import assert from "node:assert/strict";
import { selfExtracting } from "../scripts/build/self_extracting.ts";
import { Bed, flipByte, hasTool, IS_ROOT, NOBODY, run, unpacked } from "./support/executable.ts";
import { Process } from "./support/process.ts";

Deno.test("selfExtracting refuses words that a shell could read as more", async () => {
  const deno = {
    version: "2.9.6",
    target: "x86_64-unknown-linux-gnu",
    sum: "0",
    packed: new Uint8Array(),
  };
  const options = { name: "tiny", version: "1", bundle: new Uint8Array(), flags: [], deno };
  await assert.rejects(selfExtracting({ ...options, flags: ["--a; rm"] }), /"--a; rm"/);
  await assert.rejects(selfExtracting({ ...options, name: "a'b" }), /"a'b"/);
  const windows = { ...deno, target: "x86_64-pc-windows-msvc" };
  await assert.rejects(selfExtracting({ ...options, deno: windows }), /x86_64-pc-windows-msvc/);
});

Deno.test({
  name: "a self-extracting executable runs the program that it holds",
  ignore: Deno.build.os === "windows",
  fn: async (t) => {
    await using bed = await Bed.make();
    const cache = await bed.folder();
    const path = Deno.env.get("PATH")!;
    const env = { PATH: path, XDG_CACHE_HOME: cache, TMPDIR: await bed.folder() };
    const { tiny } = bed;

    await t.step("with the arguments as they are", async () => {
      const args = ["a b", "", "*", "$HOME", `'"\\`, "--help", "-A", "--", "ü\nü"];
      const { stdout, stderr, code } = await run(tiny, ["args", ...args], { env });
      assert.deepEqual({ stderr, code }, { stderr: "", code: 0 });
      assert.deepEqual(JSON.parse(stdout), args);
    });

    await t.step("and its exit code", async () => {
      for (const code of [0, 1, 2, 78, 255]) {
        assert.equal((await run(tiny, ["exit", String(code)], { env })).code, code);
      }
    });

    await t.step("with the environment as it is, but for where Deno keeps its caches", async () => {
      const mine = { ...env, name: "mine", FOO: "a b\n'" };
      const { DENO_DIR, DENO_NO_UPDATE_CHECK, ...rest } = JSON.parse(
        (await run(tiny, ["env"], { env: mine })).stdout,
      );
      assert.equal(DENO_DIR, `${cache}/ghub-programs/cache`);
      assert.equal(DENO_NO_UPDATE_CHECK, "1");
      delete rest["PWD"]; // a shell sets it, and so would the caller's
      assert.deepEqual(rest, mine);
    });

    await t.step("with standard input from a pipe, a file, nothing and closed", async () => {
      const text = "x".repeat(300_000);
      assert.equal((await run(tiny, ["cat"], { env, stdin: text })).stdout, text);
      await Deno.writeTextFile(`${bed.dir}/input`, text);
      const sh = (line: string) => run("/bin/sh", ["-c", line, tiny, `${bed.dir}/input`], { env });
      assert.equal((await sh(`"$0" cat <"$1"`)).stdout, text);
      assert.equal((await sh(`"$0" cat </dev/null`)).stdout, "");
      assert.equal((await sh(`"$0" terminal <&-`)).code, 0);
    });

    await t.step({
      name: "on a terminal",
      ignore: !await hasTool("script"),
      fn: async () => {
        const { stdout } = await run("script", ["-qec", `${tiny} terminal`, "/dev/null"], { env });
        assert.match(stdout, /^true true\r?\n$/);
      },
    });

    await t.step("as the process that was started", async () => {
      const child = new Deno.Command(tiny, { args: ["pid"], env, stdout: "piped" }).spawn();
      const { stdout } = await child.output();
      assert.equal(Number(new TextDecoder().decode(stdout)), child.pid);
    });

    await t.step("which gets the signals", async () => {
      const gentle = Process.start("tiny", tiny, ["wait"], { env });
      await gentle.line(/^waiting$/);
      assert.deepEqual(await gentle.stop(), { code: 7, signal: null });
      assert.deepEqual(gentle.lines, ["SIGTERM came"]);
      const rough = Process.start("tiny", tiny, ["wait"], { env });
      await rough.line(/^waiting$/);
      assert.equal((await rough.kill()).signal, "SIGKILL");
    });

    await t.step({
      name: "under its own name, with the caller's umask",
      ignore: Deno.build.os !== "linux",
      fn: async () => {
        const line = 'umask 027; exec "$0" wait';
        await using child = Process.start("tiny", "/bin/sh", ["-c", line, tiny], { env });
        await child.line(/^waiting$/);
        assert.equal(await Deno.readTextFile(`/proc/${child.pid}/comm`), "tiny\n");
        assert.match(await Deno.readTextFile(`/proc/${child.pid}/status`), /^Umask:\s+0027$/m);
      },
    });

    await t.step("with the permissions that it was built with, and no questions", async () => {
      const { stdout, stderr } = await run(tiny, ["run"], { env });
      assert.deepEqual({ stdout, stderr }, { stdout: "NotCapable\n", stderr: "" });
    });

    await t.step("from any folder, by a link, from a path with spaces, by PATH", async () => {
      const dir = await bed.folder();
      await Deno.mkdir(`${dir}/a b`);
      await Deno.symlink(tiny, `${dir}/a b/other name`);
      const fresh = { ...env, XDG_CACHE_HOME: await bed.folder() };
      assert.equal((await run(`${dir}/a b/other name`, ["args"], { env: fresh })).stdout, "[]\n");
      const path = { ...fresh, PATH: `${bed.dir}:${env.PATH}`, XDG_CACHE_HOME: `${dir}/a b` };
      assert.equal((await run("/bin/sh", ["-c", "tiny args"], { env: path })).stdout, "[]\n");
    });

    await t.step({
      name: "without a network",
      ignore: !IS_ROOT || (await run("unshare", ["-n", "true"])).code !== 0,
      fn: async () => {
        const fresh = { ...env, XDG_CACHE_HOME: await bed.folder() };
        const { stdout } = await run("unshare", ["-n", tiny, "args"], { env: fresh });
        assert.equal(stdout, "[]\n");
      },
    });

    await t.step("also when many start for the first time at once", async (t) => {
      // Without flock and without any tool for checksums: the renames alone must do.
      const bare = await bed.folder();
      const tools = "sh stat find tail head gzip mv ln rm mkdir mktemp chmod id uname wc";
      for (const tool of tools.split(" ")) {
        const { stdout } = await run("/bin/sh", ["-c", `command -v ${tool}`], { env });
        await Deno.symlink(stdout.trim(), `${bare}/${tool}`);
      }
      for (const PATH of [env.PATH, bare]) {
        await t.step(PATH === bare ? "with few tools" : "with flock", async () => {
          const fresh = { ...env, PATH, XDG_CACHE_HOME: await bed.folder() };
          const starts = Array.from(
            { length: 5 },
            (_, i) => run(tiny, ["args", `${i}`], { env: fresh }),
          );
          for (const [i, { stdout, stderr }] of (await Promise.all(starts)).entries()) {
            assert.deepEqual({ stdout, stderr }, { stdout: `["${i}"]\n`, stderr: "" });
          }
          await unpacked(fresh.XDG_CACHE_HOME);
          // None of them took flight to the next folder.
          assert.deepEqual(await Array.fromAsync(Deno.readDir(env.TMPDIR)), []);
        });
      }
    });

    await t.step("whatever happened to what was unpacked", async (t) => {
      const { program, deno } = await unpacked(cache);
      const main = await Deno.readTextFile(`${program}/main.js`);
      const evil = "console.log('evil')";
      const elsewhere = await bed.folder();
      await Deno.writeTextFile(`${elsewhere}/main.js`, evil);
      const damages: [name: string, damage: () => Promise<void>][] = [
        ["a program of other content", () => Deno.writeTextFile(`${program}/main.js`, evil)],
        [
          "a program of other content, of the same size and time",
          async () => {
            const { mtime } = await Deno.stat(`${program}/main.js`);
            await Deno.writeTextFile(`${program}/main.js`, evil.padEnd(main.length));
            await Deno.utime(`${program}/main.js`, mtime!, mtime!);
          },
        ],
        ["a truncated program", () => Deno.truncate(`${program}/main.js`, 10)],
        ["a lost program", () => Deno.remove(`${program}/main.js`)],
        ["a lost record", () => Deno.remove(`${program}/checked`)],
        ["a damaged record", () => Deno.writeTextFile(`${program}/checked`, "1\n")],
        ["a lost folder", () => Deno.remove(program, { recursive: true })],
        [
          "a link in the place of its folder",
          async () => {
            await Deno.remove(program, { recursive: true });
            await Deno.symlink(elsewhere, program);
          },
        ],
        ["a flipped bit in Deno", () => flipByte(deno, 50_000_000)],
        ["a truncated Deno", () => Deno.truncate(deno, 1_000_000)],
        ["a Deno that may not run", () => Deno.chmod(deno, 0o600)],
        ["a lost Deno", () => Deno.remove(deno)],
        [
          "damaged caches of Deno",
          async () => {
            for await (const { name, isFile } of Deno.readDir(`${cache}/ghub-programs/cache`)) {
              if (isFile) {
                await Deno.writeTextFile(`${cache}/ghub-programs/cache/${name}`, "x".repeat(9000));
              }
            }
          },
        ],
      ];
      for (const [name, damage] of damages) {
        await t.step(name, async () => {
          await damage();
          assert.equal((await run(tiny, ["args", "a"], { env })).stdout, `["a"]\n`);
          assert.equal(await Deno.readTextFile(`${program}/main.js`), main);
          assert.equal(await Deno.readTextFile(`${elsewhere}/main.js`), evil);
        });
      }
    });

    await t.step("and finds a place to unpack", async (t) => {
      // As an ordinary user: for root, nothing is read-only.
      const uid = IS_ROOT ? { uid: NOBODY } : {};
      const tmp = await bed.folder(0o1777);
      const own = await bed.folder(0o777);
      const base = { PATH: path, TMPDIR: tmp };
      const user = IS_ROOT ? NOBODY : Deno.uid()!;
      const inTmp = `${tmp}/ghub-programs-${user}`;
      const readOnly = await bed.folder(0o555);
      const taken = await bed.folder(0o777);
      await Deno.symlink(own, `${taken}/ghub-programs`);
      const open = await bed.folder(0o777);
      await Deno.mkdir(`${open}/ghub-programs`);
      await Deno.chmod(`${open}/ghub-programs`, 0o777);
      if (IS_ROOT) await Deno.chown(`${open}/ghub-programs`, user, user);
      const cases: [name: string, env: Record<string, string>, place: string][] = [
        ["in HOME", { HOME: own }, `${own}/.cache/ghub-programs`],
        ["in XDG_CACHE_HOME first", { HOME: tmp, XDG_CACHE_HOME: own }, `${own}/ghub-programs`],
        ["with a relative XDG_CACHE_HOME", { HOME: own, XDG_CACHE_HOME: "x" }, `${own}/.cache/`],
        ["without HOME", {}, inTmp],
        ["with a missing HOME", { HOME: "/nonexistent" }, inTmp],
        ["with a read-only HOME", { HOME: readOnly }, inTmp],
        ["when a link stands there", { XDG_CACHE_HOME: taken }, inTmp],
        ["when others may write there", { XDG_CACHE_HOME: open }, inTmp],
      ];
      if (IS_ROOT) {
        const foreign = await bed.folder();
        await Deno.mkdir(`${foreign}/ghub-programs`);
        cases.push(["when it belongs to another", { XDG_CACHE_HOME: foreign }, inTmp]);
      }
      for (const [name, extra, place] of cases) {
        await t.step(name, async () => {
          const result = await run(tiny, ["program"], { env: { ...base, ...extra }, ...uid });
          assert.ok(result.stdout.startsWith(place), `${result.stdout}${result.stderr}`);
          assert.equal((await Deno.stat(place)).mode! & 0o777, 0o700);
        });
      }

      await t.step("or says where it looked and what to do", async () => {
        const squatted = await bed.folder(0o777);
        await Deno.symlink(own, `${squatted}/ghub-programs-${user}`);
        const bad = { PATH: env.PATH, HOME: readOnly, XDG_CACHE_HOME: open, TMPDIR: squatted };
        const { code, stdout, stderr } = await run(tiny, ["program"], { env: bad, ...uid });
        assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
        assert.deepEqual(stderr.trimEnd().split("\n"), [
          "tiny: Cannot unpack. Tried:",
          `  ${open}/ghub-programs: others may write to it`,
          `  ${readOnly}/.cache/ghub-programs: it cannot be made`,
          `  ${squatted}/ghub-programs-${user}: it is a symbolic link`,
          "Set XDG_CACHE_HOME to a folder of yours where programs may run",
        ]);
      });

      await t.step({
        name: "but not one that is mounted noexec",
        ignore: !IS_ROOT || (await run("unshare", ["-m", "true"])).code !== 0,
        fn: async () => {
          const mount = await bed.folder();
          const line = `mount -t tmpfs -o noexec tmpfs ${mount} && exec ${tiny} program`;
          const only = { PATH: env.PATH, XDG_CACHE_HOME: mount, HOME: mount, TMPDIR: mount };
          const { code, stderr } = await run("unshare", ["-m", "sh", "-c", line], { env: only });
          assert.equal(code, 1);
          assert.equal(
            stderr.match(/programs may not run there \(is it mounted noexec\?\)/g)?.length,
            3,
          );
          const withTmp = { ...only, TMPDIR: tmp };
          const { stdout } = await run("unshare", ["-m", "sh", "-c", line], { env: withTmp });
          assert.ok(stdout.startsWith(`${tmp}/ghub-programs-0/`), stdout);
        },
      });

      await t.step({
        name: "nor one without room",
        ignore: !IS_ROOT || (await run("unshare", ["-m", "true"])).code !== 0,
        fn: async () => {
          const mount = await bed.folder();
          const line = `mount -t tmpfs -o size=20m tmpfs ${mount} && exec ${tiny} program`;
          const only = { PATH: env.PATH, XDG_CACHE_HOME: mount, HOME: mount, TMPDIR: mount };
          const { code, stderr } = await run("unshare", ["-m", "sh", "-c", line], { env: only });
          assert.equal(code, 1);
          assert.match(stderr, /is there room for 150 MB\?/);
        },
      });
    });

    await t.step("or says what is wrong with the file", async (t) => {
      const bytes = await Deno.readFile(tiny);
      const damaged = bytes.slice();
      const middle = bytes.length / 2 | 0;
      damaged[middle] = damaged[middle]! ^ 0xff;
      const foreign = { ...bed.deno, target: "aarch64-unknown-linux-gnu" };
      const other = Deno.build.arch === "aarch64"
        ? { ...foreign, target: "x86_64-unknown-linux-gnu" }
        : foreign;
      const cases: [name: string, bytes: Uint8Array, message: RegExp][] = [
        ["a part is missing", bytes.subarray(0, middle), /was not copied as a whole; it must have/],
        ["F9: a byte differs", damaged, /this file is damaged: copy it again/],
        [
          "it is for another machine",
          await bed.build(other),
          /this file is for Linux \w+, this mach/,
        ],
      ];
      for (const [name, content, message] of cases) {
        await t.step(name, async () => {
          const file = `${await bed.folder()}/tiny`;
          await Deno.writeFile(file, content, { mode: 0o755 });
          const fresh = { ...env, XDG_CACHE_HOME: await bed.folder(), TMPDIR: await bed.folder() };
          const { code, stdout, stderr } = await run(file, ["args"], { env: fresh });
          assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
          assert.match(stderr, message);
        });
      }
    });
  },
});
