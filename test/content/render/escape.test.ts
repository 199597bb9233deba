import assert from "node:assert/strict";
import { test } from "node:test";
import { type Format, settleValues } from "../../../src/content/render/escape.ts";

/** What the author wrote, with `@` where the value stands. */
function settled(author: string, value: string, format: Format = "markdown"): string {
  return settleValues(author.replaceAll("@", `\uFDD0${value.length}:${value}`), format);
}

test("in HTML a value is only text", () => {
  assert.equal(
    settled("<b>@</b>", `<img src="x" onerror='y'>&`, "html"),
    "<b>&lt;img src=&quot;x&quot; onerror=&#39;y&#39;&gt;&amp;</b>",
  );
  assert.equal(settled("a *b* [c](d) @", "*x* _y_ `z`", "html"), "a *b* [c](d) *x* _y_ `z`");
});

test("in Markdown a value is only text", () => {
  for (const [value, text] of [
    ["[click](https://evil.example)", "\\[click\\](https://evil.example)"],
    ["![x](y)", "\\!\\[x\\](y)"],
    ["<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"],
    ["<https://evil.example>", "\\<https://evil.example\\>"],
    ["**b** *i* ~~s~~ `c`", "\\*\\*b\\*\\* \\*i\\* \\~\\~s\\~\\~ \\`c\\`"],
    ["_i_ __b__", "\\_i\\_ \\_\\_b\\_\\_"],
    ["&lt;b&gt;", "\\&lt;b\\&gt;"],
    ["a|b", "a\\|b"],
    ["back\\slash\\", "back\\\\slash\\\\"],
    ["one\n# two", "one\n\\# two"],
    [
      "one\n   - two\n+ three\n* four\n1. five\n2) six",
      "one\n\\- two\n\\+ three\n\\* four\n1\\. five\n2\\) six",
    ],
    ["one\n===", "one\n\\==="],
    ["one\n---", "one\n\\---"],
    ["one\n> two", "one\n\\> two"],
    ["one\n```\ntwo", "one\n\\`\\`\\`\ntwo"],
    ["one\n~~~\ntwo", "one\n\\~\\~\\~\ntwo"],
    ["one\r\n\r\n    two", "one\ntwo"],
  ] as const)
    assert.equal(settled("said: @.", value), `said: ${text}.`, value);
});

test("a value at the start of a line begins no block", () => {
  for (const before of ["", "\n", "text\n", "* ", "- ", "1. ", "> ", "  "]) {
    assert.equal(settled(`${before}@`, "# x"), `${before}\\# x`, before);
    assert.equal(settled(`${before}@`, "- x"), `${before}\\- x`, before);
    assert.equal(settled(`${before}@`, "12. x"), `${before}12\\. x`, before);
  }
  assert.equal(settled("a @", "# x - y 1. z"), "a # x - y 1. z");
});

test("usual names and numbers come out as they are", () => {
  for (const name of [
    "foo1",
    "kube-apiserver",
    "4.3.13",
    "ip-10-0-137-172.us-east-2.compute.internal",
    "my_pod_0",
    "8.16",
    "a: b (c), d/e #4 + 5 = 9",
  ])
    for (const author of ["@", "**@**", "`@`", "~~~\n@\n~~~", "- *Name:* @"])
      assert.equal(settled(author, name), author.replace("@", name));
});

test("a value in a code span stays in it, and shows no backslashes", () => {
  assert.equal(settled("run `oc get @ -n x`", "a_*b* <c> `d`\ne"), "run `oc get a_*b* <c> 'd' e -n x`");
  assert.equal(settled("``a ` @`` @", "`*"), "``a ` '*`` \\`\\*");
});

test("a lone backtick of the author opens no code span", () => {
  assert.equal(settled("don`t @", "*x*"), "don`t \\*x\\*");
  assert.equal(settled("``a` @", "*x*"), "``a` \\*x\\*");
  assert.equal(settled("\\`a @ `b", "*x*"), "\\`a \\*x\\* `b");
  assert.equal(settled("`a\n\n@ `b", "*x*"), "`a\n\n\\*x\\* `b");
});

