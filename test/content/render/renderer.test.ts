import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Format } from "../../../src/content/render/escape.ts";
import { createRenderer, RendererClosed } from "../../../src/content/render/renderer.ts";
import { openFence } from "../../../src/text/fences.ts";

const renderer = await createRenderer();
after(() => renderer.dispose());
let ids = 0;

/** The text of one template, or its error with the prefix `ERROR `. */
async function rendered(
  template: string,
  pydata: unknown = {},
  format: Format = "markdown",
): Promise<string> {
  const contentId = `render ${++ids}`;
  const answer = await renderer.render({
    contentId,
    templates: { t: template },
    names: ["t"],
    pydata,
    format,
  });
  return "error" in answer ? `ERROR ${answer.error}` : answer.texts.t;
}

const folder = join(import.meta.dirname, "../../../../shared/data/content");
const skip = !existsSync(folder) && `there is no request of the existing renderer here (${folder})`;

test("the request of the existing renderer gives its response", { skip }, async () => {
  const request = JSON.parse(await readFile(`${folder}/render_request.json`, "utf8"));
  const response = JSON.parse(await readFile(`${folder}/render_response.json`, "utf8"));
  const [cluster] = request.report_data.clusters;
  const [rule] = request.content;
  const [hit] = request.report_data.reports[cluster].reports;
  const key = rule.error_keys[hit.key];
  const templates = {
    description: key.metadata.description,
    reason: key.reason || rule.reason,
    resolution: key.resolution || rule.resolution,
  };
  const [{ rule_id: _, error_key: __, ...texts }] = response.reports[cluster];
  for (const format of ["html", "markdown"] as const) {
    const names = ["description", "reason", "resolution"] as const;
    const answer = await renderer.render({ contentId: "1", templates, names, pydata: hit.details, format });
    assert.deepEqual(answer, { texts });
  }
});

test("every tag of doT works", async () => {
  const data = { name: "foo", n: 2, list: [{ x: "a" }, { x: "b" }], none: [] };
  for (const [template, text] of [
    ["{{=pydata.name}}", "foo"],
    ["{{=pydata.missing}}", ""],
    ["{{!pydata.name}}{{!pydata.missing}}", "foo"],
    ["{{?pydata.n>1}}many{{??pydata.n==1}}one{{??}}none{{?}}", "many"],
    ["{{?pydata.n>2}}many{{?? pydata.n == 2\n}}two{{??}}none{{?}}", "two"],
    ["{{~pydata.list :it:i}}{{=i}}{{=it.x}};{{~}}", "0a;1b;"],
    ["{{~pydata.none :it}}x{{~}}{{~pydata.missing :it}}x{{~}}.", "."],
    ["{{##part:<b>{{=pydata.name}}</b>#}}{{#def.part}} {{#def.part}}", "<b>foo</b> <b>foo</b>"],
    ["{{##of:it:[{{=it.name}}]#}}{{#def.of:pydata}}", "[foo]"],
    ["{{ for (var key in pydata) { }}{{=key}} {{ } }}", "name n list none "],
    ["{{ var text = 'a'; }}{{=text + \"'b'\"}}", "a'b'"],
    ["{{ count = 0; }}{{~pydata.list :it}}{{ count++; }}{{~}}{{=count}}", "2"],
    ['{{? ["foo", "bar"].includes(pydata.name) }}yes{{?}}', "yes"],
    ["it's a \\ and a {{ 'no tag", "it's a \\ and a {{ 'no tag"],
  ] as const)
    assert.equal(await rendered(template, data), text, template);
});

test("lines of a text stay; spaces around it and comments go, as with the existing renderer", async () => {
  assert.equal(await rendered("   a\n\n  * b\n\tc\r\nd /* not\nsaid */e  "), " a\n\n  * b\n\tc\r\nd e ");
});

test("a code block is one with line ends of Windows, too", async () => {
  const text = await rendered("```\r\n{{=pydata.log}}\r\n```\r\n", { log: "a\nb" });
  assert.equal(text, "```\r\na\nb\r\n```\r\n", "a log keeps its lines");
  assert.equal(openFence("text\r\n```\r\nopen"), "```");
  assert.equal(openFence("```\r\nclosed\r\n```\r\n"), undefined);
});

