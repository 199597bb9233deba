import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { addReport, aReport, openIssues, rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

const org = 7;
/** With letters, whose case may differ. */
const aCluster = () => randomUUID().replace(/^.{8}/, "abcdef12");
const report = (...hits: string[]) =>
  JSON.stringify({
    ...(JSON.parse(aReport(...hits)) as object),
    info: [{ info_id: "version_info|CLUSTER_VERSION_INFO", details: { version: "4.17.3", type: "info" } }],
    system: { hostname: null },
  });

const columns = {
  report: "org_id, cluster, report, reported_at, last_checked_at, kafka_offset, gathered_at",
  report_info: "org_id, cluster_id, version_info",
  recommendation: "org_id, cluster_id, rule_fqdn, error_key, rule_id, created_at, impacted_since",
  cluster_rule_user_feedback:
    "cluster_id, rule_id, error_key, user_id, org_id, message, user_vote, added_at, updated_at",
};

/** Inserts a row as another program does, whose connection has its own time zone. */
async function insert(table: keyof typeof columns, ...values: unknown[]): Promise<void> {
  const places = values.map((_, at) => `$${at + 1}`).join(", ");
  const client = await database.pool.connect();
  try {
    await client.query("begin; set local timezone = 'America/St_Johns'");
    await client.query(`insert into aggregator.${table} (${columns[table]}) values (${places})`, values);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

const insertReport = (cluster: string, at: string | null, text: string, more: { org?: number } = {}) =>
  insert("report", more.org ?? org, cluster, text, at, at, 0, null);

const seen = (cluster: string) =>
  rows(
    database.pool,
    `select org_id, cluster, report, last_checked_at::text, kafka_offset from aggregator.report where cluster = $1`,
    [cluster],
  );

test("an inserted report is stored as its message would be: hits, version, time, cluster in lower case", async () => {
  const cluster = aCluster();
  const text = report("alpha|ONE", "beta|TWO").replace(`"info"`, `"exact":1e2,"info"`);
  await insertReport(cluster.toUpperCase(), "2026-01-05 10:00:00.123456", text);
  assert.deepEqual((await openIssues(database.pool, cluster)).length, 2);
  const [row, ...others] = await seen(cluster);
  assert.deepEqual(others, []);
  assert.deepEqual(
    { ...row, report: undefined },
    {
      org_id: String(org),
      cluster,
      report: undefined,
      last_checked_at: "2026-01-05 10:00:00.123456",
      kafka_offset: "0",
    },
  );
  assert.equal((JSON.parse(String(row?.report)) as { reports: unknown[] }).reports.length, 2);
  assert.match(
    String(row?.report),
    /^\{"reports":.*,"exact":1e2\}$/,
    "what is not needed is left out, as of messages",
  );
  assert.deepEqual(
    await rows(database.pool, "select * from aggregator.report_info where cluster_id = $1", [cluster]),
    [{ org_id: String(org), cluster_id: cluster, version_info: "4.17.3" }],
  );
  const recommended = await rows(
    database.pool,
    "select rule_fqdn, error_key, rule_id from aggregator.recommendation where cluster_id = $1 order by 1",
    [cluster],
  );
  assert.equal(recommended.length, 2);
  for (const { rule_fqdn, error_key, rule_id } of recommended) {
    assert.equal(rule_id, `${rule_fqdn}|${error_key}`);
    assert.doesNotMatch(String(rule_fqdn), /\.report$/);
  }
  assert.equal(
    await value(database.pool, "select count(*)::integer from decision_due where cluster = $1", [cluster]),
    1,
    "it is decided over",
  );
});

test("an older report changes nothing, the same time again replaces, another organization takes over", async () => {
  const cluster = aCluster();
  await insertReport(cluster, "2026-01-05 10:00:00", report("alpha|ONE"));
  await insertReport(cluster, "2026-01-05 09:00:00", report("beta|TWO"));
  const before = await openIssues(database.pool, cluster);
  assert.equal(before.length, 1);
  assert.match(String(before[0]), /ONE/);
  await insertReport(cluster, "2026-01-05 10:00:00", report("beta|TWO"));
  assert.match(String((await openIssues(database.pool, cluster))[0]), /TWO/);
  await insertReport(cluster, "2026-01-05 11:00:00", report("alpha|ONE"), { org: 8 });
  assert.deepEqual(
    (await seen(cluster)).map(({ org_id }) => org_id),
    ["8"],
  );
});

test("what is read there can be inserted again, and so can what the consumer stored", async () => {
  const cluster = aCluster();
  await addReport(database.pool, cluster, "2026-01-05T10:00:00Z", ["alpha|ONE"]);
  const [row] = await seen(cluster);
  assert.ok(row);
  const before = await rows(database.pool, "select * from new_reports where cluster = $1", [cluster]);
  await insertReport(cluster, String(row.last_checked_at), String(row.report), { org: Number(row.org_id) });
  const after = await rows(database.pool, "select * from new_reports where cluster = $1", [cluster]);
  assert.deepEqual(after.length, before.length);
  assert.deepEqual(await seen(cluster), [row]);
});

test("what no message could be is refused with a sentence, and nothing is stored", async () => {
  const cluster = aCluster();
  const at = "2026-01-05 10:00:00";
  const refused = async (code: string, sentence: RegExp, work: () => Promise<unknown>) =>
    assert.rejects(work, (error: Error & { code?: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, sentence);
      return true;
    });
  const good = report("alpha|ONE");
  await refused("NTV01", /org_id has to be .* but is 0/, () => insertReport(cluster, at, good, { org: 0 }));
  await refused("NTV01", /has to be a UUID, but is 'x'/, () => insertReport("x", at, good));
  await refused("NTV02", /last_checked_at .* missing/, () => insertReport(cluster, null, good));
  await refused("NTV02", /last_checked_at/, () => insertReport(cluster, "2999-01-01", good));
  await refused("NTV02", /last_checked_at/, () => insertReport(cluster, "infinity", good));
  for (const bad of ["", "nonsense", "[]", "null"])
    await refused("NTV03", /has to be a JSON object/, () => insertReport(cluster, at, bad));
  for (const bad of [
    "{}",
    '{"reports":{}}',
    '{"reports":[1]}',
    '{"reports":[{"component":"a"}]}',
    '{"reports":[{"component":"a","key":1}]}',
  ])
    await refused("NTV03", /array of hits/, () => insertReport(cluster, at, bad));
  await refused("NTV03", /array of hits/, () =>
    insertReport(cluster, at, `{"reports":[{"component":"${"a".repeat(256)}","key":"K"}]}`),
  );
  await refused("NTV04", /has no report of organization 7/, () => insert("report_info", org, cluster, "4.1"));
  await refused("NTV04", /has no report/, () =>
    insert("recommendation", org, cluster, "a.b.alpha", "ONE", ".", at, at),
  );
  await refused("NTV04", /has no report/, () =>
    insert("cluster_rule_user_feedback", cluster, "a.report", "K", "u", String(org), "", 1, at, at),
  );
  assert.deepEqual(await seen(cluster), []);
  assert.equal(
    await value(database.pool, "select count(*)::integer from new_reports where cluster = $1", [cluster]),
    0,
  );

  await insertReport(cluster, at, good);
  await refused("NTV05", /longer than 255/, () => insert("report_info", org, cluster, "4".repeat(256)));
  await refused("NTV06", /has no hit of a.b.gamma\|ONE/, () =>
    insert("recommendation", org, cluster, "a.b.gamma", "ONE", ".", at, at),
  );
  for (const [owner, user, vote, message] of [
    ["7", "", 1, ""],
    ["7", "u", 2, ""],
    ["7", "u", 1, "é".repeat(128)],
  ])
    await refused("NTV05", /a vote has/, () =>
      insert("cluster_rule_user_feedback", cluster, "a.report", "K", user, owner, message, vote, at, at),
    );
  await refused("NTV01", /org_id/, () =>
    insert("cluster_rule_user_feedback", cluster, "a.report", "K", "u", "seven", "", 1, at, at),
  );
});

test("a version, a recommendation that is there and a vote are taken", async () => {
  const cluster = aCluster();
  const at = "2026-01-05 10:00:00";
  await insertReport(cluster, at, report("alpha|ONE"));
  await insert("report_info", org, cluster.toUpperCase(), "4.18.1");
  assert.equal(
    await value(database.pool, "select version_info from aggregator.report_info where cluster_id = $1", [
      cluster,
    ]),
    "4.18.1",
  );
  const [hit] = await rows(
    database.pool,
    "select rule_fqdn, error_key from aggregator.recommendation where cluster_id = $1",
    [cluster],
  );
  await insert("recommendation", org, cluster, `${hit?.rule_fqdn}`, hit?.error_key, ".", at, at);
  const vote = (value: number, message: string) =>
    insert(
      ...([
        "cluster_rule_user_feedback",
        cluster,
        `${hit?.rule_fqdn}.report`,
        "ONE",
        "u1",
        String(org),
      ] as const),
      ...[message, value, at, at],
    );
  await vote(1, "good");
  await vote(-1, "");
  assert.deepEqual(
    await rows(
      database.pool,
      `select user_vote, message, org_id, added_at::text from aggregator.cluster_rule_user_feedback
       where cluster_id = $1`,
      [cluster],
    ),
    [{ user_vote: -1, message: "good", org_id: "7", added_at: at }],
  );
  const drift = await rows(database.pool, "select * from drift");
  assert.deepEqual(drift, []);
});

test("the db-writer's own statements are refused, each for the reason that the guide gives; a plain insert is an upsert", async () => {
  const cluster = aCluster();
  const at = "2026-01-05 10:00:00";
  await insertReport(cluster, at, report("alpha|ONE"));
  await insert("report_info", org, cluster, "4.17.3");
  await insert("cluster_rule_user_feedback", cluster, "a.report", "K", "u", String(org), "", 1, at, at);
  const stored = async () => ({
    seen: await seen(cluster),
    issues: await openIssues(database.pool, cluster),
    reports: await rows(database.pool, "select * from new_reports where cluster = $1", [cluster]),
    latest: await rows(database.pool, "select * from latest_report where cluster = $1", [cluster]),
  });
  const before = await stored();
  const inserted = `insert into aggregator.report (${columns.report}) values
    (${org}, '${cluster}', '{"reports":[]}', '2026-01-06', '2026-01-06', 0, null)`;
  const info = `insert into aggregator.report_info (${columns.report_info}) values (${org}, '${cluster}', '4.18')`;
  for (const [statement, code] of [
    [`${inserted} on conflict (cluster) do update set report = excluded.report`, "42P10"],
    [`${info} on conflict (cluster_id) do update set version_info = excluded.version_info`, "42P10"],
    [`update aggregator.report set org_id = 8 where cluster = '${cluster}'`, "NTV07"],
    [`update aggregator.report_info set org_id = 8 where cluster_id = '${cluster}'`, "NTV07"],
    [`update aggregator.recommendation set org_id = 8 where cluster_id = '${cluster}'`, "NTV07"],
    [`update aggregator.cluster_rule_user_feedback set org_id = '8'`, "NTV07"],
    [`delete from aggregator.report where cluster = '${cluster}'`, "NTV07"],
    [`delete from aggregator.report_info where cluster_id = '${cluster}'`, "NTV07"],
    [`delete from aggregator.recommendation where cluster_id = '${cluster}'`, "NTV07"],
    [`delete from aggregator.cluster_rule_user_feedback`, "NTV07"],
    [`delete from aggregator.rule_hit`, "42P01"],
    [`insert into aggregator.consumer_error values ('t')`, "42P01"],
    [`truncate aggregator.report`, "42809"],
  ] as const)
    await assert.rejects(database.pool.query(statement), { code }, statement);
  assert.deepEqual(await stored(), before);

  await database.pool.query(inserted);
  assert.deepEqual(await openIssues(database.pool, cluster), []);
  await database.pool.query(inserted);
  assert.equal((await seen(cluster)).length, 1);
});

test("the version of the schema is 32 there, the notification writer's stays what it is", async () => {
  assert.deepEqual(await rows(database.pool, "select version from aggregator.migration_info"), [
    { version: 32 },
  ]);
  assert.deepEqual(await rows(database.pool, "select version from public.migration_info"), [{ version: 8 }]);
});
