import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ContentError } from "../../../src/content/source/error.ts";
import { TextReader } from "../../../src/content/source/files.ts";
import { loadContent } from "../../../src/content/source/load.ts";
import { readContent } from "../../../src/content/source/read.ts";
import { refusedInWords } from "../../../src/content/source/refused.ts";
import { folderOf, type Tree } from "../../support/content_folder.ts";

const plugin = (name: string) =>
  `name: A rule\nnode_id: "1"\nproduct_code: OCP4\npython_module: pkg.rules.${name}\n`;
const metadata = (changes: Record<string, string> = {}) =>
  Object.entries({
    description: "Something is wrong",
    impact: "Outage",
    likelihood: "3",
    publish_date: "'2025-02-28 23:59:58'",
    status: "active",
    resolution_risk: "Restart",
    tags: "[openshift, security]",
    ...changes,
  })
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");

/** One rule with one error key; members set to undefined are left out. */
const valid: Tree = {
  "config.yaml": "impact:\n  Outage: 4\n  Nuisance: 1\nresolution_risk:\n  Restart: 2\n",
  "external/rules/disk_full/plugin.yaml": plugin("disk_full"),
  "external/rules/disk_full/generic.md": "generic of the rule\n",
  "external/rules/disk_full/reason.md": "reason of the rule\n",
  "external/rules/disk_full/DISK_FULL/metadata.yaml": metadata(),
};
const rule = "external/rules/disk_full";
const key = `${rule}/DISK_FULL`;
const meta = `${key}/metadata.yaml`;

/** What a folder says of which everything conforms. */
const contentOf = async (directory: string) => {
  const { content, refused } = await readContent(directory);
  assert.deepEqual(refused, []);
  return content;
};
const read = async (t: TestContext, changes: Tree = {}) =>
  contentOf(await folderOf(t, { ...valid, ...changes }));

/** The whole folder cannot be read, or of this rule this is wrong: rules beside it still count. */
async function refuses(directory: string, message: string | RegExp): Promise<void> {
  const problems = await readContent(directory).then(
    ({ refused }) => refused.flatMap((one) => one.problems),
    (error) => {
      assert.ok(error instanceof ContentError, String(error));
      return [error.message];
    },
  );
  for (const problem of problems) assert.doesNotMatch(problem, /\n/);
  const matches = (one: string) => (typeof message === "string" ? one === message : message.test(one));
  assert.ok(problems.some(matches), problems.join("\n"));
}

test("a rule is read with the numbers behind its names and its time in UTC", async (t) => {
  assert.deepEqual(await read(t), [
    {
      rule_name: "disk_full",
      python_module: "pkg.rules.disk_full",
      error_key: "DISK_FULL",
      description: "Something is wrong",
      generic: "generic of the rule\n",
      summary: "",
      reason: "reason of the rule\n",
      resolution: "",
      more_info: "",
      impact: 4,
      likelihood: 3,
      status: "active",
      publish_date: "2025-02-28T23:59:58Z",
      tags: ["openshift", "security"],
      impact_name: "Outage",
      resolution_risk: 2,
      plugin_name: "A rule",
      node_id: "1",
      product_code: "OCP4",
      rule_texts: { generic: null, reason: null },
    },
  ]);
});

test("an error key's own text comes before its rule's", async (t) => {
  const [entry] = await read(t, {
    [`${key}/reason.md`]: "own reason",
    [`${key}/summary.md`]: "own summary",
    [`${rule}/summary.md`]: "rule summary",
    [`${rule}/resolution.md`]: "rule resolution",
    [`${rule}/more_info.md`]: "rule more",
  });
  assert.equal(entry?.reason, "own reason");
  assert.equal(entry?.summary, "own summary");
  assert.equal(entry?.resolution, "rule resolution");
  assert.equal(entry?.more_info, "rule more");
  assert.deepEqual(entry?.rule_texts, {
    ...{ generic: null, summary: "rule summary", reason: "reason of the rule\n" },
    ...{ resolution: null, more_info: null },
  });
});