test("a text outside of ASCII and a backslash arrive unharmed", async () => {
  assert.equal(await rendered("ř😀 {{=pydata.a}}", { a: "ž😀" }), "ř😀 ž😀");
  assert.equal(await rendered("{{=pydata.a}}", { a: "C:\\new" }, "html"), "C:\\new");
});

test("what fails says which template, why, on one line", async () => {
  assert.match(
    await rendered("{{=pydata.a.b}}"),
    /^ERROR t: TypeError: cannot read property 'b' of undefined$/,
  );
  assert.match(await rendered("{{?}}"), /^ERROR t: SyntaxError/);
  assert.equal(await rendered("{{ throw 'a\\nb\\u202e'; }}"), "ERROR t: a b");
  assert.ok((await rendered("{{ throw 'x'.repeat(1e5); }}")).length < 220);
  assert.equal(
    await rendered("{{ throw { toString() { throw 1 } }; }}"),
    "ERROR t: an error that cannot be read",
  );
  const given = { contentId: "m", templates: { a: "a" }, pydata: {}, format: "html" } as const;
  assert.deepEqual(await renderer.render({ ...given, names: ["b"] }), { error: "there is no template b" });
});

test("one template that fails does not touch another of the same content that is asked for alone", async () => {
  const templates = { good: "{{=pydata.a}}", bad: "{{=pydata.x.y}}", worse: "{{?}}" };
  const given = { contentId: "mixed", templates, pydata: { a: 1 }, format: "html" } as const;
  assert.deepEqual(await renderer.render({ ...given, names: ["good"] }), { texts: { good: "1" } });
  assert.ok("error" in (await renderer.render({ ...given, names: ["good", "bad"] })));
  assert.deepEqual(await renderer.render({ ...given, names: ["good"] }), { texts: { good: "1" } });
});

test("details of any form are only data", async () => {
  const keys = "{{ for (var k in pydata) { }}{{=k}}={{=pydata[k]}};{{ } }}{{=({}).polluted}}";
  assert.equal(
    await rendered(keys, JSON.parse('{"__proto__":"a","constructor":"b"}')),
    "\\_\\_proto\\_\\_=a;constructor=b;",
  );
  for (const details of [undefined, null, 1, true, "text", [1], { toString: 1, toJSON: 2, length: -1 }])
    assert.equal(await rendered("said", details), "said");
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  for (const details of [loop, 1n, { n: 1n }, () => 1, Symbol("x")])
    assert.equal(await rendered("said", details), "ERROR the details are not JSON");
  let deep: unknown = "x";
  for (let depth = 0; depth < 2_000; depth++) deep = [deep];
  assert.equal(await rendered("{{=pydata.length}}", deep), "1");
  for (let depth = 0; depth < 50_000; depth++) deep = [deep];
  assert.match(await rendered("{{=pydata.length}}", deep), /^ERROR/);
  assert.equal(await rendered("still here {{=1}}"), "still here 1");
});

test("nobody reads what is missing, what has no text, or what the details only inherit", async () => {
  const details = JSON.parse('{"none":null,"o":{"a":1},"list":[{"a":1}],"mixed":["a",null],"names":["a",2]}');
  for (const missing of [
    "none",
    "o",
    "list",
    "mixed",
    "no",
    "constructor",
    "o.constructor",
    "toString",
    "__proto__",
  ])
    assert.equal(await rendered(`a{{=pydata.${missing}}}b{{!pydata.${missing}}}c`, details), "abc", missing);
  for (const code of ["pydata.no * 2", "1 / 0", "pydata.o.a.no", "(function () {})"])
    assert.equal(await rendered(`a{{=${code}}}b`, details), "ab", code);
  assert.equal(
    await rendered("{{=pydata.names}} {{=pydata.o.a}} {{=pydata.o.hasOwnProperty('a')}}", details),
    "a,2 1 true",
  );
  for (const inherited of ["constructor", "__proto__", "__defineGetter__", "isPrototypeOf"])
    assert.equal(
      await rendered(`{{?pydata.o.${inherited}}}there{{??}}missing{{?}}`, details),
      "missing",
      inherited,
    );
});

