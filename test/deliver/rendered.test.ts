import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { RendererClosed } from "../../src/content/render/renderer.ts";
import { ContentTexts } from "../../src/content/render/texts.ts";
import type { ClaimedIssue, ClaimedNotification } from "../../src/deliver/claimed.ts";
import { failure, untried } from "../../src/deliver/outbox.ts";
import { renderAll } from "../../src/deliver/rendered.ts";
import { createLogger } from "../../src/log.ts";
import { loadContent, rows, someContent } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { aRow } from "./rows.ts";

const database = testDatabase();
const log = createLogger("silent");
const ids: Record<string, string> = {};

beforeEach(async () => {
  if (ids.disk) return;
  await loadContent(database.pool, [
    someContent("disk", {
      description: "Disk {{=pydata.name}} is full",
      reason: "**{{=pydata.name}}** has {{=pydata.files.length}} files",
    }),
    someContent("mute", { description: "" }),
    someContent("bad_title", { description: "{{=pydata.a.b}}" }),
    someContent("bad_reason", { reason: "{{=pydata.a.b}}" }),
    someContent("bad_resolution", { resolution: "{{?}}" }),
    someContent("uncompiled", { description: "{{?}}" }),
    someContent("endless", { description: "{{ while (true); }}" }),
  ]);
  for (const { id, rule_name } of await rows(database.pool, "select id::text, rule_name from rule_content"))
    ids[String(rule_name)] = String(id);
});

const titles = { texts: ["description"], format: "html" } as const;
const entries = { texts: ["description", "reason"], format: "markdown" } as const;

const issue = (rule: string, details: unknown = {}): ClaimedIssue => ({
  issue_id: `1${ids[rule] ?? 0}`,
  component: `a.${rule}.report`,
  error_key: "KEY",
  total_risk: 3,
  severity: "IMPORTANT",
  content_id: ids[rule] ?? "987654321",
  details,
});

const message = (id: string, issues: ClaimedIssue[], changes: Partial<ClaimedNotification> = {}) => ({
  ...aRow(),
  id,
  ...changes,
  issues,
});

/** Renders with texts of its own; patiently, for a machine that does other things, too. */
async function render(
  messages: ClaimedNotification[],
  target: Parameters<typeof renderAll>[1] = titles,
  timeMs = 3_000,
): ReturnType<typeof renderAll> {
  const texts = await ContentTexts.create(database.pool, log, { limits: { timeMs, watchMs: 6_000 } });
  try {
    return await renderAll(messages, target, texts);
  } finally {
    await texts.dispose();
  }
}

test("an issue gets the texts that its target uses, from the details of its own hit", async () => {
  const both = [issue("disk", { name: "a<b", files: [1] }), issue("disk", { name: "*x*", files: [] })];
  const { rows: html, ...rest } = await render([message("1", both)]);
  assert.deepEqual(rest, { unrendered: new Map(), doubtful: new Map(), failed: [] });
  const { issue_id: _, details: __, ...plain } = issue("disk");
  assert.deepEqual(html, [
    message("1", [
      { ...plain, details: both[0]?.details, description: "Disk a&lt;b is full", reason: "" },
      { ...plain, details: both[1]?.details, description: "Disk *x* is full", reason: "" },
    ] as never),
  ]);
  const markdown = await render([message("1", [both[1] as ClaimedIssue])], entries);
  assert.deepEqual(
    markdown.rows.map(({ issues }) => issues),
    [
      [
        {
          ...plain,
          details: both[1]?.details,
          description: "Disk \\*x\\* is full",
          reason: "**\\*x\\*** has 0 files",
        },
      ],
    ],
  );
});

test("an issue whose template fails is left out with the error; the others stay, in their order", async () => {
  const mixed = ["disk", "bad_title", "mute", "uncompiled", "gone"].map((rule) =>
    issue(rule, { name: "x", files: [] }),
  );
  const all = await render([message("1", mixed), message("2", [issue("mute")])]);
  assert.deepEqual(
    all.rows.map(({ id, issues }) => [id, issues.map(({ description }) => description)]),
    [
      ["1", ["Disk x is full", ""]],
      ["2", [""]],
    ],
  );
  assert.deepEqual([...all.unrendered.keys()], ["1"]);
  const left = all.unrendered.get("1") ?? [];
  assert.deepEqual(
    left.map(({ issue_id }) => issue_id),
    [mixed[1], mixed[3], mixed[4]].map((one) => one?.issue_id),
  );
  assert.match(left[0]?.error ?? "", /^description: TypeError: cannot read property 'b' of undefined$/);
  assert.match(left[1]?.error ?? "", /^description: SyntaxError/);
  assert.equal(left[2]?.error, "the content version is gone");
  assert.deepEqual(all.failed, []);
});

