import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReports, loadContent, type Row, rows, value } from "../support/builders.ts";
import { assertGivesUp, runCcx } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { wholeTable } from "../support/policies.ts";

const database = testDatabase();
const target = "notifications backend";
/** What is remarked on a name that nobody knows. */
const remark = /^ccx: (there is no rule|no cluster) .+\n/gm;
const reason = ["--reason", "for the test"];

const ccx = (...args: string[]) => runCcx(["policy", ...args], { DATABASE_URL: database.url });

async function json(...args: string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await ccx(...args, "--json");
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

async function set(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await ccx("set", "--target", target, ...args, ...reason);
  assert.deepEqual([code, stderr.replaceAll(remark, "")], [0, ""]);
  assert.match(stdout, /^The policy for notifications backend is changed/);
}

test("the policies in force are shown, the wider ones first", async () => {
  const { code, stdout } = await ccx("list", "--wide");
  assert.equal(code, 0);
  const narrow = (await ccx("list")).stdout.trimEnd().split("\n");
  assert.deepEqual([narrow.length > 2, narrow.filter((line) => line.length > 120)], [true, []]);
  const [header, ...shown] = stdout.trimEnd().split("\n");
  assert.match(header ?? "", /^target +org id +rule name +enabled +total risk threshold/);
  assert.equal(shown.length, 2);
  assert.match(shown[0] ?? "", /^notifications backend +true +2 +0 +0 +0 +7 days +100/);
  await set("--rule", "x.disk.report", "enabled=false");
  await set("--org", "7", "cooldown=1 month");
  assert.deepEqual(
    (await json("list", "--target", target)).map(({ org_id, rule_name, enabled, cooldown }) => [
      ...[org_id, rule_name, enabled, cooldown],
    ]),
    [
      [null, null, true, "7 days"],
      [null, "disk", false, "7 days"],
      ["7", null, true, "1 mon"],
    ],
  );
});

test("settings are texts, numbers and lists; an empty one is cleared where that is possible", async () => {
  const shown = async () => (await json("list", "--target", target)).find(({ org_id }) => org_id === "8");
  await set(
    ...[
      "--org",
      "8",
      "enabled=true",
      "max_events=5",
      "required_tags=a, b , ,",
      "filter=totalRisk > 2 && impact >= 1",
    ],
    ...["allowed_clusters= c,d", "blocked_clusters=e", "spacing=2 hours", "likelihood_threshold=1"],
    ...["flapping_occurrences=3", "flapping_window=6 hours", "flapping_action=damp", "notify_resolved=true"],
    "receiver_knows_resolved=true",
  );
  assert.partialDeepStrictEqual(await shown(), {
    max_events: 5,
    required_tags: ["a", "b"],
    filter: "totalRisk > 2 && impact >= 1",
    allowed_clusters: ["c", "d"],
    blocked_clusters: ["e"],
    spacing: "02:00:00",
    likelihood_threshold: 1,
    flapping_occurrences: 3,
    flapping_window: "06:00:00",
    flapping_action: "damp",
    notify_resolved: true,
  });
  const { required_tags, allowed_clusters } = (await shown()) ?? {};
  assert.deepEqual(
    { required_tags, allowed_clusters },
    { required_tags: ["a", "b"], allowed_clusters: ["c", "d"] },
  );
  await set("--org", "8", "required_tags=", "filter=", "allowed_clusters=", "blocked_clusters=");
  assert.partialDeepStrictEqual(await shown(), {
    max_events: 5,
    required_tags: [],
    filter: null,
    allowed_clusters: null,
    blocked_clusters: [],
  });
});

test("the history has every version, with who made it and why", async () => {
  await set("--org", "9", "max_events=3");
  await set("--org", "9", "max_events=4");
  const versions = (await json("history", "--target", target)).filter(({ org_id }) => org_id === "9");
  const [{ me } = {}] = await rows(database.pool, "select session_user as me");
  assert.deepEqual(
    versions.map(({ max_events, reason: why, changed_by }) => [max_events, why, changed_by]),
    [
      [3, "for the test", me],
      [4, "for the test", me],
    ],
  );
  assert.equal(versions[0]?.until, versions[1]?.since);
  assert.equal(versions[1]?.until, null);
});

test("the policy of an organization or a rule ends, and stays on record with who ended it and why", async () => {
  await set("--org", "10", "--rule", "disk", "max_events=3");
  const end = [
    "end",
    "--target",
    target,
    "--org",
    "10",
    "--rule",
    "x.disk.report",
    "--reason",
    "contract ended",
  ];
  const { code, stdout, stderr } = await ccx(...end);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^That policy for notifications backend has ended; /);
  assert.ok(!(await json("list", "--target", target)).some(({ org_id }) => org_id === "10"));
  const [{ until, ended_by, end_reason } = {}] = (await json("history", "--target", target)).filter(
    ({ org_id }) => org_id === "10",
  );
  assert.ok(until);
  assert.deepEqual(
    [ended_by, end_reason],
    [(await rows(database.pool, "select session_user as me"))[0]?.me, "contract ended"],
  );
  const again = await ccx(...end);
  assertGivesUp(
    { ...again, stderr: again.stderr.replaceAll(remark, "") },
    /^ccx: there is no policy of its own for that organization or rule$/,
  );
  assertGivesUp(
    await ccx("end", "--target", target, "--reason", "contract ended"),
    /^ccx: the policy of a target cannot end, only change/,
  );
  assertGivesUp(
    await ccx("end", "--target", target, "--org", "10"),
    /required option '--reason <text>'/,
    /--help/,
  );
});

