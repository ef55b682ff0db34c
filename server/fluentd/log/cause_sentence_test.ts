import assert from "node:assert/strict";
import { causeSentence, stackLast } from "./cause_sentence.ts";

const STACK = `
	from <internal:/usr/lib/ruby/vendor_ruby/rubygems/core_ext/kernel_require.rb>:85:in \`require'
	from /var/lib/gems/3.1.0/gems/fluentd-1.18.0/lib/fluent/registry.rb:69:in \`search'
	from /usr/local/bin/fluentd:25:in \`load'
	from /usr/local/bin/fluentd:25:in \`<main>'`;
const HEAD =
  '2026-11-30 08:47:07 +0000 [info]: starting fluentd-1.18.0 as dry run mode ruby="3.1.2"\n';
const INTERNAL = "<internal:/usr/lib/ruby/vendor_ruby/rubygems/core_ext/kernel_require.rb>:85:in";

Deno.test("G13: the sentence that a person needs, in each form in which Ruby prints it", async (t) => {
  const table: [text: string, sentence: string][] = [
    [
      `${HEAD}${INTERNAL} \`require': cannot load such file -- nosuchgem (LoadError)${STACK}`,
      "cannot load such file -- nosuchgem (LoadError)",
    ],
    [
      `${INTERNAL} 'Kernel#require': cannot load such file -- nosuchgem (LoadError)${STACK}`,
      "cannot load such file -- nosuchgem (LoadError)",
    ],
    [
      `(eval):3:in \`fetch': key not found: "NOPE" (KeyError)${STACK}`,
      'key not found: "NOPE" (KeyError)',
    ],
    [
      `(eval at /x/literal_parser.rb:193):3:in 'Hash#fetch': key not found: "NOPE" (KeyError)${STACK}`,
      'key not found: "NOPE" (KeyError)',
    ],
    [
      "/x/basic_parser.rb:92:in `parse_error!': expected end tag '</source>' but got end of file at a.conf " +
      `line 2,11 (Fluent::ConfigParseError)\n  1: <source>\n  2:  @type tcp\n\n     -----------^${STACK}`,
      "expected end tag '</source>' but got end of file at a.conf line 2,11 (Fluent::ConfigParseError)",
    ],
    [
      `${INTERNAL} \`require': /p/out_x.rb:1: syntax error, unexpected end-of-input (SyntaxError)\nclass X; def\n      ^${STACK}`,
      "/p/out_x.rb:1: syntax error, unexpected end-of-input (SyntaxError)",
    ],
    [
      `${HEAD}2026-11-30 08:47:07 +0000 [error]: config error file="a" error="Unknown output plugin 'nosuch'. Run 'gem search -rd fluent-plugin' to find plugins"`,
      `config error file="a" error="Unknown output plugin 'nosuch'. Run 'gem search -rd fluent-plugin' to find plugins"`,
    ],
    [
      `Traceback (most recent call last):\n\t2: from /usr/bin/fluentd:25:in \`<main>'\n\t1: from /x.rb:1:in \`y'\n/x/socket.rb:201:in \`bind': Address already in use - bind(2) for 0.0.0.0:80 (Errno::EADDRINUSE)`,
      "Address already in use - bind(2) for 0.0.0.0:80 (Errno::EADDRINUSE)",
    ],
    [
      `/x/a.rb:1:in \`rescue in x': something failed (RuntimeError)${STACK}\n/x/b.rb:2:in \`open': Permission denied @ rb_sysopen - /etc/x (Errno::EACCES)${STACK}`,
      "Permission denied @ rb_sysopen - /etc/x (Errno::EACCES)",
    ],
    [
      "    -q, --quiet    decrease\n        --bogus\nerror: invalid option: --bogus",
      "error: invalid option: --bogus",
    ],
    [
      "\n[!] There was an error parsing `Gemfile`: No such file or directory @ rb_sysopen - /g. Bundler cannot continue.",
      "[!] There was an error parsing `Gemfile`: No such file or directory @ rb_sysopen - /g. Bundler cannot continue.",
    ],
  ];
  for (const [text, sentence] of table) {
    await t.step(sentence, () => {
      const lines = text.split("\n").filter((line) => line !== "");
      assert.equal(causeSentence(lines), sentence);
      // The naive answer is the last line.
      if (text.endsWith(STACK)) assert.notEqual(lines.at(-1), sentence);
      const sorted = stackLast(lines);
      assert.equal(sorted.length, lines.length);
      assert.doesNotMatch(sorted[0] ?? "", /\bfrom \//);
    });
  }
  await t.step("nothing", () => assert.equal(causeSentence([]), undefined));
});