test("a value in a code block stays in it, with its lines", () => {
  for (const fence of ["```", "~~~", "````"]) {
    const text = settled(`${fence}sh\n@\n${fence}\n@`, `a *b*\n${fence}\n  ${fence}\n[c](d)`);
    assert.ok(text.startsWith(`${fence}sh\na *b*\n    ${fence}\n    ${fence}\n[c](d)\n${fence}\n`), text);
    assert.ok(text.endsWith("\\[c\\](d)"), text);
  }
  assert.equal(
    settled("1. do\n   ~~~\n   @\n   ~~~\n2. @", "*x*"),
    "1. do\n   ~~~\n   *x*\n   ~~~\n2. \\*x\\*",
  );
  assert.equal(settled("- ~~~\n  @\n  ~~~\n- @", "*x*"), "- ~~~\n  *x*\n  ~~~\n- \\*x\\*");
  assert.equal(settled("```not a fence` @", "*x*"), "```not a fence` \\*x\\*");
  assert.equal(settled("```not a fence`\n@", "*x*"), "```not a fence`\n\\*x\\*");
});

test("in the destination of a link a value is percent-encoded, and leads only where people expect", () => {
  for (const format of ["markdown", "html"] as const) {
    assert.equal(
      settled("[link](https://x/@)", "x) [evil](y", format),
      "[link](https://x/x%29%20%5Bevil%5D%28y)",
    );
    assert.equal(settled("[link](https://@/a)", "host:80/b", format), "[link](https://host:80%2Fb/a)");
    assert.equal(settled("[link](https://x/@)", "a/b?c#d", format), "[link](https://x/a/b%3Fc%23d)");
    for (const evil of [
      "javascript:alert(1)",
      " JAVASCRIPT:x",
      "data:text/html,x",
      "//x",
      "vbscript:x",
      "ftp://x",
      "x",
    ])
      for (const place of ["[x](@)", "[x](<@>)", "<a href=@>", "<a href='@'>", '<img src=" @">'])
        assert.equal(settled(place, evil, format), place.replace("@", "about:blank"), place + evil);
    assert.equal(settled("[x](@)", "https://x/a?b=1&c=(2)", format), "[x](https://x/a?b=1&amp;c=%282%29)");
    assert.equal(settled("[x](@)", "mailto:a@x.example", format), "[x](mailto:a@x.example)");
  }
});

test("within a tag a value is escaped for HTML, whatever the markup around it", () => {
  for (const format of ["markdown", "html"] as const) {
    const evil = "x' onclick='f(1)";
    const escaped = "x&#39;&#32;onclick&#61;&#39;f&#40;1&#41;";
    assert.equal(settled("<a title='@'>", evil, format), `<a title='${escaped}'>`);
    const encoded = "x%27%20onclick%3D%27f%281%29";
    assert.equal(settled("<a href='https://x/@'>", evil, format), `<a href='https://x/${encoded}'>`);
  }
});

test("what runs as code takes no value", () => {
  for (const format of ["markdown", "html"] as const)
    for (const place of [
      "<a onclick='f(@)'>",
      "<a style=@>",
      "<script>@</script>",
      "<style>\n@\n</style>",
      "a <!-- @ --> b",
      "<a @>",
      "<iframe srcdoc='@'>",
    ])
      assert.equal(settled(place, "x", format), place.replace("@", ""), place);
});

test("a value in an indented code block shows no backslashes", () => {
  assert.equal(settled("text\n\n    @", "a *b*\n# c"), "text\n\n    a *b*\n    # c");
  assert.equal(settled("- a\n\n    @", "*b*"), "- a\n\n    \\*b\\*");
});

test("marks that do not belong there do no harm, and none is left", () => {
  for (const text of [
    "\uFDD0",
    "\uFDD0x",
    "\uFDD09:a",
    "\uFDD00:b",
    "\uFDD03:\uFDD0\uFDD0\uFDD0",
    "\uFDD099999999999999999999:a",
  ])
    for (const format of ["html", "markdown"] as const)
      assert.doesNotMatch(settleValues(text, format), /\uFDD0/);
  assert.equal(settled("@b", "\uFDD01:<b>", "html"), "1:&lt;b&gt;b");
  assert.equal(settleValues("\uFDD09:<a", "html"), "&lt;a");
  assert.equal(settleValues("a\ud800", "html"), "a\ufffd");
});

test("thousands of values, backticks and fences take no time worth mentioning", () => {
  const started = process.cpuUsage();
  for (const part of [
    "@",
    "`@",
    "`@``",
    "~~~\n@",
    "@\n",
    "> @",
    "1. ",
    "\\",
    "<a @",
    "<a '@",
    '[a](@ "',
    "<!-- @",
  ])
    settled(part.repeat(10_000), "`*");
  assert.ok(process.cpuUsage(started).user < 4_000_000);
});