test("what cannot be is refused in one line, and nothing changes", async () => {
  const before = await wholeTable(database.pool, "policy");
  const refuse = async (line: RegExp, ...args: string[]) =>
    assertGivesUp(await ccx("set", "--target", ...args), line);
  await refuse(/^ccx: there is no target "pager"; the targets are: .+$/, "pager", "enabled=true", ...reason);
  await refuse(/^ccx: "enabled" is not of the form setting=value\.$/, target, "enabled", ...reason);
  await refuse(
    /^ccx: a policy has no setting "colour"; the settings are: .+$/,
    target,
    "colour=1",
    ...reason,
  );
  await refuse(/^ccx: a cooldown has to be between 0 and 100 years$/, target, "cooldown=-1 day", ...reason);
  await refuse(
    /^ccx: the setting cooldown is an interval with its unit, for example "3 days", not "abc"$/,
    target,
    "cooldown=abc",
    ...reason,
  );
  await refuse(/^ccx: the setting cooldown cannot be empty$/, target, "cooldown=", ...reason);
  await refuse(/^ccx: the filter cannot be read at position 3: .+$/, target, "filter=1 &", ...reason);
  await refuse(/^ccx: a change needs a reason .+$/, target, "enabled=false", "--reason", "why");
  assertGivesUp(
    await ccx("set", "--target", target, "enabled=false"),
    /required option '--reason <text>'/,
    /--help/,
  );
  assert.deepEqual(await wholeTable(database.pool, "policy"), before);
});

test("a change that concerns many open issues needs a word that it is meant", async () => {
  const { pool } = database;
  await loadContent(pool, ["disk"]);
  const at = String(await value(pool, "select now()"));
  await addReports(
    pool,
    Array.from({ length: 12 }, () => ({ cluster: aCluster(), at, hits: ["disk"], org: 77 })),
  );
  const args = ["set", "--target", target, "--org", "77", "enabled=false", ...reason];
  const before = await rows(pool, "select id from policy order by id");
  const end = await ccx(...args);
  assert.equal(end.code, 1);
  assert.match(
    end.stderr,
    /Nothing was changed: 12 open issues are concerned\. --yes says that it is meant\./,
  );
  assert.deepEqual(await rows(pool, "select id from policy order by id"), before);
  assert.equal((await ccx(...args, "--yes")).code, 0);

  const silence = (...more: string[]) =>
    runCcx(["silence", "add", "--rule", "disk", "--for", "1 day", ...reason, ...more], {
      DATABASE_URL: database.url,
    });
  assert.match((await silence()).stderr, /Nothing was silenced\. --yes says that it is meant\./);
  assert.deepEqual(await rows(pool, "select id from silence"), []);
  assert.equal((await silence("--yes")).code, 0);
  assert.equal(await value(pool, "select count(*)::integer from silence"), 1);
});
