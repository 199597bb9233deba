import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readAnswer } from "../../../src/content/source/answer.ts";
import { ContentError } from "../../../src/content/source/error.ts";
import { decodeGob } from "../../../src/content/source/gob/gob.ts";
import { readContent } from "../../../src/content/source/read.ts";
import { answerAsFolder, answerInGob, answerInJson } from "../../support/content_answer.ts";
import { folderOf } from "../../support/content_folder.ts";

test("an answer in gob, in JSON, and the folder behind it give the very same content", async (t) => {
  const { content, refused } = await readContent(await folderOf(t, answerAsFolder));
  assert.deepEqual(refused, []);
  assert.deepEqual(
    content.map(({ rule_name, error_key, impact, status }) => [rule_name, error_key, impact, status]),
    [
      ["disk_full", "DISK_FULL", 2, "active"],
      ["net_slow", "GONE", 1, "inactive"],
      ["net_slow", "SLOW", 4, "active"],
    ],
  );
  assert.deepEqual(readAnswer(decodeGob(answerInGob)), { content, refused });
  assert.deepEqual(readAnswer(answerInJson), { content, refused });
});

const shared = join(import.meta.dirname, "../../../../shared/data/content/rules.gob");
test("a real answer is content", { skip: !existsSync(shared) && "it is not here" }, () => {
  const { content } = readAnswer(decodeGob(readFileSync(shared)));
  assert.deepEqual(
    content.map(({ rule_name, error_key, impact, likelihood }) => [rule_name, error_key, impact, likelihood]),
    [
      ["test_rule", "TEST_RULE_CRITICAL_IMPACT", 4, 4],
      ["test_rule", "TEST_RULE_IMPORTANT_IMPACT", 3, 3],
      ["test_rule", "TEST_RULE_LOW_IMPACT", 1, 1],
      ["test_rule", "TEST_RULE_MODERATE_IMPACT", 2, 2],
    ],
  );
});

type Members = Record<string, unknown>;
const metadata = (changes: Members = {}) => ({
  ...{ Description: "d", Impact: { Name: "Outage", Impact: 4 }, Likelihood: 3, Status: "active" },
  ...changes,
});
const errorKey = (changes: Members = {}) => ({ Metadata: metadata(), Generic: "g", Reason: "r", ...changes });
const rule = (changes: Members = {}) => ({
  Plugin: { Name: "A rule", PythonModule: "pkg.disk" },
  ErrorKeys: { FULL: errorKey() },
  ...changes,
});
const answer = (rules: unknown, config: unknown = { Impact: { Outage: 4 } }) => ({
  Config: config,
  Rules: rules,
});
/** What an answer says of which everything conforms. */
const contentOf = (given: unknown) => {
  const { content, refused } = readAnswer(given);
  assert.deepEqual(refused, []);
  return content;
};
const withKey = (changes: Members) => answer({ disk: rule({ ErrorKeys: { FULL: errorKey(changes) } }) });

test("what gob leaves out is empty, and an unknown member does no harm", () => {
  const [entry] = contentOf(withKey({ New: 1, Metadata: metadata({ ResolutionRisk: 2, New: {} }) }));
  assert.deepEqual(entry, {
    ...{ rule_name: "disk", python_module: "pkg.disk", error_key: "FULL", description: "d" },
    ...{ generic: "g", summary: "", reason: "r", resolution: "", more_info: "" },
    ...{ impact: 4, likelihood: 3, status: "active", publish_date: null, tags: [] },
    ...{ impact_name: "Outage", resolution_risk: 2, plugin_name: "A rule", node_id: "", product_code: "" },
    rule_texts: {},
  });
});

test("a risk of a resolution that is none is 0, since no decision needs it", () => {
  for (const risk of [0, 5, "2", null, {}])
    assert.equal(contentOf(withKey({ Metadata: metadata({ ResolutionRisk: risk }) }))[0]?.resolution_risk, 0);
});

test("rules and error keys are sorted, in whatever order they come", () => {
  const keys = { Z: errorKey(), A: errorKey() };
  const plugin = { Name: "Another", PythonModule: "a" };
  const content = contentOf(answer({ disk: rule({ ErrorKeys: keys }), a: rule({ Plugin: plugin }) }));
  assert.deepEqual(
    content.map(({ rule_name, error_key }) => `${rule_name}|${error_key}`),
    ["a|FULL", "disk|A", "disk|Z"],
  );
});