test("rules come from both trees at any depth, sorted by rule and error key", async (t) => {
  const content = await read(t, {
    [`${rule}/ANOTHER/metadata.yaml`]: metadata({ impact: "Nuisance", status: "inactive" }),
    "internal/a/b/c/deep/plugin.yaml": plugin("deep"),
    "internal/a/b/c/deep/KEY/metadata.yaml": metadata(),
    "internal/a/b/c/deep/KEY/generic.md": "g",
    "internal/a/b/c/deep/KEY/reason.md": "r",
  });
  assert.deepEqual(
    content.map((entry) => [entry.rule_name, entry.error_key, entry.impact, entry.status]),
    [
      ["deep", "KEY", 4, "active"],
      ["disk_full", "ANOTHER", 1, "inactive"],
      ["disk_full", "DISK_FULL", 4, "active"],
    ],
  );
});

test("a publish date is read in every usual form of a date", async (t) => {
  for (const [written, read_] of [
    ["2025-02-28", "2025-02-28T00:00:00Z"],
    ["'2020-04-03T16:13:30+02:00'", "2020-04-03T14:13:30Z"],
    ["'2020-04-03 16:13 -0130'", "2020-04-03T17:43:00Z"],
    ["'2025-02-28t23:59:58.123z'", "2025-02-28T23:59:58Z"],
    ["' 2025-02-28T23:59:58,5Z '", "2025-02-28T23:59:58Z"],
    ["'0001-01-01T00:00:00Z'", "0001-01-01T00:00:00Z"],
    ["''", null],
    ["' '", null],
  ] as const) {
    const [entry] = await read(t, { [meta]: metadata({ publish_date: written }) });
    assert.equal(entry?.publish_date, read_, written);
  }
});

test("a likelihood in quotes is a number, and a whole number is a description", async (t) => {
  const [entry] = await read(t, { [meta]: metadata({ likelihood: "'2'", description: "404" }) });
  assert.deepEqual([entry?.likelihood, entry?.description], [2, "404"]);
});

test("texts have line feeds only, whatever line ends their files have", async (t) => {
  const [entry] = await read(t, {
    [meta]: metadata({ description: '"a\\r\\nb\\rc"' }),
    [`${key}/generic.md`]: "a\r\nb\rc\n",
    [`${key}/reason.md`]: "```\r\n{{=pydata.log}}\r\n```\r\n",
  });
  assert.equal(entry?.description, "a\nb\nc");
  assert.equal(entry?.generic, "a\nb\nc\n");
  assert.equal(entry?.reason, "```\n{{=pydata.log}}\n```\n");
});

test("a publish date and tags may be missing", async (t) => {
  const [entry] = await read(t, {
    [meta]: "description: d\nimpact: Outage\nlikelihood: 1\nstatus: active\n",
  });
  assert.equal(entry?.publish_date, null);
  assert.deepEqual(entry?.tags, []);
});

test("a byte order mark, hidden entries, pictures and links outside the two trees do no harm", async (t) => {
  const root = await folderOf(t, {
    ...valid,
    [`${rule}/generic.md`]: "\uFEFFgeneric",
    [`${rule}/.git/config`]: "x",
    [`${rule}/pictures/disk.png`]: Buffer.from([0, 255]),
    "README.md": "x",
  });
  await symlink("/", join(root, "elsewhere"));
  assert.equal((await contentOf(root))[0]?.generic, "generic");
});

test("the content folder itself may be a link, as deployments that switch versions have it", async (t) => {
  const root = await folderOf(t, valid);
  const link = join(await folderOf(t, {}), "current");
  await symlink(root, link);
  assert.equal((await contentOf(link)).length, 1);
});

test("the sample content loads, covers every risk, and tags some rules for managed clusters", async () => {
  const content = await contentOf(fileURLToPath(new URL("../../../samples/content", import.meta.url)));
  assert.equal(content.length, 17);
  const risk = (entry: { impact: number; likelihood: number }) =>
    Math.floor((entry.impact + entry.likelihood) / 2);
  assert.deepEqual([...new Set(content.map(risk))].sort(), [1, 2, 3, 4]);
  const managed = content.filter((entry) => entry.tags.includes("osd_customer")).map(risk);
  assert.equal(managed.filter((value) => value === 1).length, 1);
  assert.ok(managed.length > 4 && managed.length < 10);
  assert.ok(
    content.every((entry) => entry.generic && entry.reason && entry.resolution && entry.status === "active"),
  );
  assert.ok(!JSON.stringify(content).includes("{{"), "no templates");
});

test("a content folder that does not exist is refused", async (t) => {
  const root = join(await folderOf(t, {}), "nowhere");
  await refuses(root, `content folder ${root}: does not exist`);
});