test("only the texts that the target uses can fail", async () => {
  const some = () => [message("1", [issue("bad_reason"), issue("bad_resolution")])];
  assert.equal((await render(some(), titles)).unrendered.size, 0);
  const left = (await render(some(), entries)).unrendered.get("1");
  assert.deepEqual(
    left?.map(({ error }) => error),
    ["reason: TypeError: cannot read property 'b' of undefined"],
  );
});

test("of what is gone only the title is notified, so its reason cannot fail", async () => {
  const all = await render([message("1", [issue("bad_reason")], { resolved: true })], entries);
  assert.deepEqual([all.unrendered.size, all.failed], [0, []]);
  assert.deepEqual(
    all.rows[0]?.issues.map(({ description, reason }) => [description, reason]),
    [["bad_reason is wrong", ""]],
  );
  const titled = await render([message("1", [issue("bad_title")], { resolved: true })], entries);
  assert.equal(titled.failed.length, 1);
});

test("a message of which nothing is left fails for good as template, with the first error", async () => {
  const none = message("1", [issue("bad_title"), issue("gone")], { attempt: 3 });
  const all = await render([none, message("2", [issue("mute")])]);
  assert.deepEqual(
    all.rows.map(({ id }) => id),
    ["2"],
  );
  const outcomes = all.failed.map(({ row, error }) => untried(failure(row, error)));
  assert.deepEqual(outcomes, [
    {
      id: "1",
      attempt: 3,
      sent: false,
      failure: "template",
      error: "description: TypeError: cannot read property 'b' of undefined",
      permanent: true,
      retry_after_ms: null,
      tried: false,
    },
  ]);
  assert.equal(all.unrendered.get("1")?.length, 2);
});

test("what was stopped is rendered once more, since the machine may have been busy", async (t) => {
  const texts = await ContentTexts.create(database.pool, log);
  t.after(() => texts.dispose());
  const said: string[] = [];
  t.mock.method(texts, "render", async (content: { id: string } | undefined) => {
    const rule = Object.keys(ids).find((name) => ids[name] === content?.id) ?? "";
    said.push(rule);
    if (rule === "bad_title") return { error: "description: not stopped: it throws" };
    const stopped = rule === "endless" || said.filter((one) => one === rule).length === 1;
    return stopped ? { error: "stopped: took too long" } : { texts: { description: "in the end" } };
  });
  const all = await renderAll(
    [message("1", [issue("disk"), issue("endless"), issue("bad_title")])],
    titles,
    texts,
  );
  assert.deepEqual(said, ["disk", "endless", "bad_title", "disk", "endless"]);
  assert.deepEqual(
    all.rows[0]?.issues.map(({ description }) => description),
    ["in the end"],
  );
  assert.equal(all.unrendered.get("1")?.length, 2);
});

test("a template that never ends costs its own issue only", async () => {
  const some = [message("1", [issue("mute"), issue("endless"), issue("mute")])];
  const all = await render(some, titles, 500);
  assert.equal(all.rows[0]?.issues.length, 2);
  assert.match(all.unrendered.get("1")?.[0]?.error ?? "", /stopped/);
});

test("what the texts lack is told by issue; where the policy holds such a text, its issue is left out", async () => {
  const [out, held] = [
    issue("disk", { files: [] }),
    { ...issue("disk", { files: [] }), hold_doubtful: true },
  ];
  const good = { ...issue("disk", { name: "x", files: [] }), hold_doubtful: true };
  const all = await render([message("1", [out, held, good]), message("2", [held])]);
  const doubt = {
    issue_id: out.issue_id,
    text: "description",
    place: "pydata.name",
    kind: "missing",
    example: "",
  };
  assert.deepEqual(
    all.rows.map(({ issues }) => issues.map(({ description }) => description)),
    [["Disk  is full", "Disk x is full"]],
  );
  assert.deepEqual(all.doubtful.get("1"), [doubt, doubt]);
  const left = { issue_id: held.issue_id, error: "description: {{pydata.name}} is missing" };
  assert.deepEqual(all.unrendered.get("1"), [left]);
  assert.deepEqual(
    all.failed.map(({ row, error }) => [row.id, error.reason, error.message]),
    [["2", "template", left.error]],
  );
});

test("where the renderer is closed no message fails: there is nothing to settle", async () => {
  const texts = await ContentTexts.create(database.pool, log);
  await texts.dispose();
  await assert.rejects(renderAll([message("1", [issue("disk")])], titles, texts), RendererClosed);
});