test("a byte order mark before a text is not part of it, as in a file", () => {
  assert.equal(contentOf(withKey({ Reason: "\uFEFFr" }))[0]?.reason, "r");
});

test("the texts of a rule stand where its error key has none, with line feeds only", () => {
  const own = errorKey({ Generic: null, Reason: "a\r\nb", Unknown: "x".repeat(1024 * 1024 + 1) });
  const [entry] = contentOf(
    answer({
      disk: rule({ Generic: "of the rule", MoreInfo: "x".repeat(1024 * 1024), ErrorKeys: { FULL: own } }),
    }),
  );
  assert.deepEqual(
    [entry?.generic, entry?.reason, entry?.more_info.length],
    ["of the rule", "a\nb", 1024 * 1024],
  );
});

const key = "rule disk, error key FULL";
const refused: [sentence: string, answer: unknown, message: string | RegExp][] = [
  ["that is no object", [], /^the answer: Invalid input: expected object, received array$/],
  ["without its config", { Rules: {} }, "the answer: config: is missing"],
  ["without impacts", answer({}, {}), "the answer: config.impact: is missing"],
  [
    "with an impact of 5",
    answer({ disk: rule() }, { Impact: { Outage: 5 } }),
    'rule disk, error key FULL: impact "Outage" is not 1, 2, 3 or 4 in config.yaml',
  ],
  ["without rules", answer(undefined), "the answer: holds no rule"],
  ["with an empty set of rules", answer({}), "the answer: holds no rule"],
  ["with a list of rules", answer([rule()]), "the answer: rules: has to be an object"],
  ["with a rule that is a text", answer({ disk: "x" }), /^rule disk: Invalid input: expected object/],
  [
    "with a rule without plugin",
    answer({ disk: rule({ Plugin: undefined }) }),
    "rule disk: plugin: is missing",
  ],
  [
    "with a rule that is not named as its module",
    answer({ net: rule() }),
    "rule net: python_module ends in disk, but the rule's folder is net",
  ],
  [
    "with a rule of a wrong name",
    answer({ "a|b": rule() }),
    "rule a|b: holds a space, a | or an unprintable character",
  ],
  [
    "with a rule without error keys",
    answer({ disk: rule({ ErrorKeys: {} }) }),
    "rule disk: is a rule without error keys",
  ],
  [
    "with an error key of a wrong name",
    answer({ disk: rule({ ErrorKeys: { "A\nB": errorKey() } }) }),
    "rule disk, error key A B: holds a space, a | or an unprintable character",
  ],
  ["without metadata", withKey({ Metadata: undefined }), `${key}: metadata: is missing`],
  [
    "with a likelihood of 0",
    withKey({ Metadata: metadata({ Likelihood: 0 }) }),
    `${key}: metadata.likelihood: must be 1, 2, 3 or 4`,
  ],
  [
    "with another status",
    withKey({ Metadata: metadata({ Status: "draft" }) }),
    /^rule disk, error key FULL: metadata\.status: Invalid option/,
  ],
  [
    "with a date in another form",
    withKey({ Metadata: metadata({ PublishDate: "yesterday" }) }),
    `${key}: metadata.publish_date: must be a date, or a time as YYYY-MM-DD HH:MM:SS, with or without an offset`,
  ],
  [
    "with an unknown impact name",
    withKey({ Metadata: metadata({ Impact: { Name: "Doom", Impact: 0 } }) }),
    `${key}: impact "Doom" is not in config.yaml`,
  ],
  [
    "with an impact name that every object has",
    withKey({ Metadata: metadata({ Impact: { Name: "constructor", Impact: 0 } }) }),
    `${key}: impact "constructor" is not in config.yaml`,
  ],
  [
    "with an impact that contradicts itself",
    withKey({ Metadata: metadata({ Impact: { Name: "Outage", Impact: 3 } }) }),
    `${key}: impact "Outage" is 3 here, and 4 in config.yaml`,
  ],
  ["without generic text", withKey({ Generic: "" }), `${key}: has no generic.md, and neither has its rule`],
  ["without a reason", withKey({ Reason: undefined }), `${key}: has no reason.md, and neither has its rule`],
  ["with an empty reason", withKey({ Reason: " \n" }), `${key}, reason: is empty`],
  [
    "with a text that is a number",
    withKey({ Summary: 1 }),
    /^rule disk, error key FULL: summary: Invalid input/,
  ],
  [
    "with a NUL in a text",
    withKey({ Summary: "a\0b" }),
    `${key}: summary: holds a character that cannot be stored`,
  ],
  [
    "with half a character",
    withKey({ Summary: "\ud800" }),
    `${key}: summary: holds a character that cannot be stored`,
  ],
  ["with a text over 1 MiB", withKey({ MoreInfo: "ß".repeat(600_000) }), `${key}, more_info: is over 1 MiB`],
];
for (const [sentence, given, message] of refused)
  test(`an answer ${sentence} is refused`, () => {
    const problems = problemsOf(given);
    const matches = (one: string) => (typeof message === "string" ? one === message : message.test(one));
    assert.ok(problems.some(matches), problems.join("\n"));
  });