test("a content folder that is a file is refused", async (t) => {
  const root = join(await folderOf(t, { file: "x" }), "file");
  await refuses(root, `content folder ${root}: is not a folder`);
});

const refused: [sentence: string, changes: Tree, message: string | RegExp][] = [
  ["without config.yaml", { "config.yaml": undefined }, "config.yaml: is missing"],
  ["with an empty config.yaml", { "config.yaml": "" }, /^config\.yaml: Invalid input: expected object/],
  [
    "with an impact that is a text",
    { "config.yaml": "impact: {Outage: high}" },
    `${meta}: impact "Outage" is not 1, 2, 3 or 4 in config.yaml`,
  ],
  [
    "with an impact of 5",
    { "config.yaml": "impact: {Outage: 5}" },
    `${meta}: impact "Outage" is not 1, 2, 3 or 4 in config.yaml`,
  ],
  [
    "with an impact of 0",
    { "config.yaml": "impact: {Outage: 0}" },
    `${meta}: impact "Outage" is not 1, 2, 3 or 4 in config.yaml`,
  ],
  [
    "with an impact of 1.5",
    { "config.yaml": "impact: {Outage: 1.5}" },
    `${meta}: impact "Outage" is not 1, 2, 3 or 4 in config.yaml`,
  ],
  [
    "with error keys beside no plugin.yaml",
    { [`${rule}/plugin.yaml`]: undefined },
    `${rule}: has no plugin.yaml, but its folder DISK_FULL has a metadata.yaml`,
  ],
  [
    "with a metadata.yaml too deep",
    { [`${key}/DEEPER/metadata.yaml`]: metadata() },
    `${key}: has no plugin.yaml, but its folder DEEPER has a metadata.yaml`,
  ],
  [
    "with a rule inside a rule",
    { [`${rule}/a/b/inner/plugin.yaml`]: plugin("inner") },
    `${rule}/a/b/inner: is a rule inside the rule ${rule}`,
  ],
  [
    "with a rule that is an error key too",
    { [`${rule}/metadata.yaml`]: metadata() },
    `${rule}: has both a plugin.yaml (rule) and a metadata.yaml (error key)`,
  ],
  [
    "with texts of an error key that has no metadata",
    { [`${rule}/NEW/reason.md`]: "x" },
    `${rule}/NEW: has reason.md, but no metadata.yaml`,
  ],
  [
    "with texts beside no plugin.yaml",
    { "external/rules/forgotten/reason.md": "x" },
    "external/rules/forgotten: has reason.md, but no plugin.yaml",
  ],
  [
    "with texts in a tree itself",
    { "internal/generic.md": "x" },
    "internal: has generic.md, but no plugin.yaml",
  ],
  [
    "with texts below an error key",
    { [`${key}/old/summary.md`]: "x" },
    `${key}/old: has summary.md, but no metadata.yaml`,
  ],
  [
    "with a metadata.yaml in a tree itself",
    { "external/metadata.yaml": metadata() },
    /^\.: has no plugin\.yaml, but its folder external has a metadata\.yaml$/,
  ],
  [
    "with an unknown impact name",
    { [meta]: metadata({ impact: "Doom" }) },
    `${meta}: impact "Doom" is not in config.yaml`,
  ],
  [
    "with an impact name that every object has",
    { [meta]: metadata({ impact: "constructor" }) },
    `${meta}: impact "constructor" is not in config.yaml`,
  ],
  [
    "with one rule name in both trees",
    {
      "internal/x/disk_full/plugin.yaml": plugin("disk_full"),
      "internal/x/disk_full/K/metadata.yaml": metadata(),
    },
    `internal/x/disk_full: rule disk_full is already in ${rule}`,
  ],
  [
    "with one rule name twice in a tree",
    { "external/zoo/disk_full/plugin.yaml": plugin("disk_full") },
    `external/zoo/disk_full: rule disk_full is already in ${rule}`,
  ],
  [
    "with YAML that does not parse",
    { [meta]: "description: [\n" },
    /^external\/rules\/disk_full\/DISK_FULL\/metadata\.yaml: is not valid YAML: .* at line \d+, column \d+$/,
  ],
  [
    "with a member given twice",
    { [meta]: `${metadata()}likelihood: 2\n` },
    /metadata\.yaml: is not valid YAML: the key likelihood is there twice/,
  ],
  [
    "with a tag that makes an object",
    { [meta]: metadata({ description: "!!binary aGk=" }) },
    /metadata\.yaml: is not valid YAML: Unresolved tag/,
  ],
  [
    "with two YAML documents in a file",
    { [meta]: `${metadata()}---\n${metadata()}` },
    /metadata\.yaml: is not valid YAML: /,
  ],
  [
    "with aliases that multiply",
    {
      [meta]: `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c]\n`,
    },
    /metadata\.yaml: is not valid YAML: Excessive alias count/,
  ],
  [
    "with YAML nested beyond reason",
    { [meta]: `description: ${"[".repeat(100_000)}` },
    /metadata\.yaml: is not valid YAML: /,
  ],
  [
    "with a list as a key",
    { [meta]: `${metadata()}? [a]\n: b\n` },
    `${meta}: is not valid YAML: a key is not a plain text`,
  ],
  [
    "with a likelihood of 0",
    { [meta]: metadata({ likelihood: "0" }) },
    `${meta}: likelihood: must be 1, 2, 3 or 4`,
  ],
  [
    "with a likelihood of 5",
    { [meta]: metadata({ likelihood: "5" }) },
    `${meta}: likelihood: must be 1, 2, 3 or 4`,
  ],
  [
    "with tags that are one text",
    { [meta]: metadata({ tags: "openshift" }) },
    /metadata\.yaml: tags: Invalid input: expected array/,
  ],
  [
    "with another status",
    { [meta]: metadata({ status: "draft" }) },
    /metadata\.yaml: status: Invalid option/,
  ],
  [
    "published on a day that does not exist",
    { [meta]: metadata({ publish_date: "2025-02-30 00:00:00" }) },
    `${meta}: publish_date: must be a date, or a time as YYYY-MM-DD HH:MM:SS, with or without an offset`,
  ],
  [
    "published at a time in another form",
    { [meta]: metadata({ publish_date: "3 February 2025" }) },
    `${meta}: publish_date: must be a date, or a time as YYYY-MM-DD HH:MM:SS, with or without an offset`,
  ],
  [
    "published before there were years",
    { [meta]: metadata({ publish_date: "0000-01-01 00:00:00" }) },
    `${meta}: publish_date: must be a date, or a time as YYYY-MM-DD HH:MM:SS, with or without an offset`,
  ],
  [
    "published in a year before the first",
    { [meta]: metadata({ publish_date: "0001-01-01 00:00:00 +01:00" }) },
    `${meta}: publish_date: must be a date, or a time as YYYY-MM-DD HH:MM:SS, with or without an offset`,
  ],
  [
    "with a rule of a wrong name",
    { "external/a|b/plugin.yaml": plugin("a"), "external/a|b/K/metadata.yaml": metadata() },
    "external/a|b: holds a space, a | or an unprintable character",
  ],
  [
    "with a plugin.yaml that lacks its module",
    { [`${rule}/plugin.yaml`]: "name: x\n" },
    `${rule}/plugin.yaml: python_module: is missing`,
  ],
  [
    "with a folder that is not named as its module",
    { [`${rule}/plugin.yaml`]: plugin("disk_empty") },
    `${rule}/plugin.yaml: python_module ends in disk_empty, but the rule's folder is disk_full`,
  ],
  [
    "with an error key that holds a line break",
    { [`${rule}/NEW\nKEY/metadata.yaml`]: metadata() },
    `${rule}/NEW KEY: holds a space, a | or an unprintable character`,
  ],
  [
    "without generic text",
    { [`${rule}/generic.md`]: undefined },
    `${key}: has no generic.md, and neither has its rule`,
  ],
  [
    "without a reason",
    { [`${rule}/reason.md`]: undefined },
    `${key}: has no reason.md, and neither has its rule`,
  ],
  ["with an empty reason", { [`${key}/reason.md`]: " \n" }, `${key}/reason.md: is empty`],
  [
    "with a rule that has no error key",
    { [meta]: undefined },
    `${rule}: is a rule without error keys (folders with metadata.yaml)`,
  ],
  [
    "with text that is not UTF-8",
    { [`${rule}/reason.md`]: Buffer.from([0x61, 0xff]) },
    `${rule}/reason.md: is not valid UTF-8`,
  ],
  ["with a NUL in a text", { [`${rule}/reason.md`]: "a\0b" }, `${rule}/reason.md: contains a NUL character`],
  [
    "with a NUL spelt in YAML",
    { [meta]: metadata({ description: '"a\\0b"' }) },
    `${meta}: description: holds a character that cannot be stored`,
  ],
  [
    "with half a character spelt in YAML",
    { [meta]: metadata({ tags: '["\\ud800"]' }) },
    /metadata\.yaml: (tags\.0: holds a character|is not valid YAML)/,
  ],
  [
    "with a file over 1 MiB",
    { [`${rule}/more_info.md`]: "x".repeat(1024 * 1024 + 1) },
    `${rule}/more_info.md: is over 1 MiB`,
  ],
];
for (const [sentence, changes, message] of refused)
  test(`content ${sentence} is refused`, async (t) => {
    await refuses(await folderOf(t, { ...valid, ...changes }), message);
  });