test("what a text lacks is said: which tag, and what it was instead", async () => {
  const details = JSON.parse(
    '{"none":null,"o":{"a":"b"},"list":[{"a":1}],"empty":"","names":[],"url":"javascript:x"}',
  );
  const doubts = async (template: string, format: Format = "html") => {
    const request = { contentId: `doubts ${++ids}`, names: ["a", "t"] as const, pydata: details, format };
    const answer = await renderer.render({ ...request, templates: { a: "", t: template } });
    assert.ok("texts" in answer);
    return (answer.doubts ?? []).map(({ text, place, kind, example }) => {
      assert.equal(text, "t");
      return [place, kind, example].join(" | ");
    });
  };
  assert.deepEqual(await doubts("/* {{=no}} */{{=pydata.no }} {{!pydata.o.a}} {{= pydata.none}}"), [
    "pydata.no | missing | ",
    "pydata.none | null | ",
  ]);
  assert.deepEqual(await doubts("{{=pydata.o}}{{!pydata.list}}{{=1/0}}{{=pydata.o.hasOwnProperty}}"), [
    'pydata.o | object | {"a":"b"}',
    'pydata.list | list | [{"a":1}]',
    "1/0 | not_a_number | ",
    "pydata.o.hasOwnProperty | function | ",
  ]);
  assert.deepEqual(
    await doubts("{{=pydata.empty}}{{=pydata.names}}{{!pydata.no}}{{!pydata.none}}"),
    [],
    "meant",
  );
  for (const format of ["html", "markdown"] as const)
    assert.deepEqual(await doubts('{{=pydata.o.a}} <a href="{{=pydata.url}}">x</a>', format), [
      "pydata.url | link | javascript:x",
    ]);
  assert.deepEqual(
    await doubts("{{ for (let i = 0; i < 100; i++) { }}{{=pydata.no}}{{ } }}").then((all) => all.length),
    20,
  );
  assert.deepEqual(
    await doubts("{{=_value(undefined, '<b>') }}").then((all) => all.length),
    1,
    "whatever it calls",
  );
});

test("a content is compiled once", async () => {
  const given = { contentId: "kept", names: ["t"], pydata: { a: 1 }, format: "html" } as const;
  const say = async (template: string) => {
    const answer = await renderer.render({ ...given, templates: { t: template } });
    return "error" in answer ? answer.error : answer.texts.t;
  };
  assert.equal(await say("first {{=pydata.a}}"), "first 1");
  assert.equal(await say("second"), "first 1");
});

test("only so many contents stay compiled, the most recently used", async () => {
  await using small = await disposable({ cachedContents: 2 });
  const say = async (contentId: string, template: string) => {
    const answer = await small.render({
      contentId,
      templates: { t: template },
      names: ["t"],
      pydata: {},
      format: "html",
    });
    return "error" in answer ? answer.error : answer.texts.t;
  };
  for (const id of ["a", "b", "a"]) assert.equal(await say(id, id), id);
  assert.equal(await say("c", "c"), "c");
  assert.equal(await say("a", "A"), "a");
  assert.equal(await say("b", "B"), "B");
});

test("a renderer that is closed refuses, also what it was at: no text is to blame", async () => {
  const closing = await createRenderer();
  const given = { templates: { t: "t" }, names: ["t"], pydata: {}, format: "html" } as const;
  const under = closing.render({ ...given, contentId: "1" });
  const refused = assert.rejects(under, RendererClosed);
  await closing.dispose();
  await refused;
  await assert.rejects(closing.render({ ...given, contentId: "2" }), RendererClosed);
});

async function disposable(limits: Parameters<typeof createRenderer>[0]) {
  const made = await createRenderer(limits);
  return Object.assign(made, { [Symbol.asyncDispose]: () => made.dispose() });
}
