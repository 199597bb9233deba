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
  const content = await readContent(await folderOf(t, answerAsFolder));
  assert.deepEqual(
    content.map(({ rule_name, error_key, impact, status }) => [rule_name, error_key, impact, status]),
    [
      ["disk_full", "DISK_FULL", 2, "active"],
      ["net_slow", "GONE", 1, "inactive"],
      ["net_slow", "SLOW", 4, "active"],
    ],
  );
  assert.deepEqual(readAnswer(decodeGob(answerInGob)), content);
  assert.deepEqual(readAnswer(answerInJson), content);
});

const shared = join(import.meta.dirname, "../../../../shared/data/content/rules.gob");
test("a real answer is content", { skip: !existsSync(shared) && "it is not here" }, () => {
  const content = readAnswer(decodeGob(readFileSync(shared)));
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
const withKey = (changes: Members) => answer({ disk: rule({ ErrorKeys: { FULL: errorKey(changes) } }) });

test("what gob leaves out is empty, and an unknown member does no harm", () => {
  const [entry] = readAnswer(withKey({ New: 1, Metadata: metadata({ ResolutionRisk: 2, New: {} }) }));
  assert.deepEqual(entry, {
    ...{ rule_name: "disk", python_module: "pkg.disk", error_key: "FULL", description: "d" },
    ...{ generic: "g", summary: "", reason: "r", resolution: "", more_info: "" },
    ...{ impact: 4, likelihood: 3, status: "active", publish_date: null, tags: [] },
  });
});

test("rules and error keys are sorted, in whatever order they come", () => {
  const keys = { Z: errorKey(), A: errorKey() };
  const plugin = { Name: "Another", PythonModule: "a" };
  const content = readAnswer(answer({ disk: rule({ ErrorKeys: keys }), a: rule({ Plugin: plugin }) }));
  assert.deepEqual(
    content.map(({ rule_name, error_key }) => `${rule_name}|${error_key}`),
    ["a|FULL", "disk|A", "disk|Z"],
  );
});

test("a byte order mark before a text is not part of it, as in a file", () => {
  assert.equal(readAnswer(withKey({ Reason: "\uFEFFr" }))[0]?.reason, "r");
});

const key = "rule disk, error key FULL";
const refused: [sentence: string, answer: unknown, message: string | RegExp][] = [
  ["that is no object", [], /^the answer: Invalid input: expected object, received array$/],
  ["without its config", { Rules: {} }, "the answer: config: is missing"],
  ["without impacts", answer({}, {}), "the answer: config.impact: is missing"],
  [
    "with an impact of 5",
    answer({}, { Impact: { Outage: 5 } }),
    "the answer: config.impact.Outage: must be 1, 2, 3 or 4",
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
    "without a description",
    withKey({ Metadata: metadata({ Description: "" }) }),
    `${key}: metadata.description: must not be empty`,
  ],
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
    withKey({ Metadata: metadata({ Impact: { Name: "constructor", Impact: 4 } }) }),
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
    assert.throws(
      () => readAnswer(given),
      (error) => {
        assert.ok(error instanceof ContentError, String(error));
        if (typeof message === "string") assert.equal(error.message, message);
        else assert.match(error.message, message);
        return true;
      },
    );
  });