test("one bad rule is one bad rule: whatever is wrong with it, the rest of the folder counts", async (t) => {
  const good: Tree = {
    "external/net/plugin.yaml": plugin("net"),
    "external/net/generic.md": "g",
    "external/net/reason.md": "r",
    "external/net/SLOW/metadata.yaml": metadata(),
  };
  const left: string[] = [];
  for (const [sentence, changes] of refused) {
    const tree = { ...valid, ...good, ...changes };
    const content = await readContent(await folderOf(t, tree)).then(
      (found) => found.content.map(({ rule_name }) => rule_name),
      () => undefined,
    );
    if (content === undefined || !content.includes("net")) left.push(sentence);
  }
  assert.deepEqual(left, [
    "without config.yaml",
    "with an empty config.yaml",
    ...[
      "with an impact that is a text",
      "with an impact of 5",
      "with an impact of 0",
      "with an impact of 1.5",
    ],
  ]);
});

test("what does not conform is named by rule and error key, with all its problems", async (t) => {
  const root = await folderOf(t, {
    ...valid,
    [`${rule}/BAD/metadata.yaml`]:
      "impact: Doom\nlikelihood: 9\nstatus: draft\ntags: [4.10]\npublish_date: never\n",
    [`${rule}/BAD/reason.md`]: "",
    [`${rule}/FORGOTTEN/reason.md`]: "x",
    "external/twin/plugin.yaml": plugin("other"),
    "external/twin/KEY/metadata.yaml": metadata(),
    "internal/twin/plugin.yaml": "x: 1\n",
    "external/lost/KEY/metadata.yaml": metadata(),
  });
  await symlink("/etc", join(root, rule, "LINKED"));
  await symlink("/etc", join(root, "internal", "elsewhere"));
  const { content, refused: found } = await readContent(root);
  assert.deepEqual(
    content.map(({ error_key }) => error_key),
    ["DISK_FULL"],
  );
  assert.deepEqual(
    found.map(({ rule_name, error_key, problems }) => [rule_name, error_key, problems.length]),
    [
      ["disk_full", "BAD", 5],
      ["disk_full", "FORGOTTEN", 1],
      ["disk_full", "LINKED", 1],
      ["elsewhere", null, 1],
      ["lost", null, 1],
      ["twin", null, 2],
      ["twin", "KEY", 2],
    ],
  );
});

