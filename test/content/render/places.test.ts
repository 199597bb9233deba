import assert from "node:assert/strict";
import { test } from "node:test";
import { micromark } from "micromark";
import { gfmTable, gfmTableHtml } from "micromark-extension-gfm-table";
import { type DefaultTreeAdapterTypes, parseFragment } from "parse5";
import { type Format, settleValues } from "../../../src/content/render/escape.ts";

/*
 * Every place × every dangerous value: parsed again, the text has the tree that it has with a harmless word
 * in the place of the value. Only texts and the values of attributes may differ.
 */

const seed = Number(process.env.CCX_TEST_SEED ?? Date.now() % 1_000_000);
const harmless = "word";

/** `@` is the value. */
const markdownPlaces = [
  "said: @.",
  "@",
  "text\n@\nmore",
  "a @ b @ c",
  "- @\n- two",
  "1. @",
  "> @\n> more",
  "> - @",
  "- one\n\n  @",
  "# @\n\ntext",
  "## about @ #",
  "@\n===",
  "**@** and *@*",
  "_@_ `x` @",
  "`@` text",
  "``a ` @`` @",
  "`a\\` @ `b`",
  "don`t @",
  "\\@ x",
  "\\`a @ `b",
  "```\n@\n```\n@",
  "~~~@\ncode\n~~~",
  "```@\ncode\n```",
  "1. do\n   ~~~\n   @\n   ~~~\n2. @",
  "- ~~~\n  @\n  ~~~\n- @",
  "> ```\n> @\n> ```",
  "> ```\n> code\n\n@",
  "- ```\n  code\n\nno code: @",
  "text\n\n    @\n\ntext",
  "text\n\n    a @ b\n    @\n\n@",
  "> text\n>\n>     @",
  "- a\n\n      @\n\n- b",
  "- a\n  - b\n\n    @",
  "1.  a\n\n    @",
  "[link](https://x/@)",
  "[link](https://x/?q=@&r=1 'about') @",
  "[link](<https://x/@>)",
  '[link](https://x/ "about @")',
  "[link](https://x/ 'about @')",
  "[link](https://x/ (about @))",
  "[link](https://x/ @)",
  "[@](https://x/)",
  "![@](https://x/@.png)",
  "[link](@)",
  "[link](<@>)",
  "[link]@",
  "[link][ref]\n\n[ref]: https://x/@ 'about @'",
  "[ref]: @\n\n[ref] text",
  "<https://x/@>",
  "<a@x.@>",
  "see <a href='https://x/@'>@</a>",
  'see <a href="https://x/@" title="@">@</a>',
  "see <a href=https://x/@ title=@>@</a>",
  "see <a href=@>x</a>",
  "see <a href='@'>x</a>",
  "see <a onclick='f(\"@\")' style='color: @'>x</a>",
  "see <b @>x</b>",
  "see <@>x",
  "see </@>x",
  "a <b @ c",
  "<div>@</div>",
  "<div>\n`@`\n@\n</div>\n\n@",
  "<div class='@'>\n\n@\n\n</div>",
  "<b>@</b>",
  "<b>\n@\n</b>",
  "<pre>\n@\n\n@\n</pre>\n\n@",
  "<script>\nvar x = '@';\n\n'@'\n</script>\n\n@",
  "<style>@</style>",
  "<!-- @\n\n@ -->\n\n@",
  "a <!-- @ --> b",
  "| a | b |\n|---|---|\n| @ | `@` |\n| x | @ |\n\n@",
  "| @ | b |\n|---|---|\n| x | y |",
  "a &@ b",
  "#@",
  "1@",
  "-@",
  "line\n=@",
  "![a]@ [b] @ (c)",
];
const htmlPlaces = markdownPlaces
  .filter((place) => place.includes("<") && !/<https|<@>\)|<a@|<pre>\n/.test(place))
  .concat(
    "<p>@</p>",
    "<textarea>@</textarea>",
    "<title>@</title>",
    "<ul><li>@<li>@</ul>",
    "<td background=@>",
  );