/** What is wrong with the whole answer, or with the rules of it, of which then none counts. */
function problemsOf(given: unknown): string[] {
  try {
    const { content, refused } = readAnswer(given);
    assert.deepEqual(content, []);
    return refused.flatMap(({ problems }) => problems);
  } catch (error) {
    assert.ok(error instanceof ContentError, String(error));
    return [error.message];
  }
}

test("what the content service lets through is taken where it says what to do, and else refused by itself", () => {
  for (const [changes, expected] of [
    [{ Description: "" }, { description: "", impact: 4, likelihood: 3 }],
    [{ Description: undefined }, { description: "", impact: 4, likelihood: 3 }],
    [{ Description: " " }, { description: " ", impact: 4, likelihood: 3 }],
    [{ Impact: { Name: "Doom", Impact: 3 } }, { description: "d", impact: 3, likelihood: 3 }],
    [{ Impact: { Impact: 1 } }, { description: "d", impact: 1, likelihood: 3 }],
  ] as [Members, Members][]) {
    const [entry] = contentOf(withKey({ Metadata: metadata(changes) }));
    const { description, impact, likelihood } = entry ?? {};
    assert.deepEqual({ description, impact, likelihood }, expected);
  }
  for (const changes of [
    { Impact: { Name: "Doom", Impact: 0 } },
    { Impact: { Name: "Doom" } },
    { Impact: undefined },
    { Impact: { Name: "Doom", Impact: 5 } },
    { Impact: { Name: "Doom", Impact: -1 } },
    { Impact: { Name: "Doom", Impact: 2.5 } },
    { Likelihood: 6 },
    { Likelihood: 0 },
    { Likelihood: undefined },
    { Status: "" },
  ]) {
    const keys = { BAD: errorKey({ Metadata: metadata(changes) }), GOOD: errorKey() };
    const { content, refused } = readAnswer(answer({ disk: rule({ ErrorKeys: keys }), net: 1 }));
    assert.deepEqual(
      content.map(({ error_key }) => error_key),
      ["GOOD"],
      JSON.stringify(changes),
    );
    assert.deepEqual(
      refused.map(({ rule_name, error_key }) => [rule_name, error_key]),
      [
        ["disk", "BAD"],
        ["net", null],
      ],
    );
  }
});

test("a rule of an answer that does not conform is named with all its problems, and so are its error keys", () => {
  const bad = errorKey({
    Metadata: metadata({ Likelihood: 9, Status: "draft", Tags: [1, ""], Impact: { Name: "Doom" } }),
    Generic: undefined,
    Summary: 7,
  });
  const plugin = { Name: "", PythonModule: "a b" };
  const { content, refused } = readAnswer(
    answer({ disk: rule({ Plugin: plugin, ErrorKeys: { BAD: bad, GOOD: errorKey() } }) }),
  );
  assert.deepEqual(content, [], "the good error key of a bad rule waits for the rule");
  assert.deepEqual(refused, [
    {
      ...{ rule_name: "disk", error_key: null },
      problems: [
        "rule disk: plugin.name: must not be empty",
        "rule disk: plugin.python_module: must be a dotted module name",
      ],
    },
    {
      ...{ rule_name: "disk", error_key: "BAD" },
      problems: [
        "rule disk, error key BAD: metadata.likelihood: must be 1, 2, 3 or 4",
        'rule disk, error key BAD: metadata.status: Invalid option: expected one of "active"|"inactive"',
        "rule disk, error key BAD: metadata.tags.0: Invalid input: expected string, received number",
        "rule disk, error key BAD: metadata.tags.1: must not be empty",
        "rule disk, error key BAD: summary: Invalid input: expected string, received number",
        "rule disk, error key BAD: has no generic.md, and neither has its rule",
      ],
    },
  ]);
});