test("what lies in a wrong place is named by what it would be, and what is behind a link by where it lies", async (t) => {
  const root = await folderOf(t, {
    ...valid,
    [`${rule}/plugin.yaml`]: "x: 1\n",
    [`${rule}/GOOD/metadata.yaml`]: metadata(),
    [`${rule}/BAD/metadata.yaml`]: metadata({ likelihood: "9" }),
    [`${rule}/TOO/DEEP/metadata.yaml`]: metadata(),
    [`${key}/old/reason.md`]: "x",
    [`${rule}/inner/plugin.yaml`]: plugin("inner"),
    "external/forgotten/reason.md": "x",
    "external/linked/K/metadata.yaml": metadata(),
    // a hidden folder is none
    [`${rule}/.OLD/metadata.yaml`]: metadata({ status: "draft" }),
  });
  for (const path of [
    `${key}/picture`,
    `${rule}/BAD/picture`,
    `${rule}/GOOD/reason.md`,
    "external/linked/plugin.yaml",
  ])
    await symlink("/etc/hostname", join(root, path));
  execFileSync("mkfifo", [join(root, key, "pipe"), join(root, rule, "more_info.md")]);
  const { refused: found } = await readContent(root);
  const link = "is a symbolic link, which is not followed";
  assert.deepEqual(
    found.map(({ rule_name, error_key, problems }) => [rule_name, error_key, ...problems]),
    [
      [
        ...["disk_full", null, `${rule}/plugin.yaml: name: is missing`],
        ...[`${rule}/plugin.yaml: python_module: is missing`, `${rule}/more_info.md: is not a file`],
      ],
      [
        "disk_full",
        "BAD",
        `${rule}/BAD/picture: ${link}`,
        `${rule}/BAD/metadata.yaml: likelihood: must be 1, 2, 3 or 4`,
      ],
      ["disk_full", "DEEP", `${rule}/TOO: has no plugin.yaml, but its folder DEEP has a metadata.yaml`],
      ["disk_full", "DISK_FULL", `${key}/picture: ${link}`, `${key}/pipe: is neither a file nor a folder`],
      ["disk_full", "GOOD", `${rule}/GOOD/reason.md: ${link}`],
      ["disk_full", "old", `${key}/old: has reason.md, but no metadata.yaml`],
      ["forgotten", null, "external/forgotten: has reason.md, but no plugin.yaml"],
      [
        ...["inner", null, `${rule}/inner: is a rule inside the rule ${rule}`],
        `${rule}/inner: is a rule without error keys (folders with metadata.yaml)`,
      ],
      ["linked", null, `external/linked/plugin.yaml: ${link}`],
      [
        ...["linked", "K", "external/linked/K: has no generic.md, and neither has its rule"],
        "external/linked/K: has no reason.md, and neither has its rule",
      ],
    ],
  );
});