const values = [
  "x) [evil](https://evil.example",
  "x> [evil](https://evil.example)",
  "javascript:alert(1)",
  " JavaScript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "x' onmouseover='alert(1)",
  'x" onmouseover="alert(1)',
  "x onmouseover=alert(1)",
  "'\"><script>alert(1)</script>",
  "--><script>alert(1)</script>",
  "</script></style></pre></textarea></title><img src=x>",
  "script src=//evil.example",
  "<img src=x onerror=alert(1)>",
  "<https://evil.example>",
  "[click](https://evil.example)",
  "(https://evil.example)",
  ": https://evil.example",
  "![x](y)",
  "*x* **y** _z_ __w__ ~~v~~",
  "*x",
  "x_",
  "`x` ``y",
  "`",
  "\\",
  "\\`x",
  "one\n\n# two",
  "one\n- two\n+ three\n* four\n1. five\n2) six",
  "one\r\n\r\n    two",
  "one\n===",
  "one\n---",
  "one\n> two",
  "one\n```\ntwo",
  "one\n    ```\n~~~\ntwo\n~~~",
  "```",
  "~~~",
  "# x",
  "- x",
  "x\n:-",
  "1. x",
  ". x",
  "---",
  "+++ x",
  "a | b\n|---|---|\n| c | d |",
  "a|b",
  "|",
  "\"quoted\" 'quoted' (parenthesis)",
  '" title',
  "&lt;b&gt; &#60;b&#62; &",
  "lt;b",
  "]: x\n\n[link]: https://evil.example",
  "] [ref]",
  "<div>\n\n*x*",
  "<!-- x",
  "</b></div><p>",
  "?x#y&z=%20",
  "@evil.example",
  "\u2028# x",
  "x\ty",
  "<\u200bscript>",
  "plain",
];

/** Pieces of dangerous values in another order: members of the kind that nobody wrote down. */
function* shuffled(count: number): Generator<string> {
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const parts = [
    "\n",
    "\n\n",
    " ",
    "    ",
    "<",
    ">",
    "</",
    "a",
    "b=",
    "'",
    '"',
    "`",
    "```",
    "~~~",
    "](",
    ")",
  ];
  parts.push("[", "*", "_", "\\", "#", "- ", "1. ", "|", "|---|", "&", "&#60;", "<!--", "-->", "x", "(", ":");
  parts.push(
    "<script>",
    "</script>",
    "<b>",
    "</pre>",
    "javascript:",
    "=",
    "!",
    "\t",
    "\r\n",
    "> ",
    "/>",
    "]:",
  );
  for (let n = 0; n < count; n++)
    yield Array.from({ length: 1 + next(6) }, () => parts[next(parts.length)] ?? "").join("") || "x";
}

function settled(author: string, value: string, format: Format): string {
  return settleValues(author.replaceAll("@", `\uFDD0${value.length}:${value}`), format);
}

/** The tree with its tags and the names of attributes, and what begins the destinations of links. */
function treeOf(text: string, format: Format): string {
  const html =
    format === "html"
      ? text
      : micromark(text, {
          allowDangerousHtml: true,
          allowDangerousProtocol: true,
          extensions: [gfmTable()],
          htmlExtensions: [gfmTableHtml()],
        });
  const shape = (node: DefaultTreeAdapterTypes.ChildNode): string => {
    if (node.nodeName === "#text" || node.nodeName === "#comment")
      return node.nodeName === "#text" ? "" : "!";
    if (!("attrs" in node)) return node.nodeName;
    const attributes = node.attrs.map(({ name, value }) => {
      if (!/^(?:href|src|background)$/.test(name))
        return /^(?:on|style)/.test(name) ? `${name}=${value}` : name;
      return `${name}=${/^\s*(?:about:blank$|https:|mailto:|word|[^:]*$)/i.test(value) ? "" : value}`;
    });
    return `<${node.nodeName} ${attributes}>${node.childNodes.map(shape).join("")}</>`;
  };
  return parseFragment(html).childNodes.map(shape).join("");
}

for (const format of ["markdown", "html"] as const)
  test(`no value changes the tree of a template, in ${format} (seed ${seed})`, () => {
    const wrong: string[] = [];
    const random = shuffled(1_000);
    for (const place of format === "html" ? htmlPlaces : markdownPlaces) {
      const tried = [...values, ...Array.from({ length: 8 }, () => random.next().value ?? "x")];
      const own = treeOf(settled(place, harmless, format), format);
      for (const value of tried) {
        const text = settled(place, value, format);
        if (value.trim() !== "" && treeOf(text, format) !== own)
          wrong.push(JSON.stringify([place, value, text]));
      }
    }
    assert.deepEqual(wrong.slice(0, 25), [], `${wrong.length} trees changed, seed ${seed}`);
  });