test("what is nothing at all is refused in its place, with no problem that follows from another", () => {
  const { content, refused } = readAnswer(
    answer({
      "": rule({ Plugin: { Name: "x", PythonModule: "" } }),
      none: null,
      text: "x",
      keys: rule({ Plugin: undefined, ErrorKeys: "x" }),
      disk: rule({
        ErrorKeys: { K: null, "A B": errorKey(), "A\u0007C": errorKey(), "A\u200bD": errorKey() },
      }),
      ["d".repeat(256)]: rule({ Plugin: { Name: "x", PythonModule: "d".repeat(256) } }),
    }),
  );
  assert.deepEqual(content, []);
  assert.deepEqual(
    refused.map(({ rule_name, error_key, problems }) => [rule_name.slice(0, 10), error_key, problems]),
    [
      [
        "(no name)",
        null,
        [
          "rule : holds a space, a | or an unprintable character",
          "rule : plugin.python_module: must be a dotted module name",
        ],
      ],
      ["dddddddddd", null, [`rule ${"d".repeat(256)}: is longer than 255 characters`]],
      ["disk", "A B", [`rule disk, error key A B: holds a space, a | or an unprintable character`]],
      ["disk", "A C", ["rule disk, error key A C: holds a space, a | or an unprintable character"]],
      ["disk", "A D", ["rule disk, error key A D: holds a space, a | or an unprintable character"]],
      [
        "disk",
        "K",
        [
          "rule disk, error key K: Invalid input: expected object, received null",
          "rule disk, error key K: has no generic.md, and neither has its rule",
          "rule disk, error key K: has no reason.md, and neither has its rule",
        ],
      ],
      ["keys", null, ["rule keys: error_keys: has to be an object", "rule keys: plugin: is missing"]],
      ["none", null, ["rule none: Invalid input: expected object, received null"]],
      ["text", null, ["rule text: Invalid input: expected object, received string"]],
    ],
  );
  assert.equal(refused[1]?.rule_name.length, 255);
});

test("twenty problems are all said, one more is counted", () => {
  const problemsOfTags = (count: number) => {
    const tags = metadata({ Tags: Array(count).fill("") });
    return readAnswer(answer({ disk: rule({ ErrorKeys: { K: errorKey({ Metadata: tags }) } }) })).refused[0]
      ?.problems;
  };
  assert.deepEqual(problemsOfTags(20)?.at(-1), "rule disk, error key K: metadata.tags.19: must not be empty");
  assert.deepEqual(problemsOfTags(21)?.slice(-1), ["and 1 more"]);
});

test("names that cannot be stored are cleaned, and problems beyond reason are counted", () => {
  const tags = Array(80_000).fill("");
  const { refused } = readAnswer(
    answer({
      "a\0\ud800": 1,
      disk: rule({
        ErrorKeys: {
          K: errorKey({ Metadata: metadata({ Tags: tags }) }),
          ["k".repeat(300)]: 1,
          "K\0\ud800": 1,
        },
      }),
    }),
  );
  for (const { rule_name, error_key, problems } of refused)
    for (const said of [rule_name, error_key ?? "", ...problems]) {
      assert.ok(said.isWellFormed() && !said.includes("\0"), said);
      assert.ok(said.length <= 500);
    }
  assert.equal(refused.find(({ error_key }) => error_key?.startsWith("kkk"))?.error_key?.length, 255);
  const many = refused.find(({ error_key }) => error_key === "K")?.problems;
  assert.deepEqual([many?.length, many?.at(-1)], [21, "and 79980 more"]);
});