test("an error key with something in it that is not followed is left out, and its rule is not", async (t) => {
  const root = await folderOf(t, { ...valid, [`${rule}/LINKS/metadata.yaml`]: metadata() });
  await symlink("/etc/hostname", join(root, rule, "LINKS", "picture"));
  const { content, refused: found } = await readContent(root);
  assert.deepEqual(
    content.map(({ error_key }) => error_key),
    ["DISK_FULL"],
  );
  assert.deepEqual(
    found.map(({ rule_name, error_key }) => [rule_name, error_key]),
    [["disk_full", "LINKS"]],
  );
});

test("a rule whose name is cleaned to be shown is left out under the name that it has", async (t) => {
  const named = (name: string): Tree => ({
    [`external/${name}/plugin.yaml`]: plugin("disk_full"),
    [`external/${name}/K/metadata.yaml`]: metadata(),
    [`external/${name}/generic.md`]: "g",
    [`external/${name}/reason.md`]: "r",
  });
  const { content, refused: found } = await readContent(
    await folderOf(t, { ...valid, ...named("a\nb"), ...named("a\u200bc") }),
  );
  assert.deepEqual(
    content.map(({ rule_name }) => rule_name),
    ["disk_full"],
  );
  assert.deepEqual(
    found.map(({ rule_name }) => rule_name),
    ["a b", "a c"],
  );
});

test("a description may be missing or empty: a message has the rule's name in its place", async (t) => {
  for (const written of ["''", "' '", "", "null"]) {
    const [entry] = await read(t, { [meta]: metadata({ description: written }) });
    assert.equal(entry?.description.trim(), "", written);
  }
});

test("a file of many keys is read without delay", { timeout: 20_000 }, async (t) => {
  const keys = Array.from({ length: 80_000 }, (_, nth) => `k${nth}: 1\n`).join("");
  assert.equal((await read(t, { [meta]: metadata() + keys })).length, 1);
});

test("content without any rule is refused", async (t) => {
  const message = "external, internal: hold no rule (a folder with a plugin.yaml)";
  await refuses(await folderOf(t, { "config.yaml": "impact: {}" }), message);
  await refuses(await folderOf(t, { "config.yaml": "impact: {}", "external/a/notes.md": "x" }), message);
});

test("what YAML 1.1 would make something else of is a text, and a number of a plugin is one", async (t) => {
  const [entry] = await read(t, {
    [meta]: metadata({ description: "no", tags: "[on, 1_000]" }),
    [`${rule}/plugin.yaml`]: `${plugin("disk_full").replace('"1"', "7")}`,
    [`${rule}/more_info.md`]: "",
  });
  assert.deepEqual([entry?.description, entry?.tags, entry?.node_id], ["no", ["on", "1_000"], "7"]);
  assert.ok(!("more_info" in (entry?.rule_texts ?? {})), "an empty text is none");
});

test("numbers of risks of a resolution that are none do no harm", async (t) => {
  const [entry] = await read(t, { "config.yaml": "impact: {Outage: 4}\nresolution_risk: 5\n" });
  assert.equal(entry?.resolution_risk, 0);
});

test("a file of 1 MiB is read, and 50 MiB of them, no more", async (t) => {
  const root = await folderOf(t, { full: Buffer.alloc(1024 * 1024, "x"), one: "x" });
  const reader = new TextReader(root);
  for (let nth = 0; nth < 50; nth++) await reader.text("full");
  await assert.rejects(reader.text("one"), { message: /^one: with this file/, ofTheWhole: true });
  const long = "x".repeat(300);
  await assert.rejects(reader.text(long), (error: Error) => {
    assert.equal(error.message, `${long}: cannot be read (ENAMETOOLONG)`);
    assert.equal((error.cause as { code: string }).code, "ENAMETOOLONG");
    return true;
  });
});

test("a problem is one line, whatever the names in it hold", () => {
  const { message } = new ContentError("a\u001b[31m\tb", ["c\nd", "e\u0085 "]);
  assert.equal(message, "a [31m b: c d; a [31m b: e");
});

test("problems that are many are shown in part, and the rest is counted", () => {
  const refused = Array.from({ length: 3 }, (_, nth) => ({
    ...{ rule_name: `r${nth}`, error_key: nth === 0 ? null : "K", problems: ["a", "b"] },
  }));
  const lines = ["r0 is left out: a; b", "r1|K is left out: a; b", "r2|K is left out: a; b"];
  assert.deepEqual(refusedInWords(refused), lines);
  assert.deepEqual(refusedInWords(refused, 3), lines);
  assert.deepEqual(refusedInWords(refused, 2), [
    ...lines.slice(0, 2),
    "1 more are left out: see the view refused_content",
  ]);
});

test("content over 50 MiB in total is refused", async (t) => {
  const megabyte = Buffer.alloc(1024 * 1024, "x");
  const tree: Tree = { ...valid };
  for (let nth = 10; nth < 60; nth++) {
    tree[`${rule}/KEY_${nth}/metadata.yaml`] = metadata();
    tree[`${rule}/KEY_${nth}/more_info.md`] = megabyte;
  }
  await refuses(
    await folderOf(t, tree),
    `${rule}/KEY_59/more_info.md: with this file the content is over 50 MiB in total`,
  );
});

test("a link is refused wherever it would be followed", async (t) => {
  const outside = await folderOf(t, valid);
  for (const [path, target, message] of [
    [
      `${rule}/more_info.md`,
      "/etc/hostname",
      /^external\/rules\/disk_full\/more_info\.md: is a symbolic link/,
    ],
    [`${rule}/LINKED`, join(outside, key), /^external\/rules\/disk_full\/LINKED: is a symbolic link/],
    ["internal", join(outside, "external"), /^internal: is not a folder \(symbolic links are not followed\)/],
  ] as const) {
    const root = await folderOf(t, valid);
    await symlink(target, join(root, path));
    await refuses(root, message);
  }
  const root = await folderOf(t, { ...valid, "config.yaml": undefined });
  await symlink(join(outside, "config.yaml"), join(root, "config.yaml"));
  await refuses(root, "config.yaml: is a symbolic link, which is not followed");
});

test("content that is over 50 MiB once a rule's text counts for each error key is refused", async (t) => {
  const tree: Tree = { ...valid, [`${rule}/more_info.md`]: "ß".repeat(512 * 1024) };
  for (let nth = 10; nth < 60; nth++) tree[`${rule}/KEY_${nth}/metadata.yaml`] = metadata();
  const pool = { query: () => assert.fail("the database is not asked") } as never;
  await assert.rejects(loadContent(pool, await folderOf(t, tree)), (error) => {
    assert.ok(error instanceof ContentError, String(error));
    assert.equal(
      error.message,
      "rule disk_full, error key KEY_58: with this the content is over 50 MiB, the rule's texts counted for each error key",
    );
    return true;
  });
});
