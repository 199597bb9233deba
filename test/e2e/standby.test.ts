import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type pg from "pg";
import { sampleContent } from "../../dev/samples/content.ts";
import { loadContent } from "../../src/content/source/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createPool } from "../../src/db/pool.ts";
import { createReader, type Reader } from "../../src/db/reader.ts";
import { startServer } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";
import { networksOf } from "../../src/results/identity.ts";
import { resultsRooms } from "../../src/results/rooms.ts";
import { runCcx } from "../support/command.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { identityOf } from "../support/results_api.ts";
import { startPair } from "../support/standby.ts";
import { until } from "../support/until.ts";

const owned = new AsyncDisposableStack();
after(() => owned.disposeAsync());
const log = createLogger("silent");
let pair: Awaited<ReturnType<typeof startPair>>;
let primary: pg.Pool;
let standby: pg.Pool;

const open = (databaseUrl: string) => {
  const pool = createPool({ databaseUrl, size: 3, name: "test", log });
  owned.defer(() => pool.end());
  return pool;
};

before(async () => {
  pair = await startPair(owned);
  await migrate(pair.primary.url, log);
  primary = open(pair.primary.url);
  standby = open(pair.standby.url);
  await loadContent(primary, sampleContent);
});

/** Stores a report as other programs do. */
async function store(message: string): Promise<void> {
  const { OrgID, AccountNumber, ClusterName, LastChecked, Report } = JSON.parse(message);
  await primary.query(
    "insert into new_reports (org_id, account_number, cluster, report, updated_at) values ($1, $2, $3, $4, $5)",
    [OrgID, AccountNumber, ClusterName, JSON.stringify(Report), LastChecked],
  );
}

/** A commit, and the standby has it: its age begins anew. */
async function fresh(): Promise<void> {
  const { rows } = await primary.query("select txid_current(), pg_current_wal_insert_lsn() as at");
  await until("the standby has it", async () => {
    const replayed = await standby.query("select pg_last_wal_replay_lsn() >= $1 as has", [rows[0]?.at]);
    return replayed.rows[0]?.has === true;
  });
}

const aReader = (maxAgeSeconds: number) => {
  const readUrl = pair.standby.url;
  const reader = createReader({ primary, readUrl, maxAgeSeconds, size: 2, name: "test", log });
  owned.defer(() => reader.end());
  return reader;
};

/** Who answers: "standby" or "primary". */
const answering = (reader: Reader) =>
  reader.read(async ({ pool, ageSeconds }) => {
    const { rows } = await pool.query("select pg_is_in_recovery() as standby");
    assert.equal(rows[0]?.standby, ageSeconds !== undefined, "an age comes from a standby only");
    return rows[0]?.standby ? "standby" : "primary";
  });

test("a standby answers while it is fresh, the primary while it lags", async () => {
  await fresh();
  const reader = aReader(3);
  assert.equal(await answering(reader), "standby");
  await standby.query("select pg_wal_replay_pause()");
  try {
    await primary.query("select txid_current()");
    await until("the primary answers", async () => (await answering(reader)) === "primary");
  } finally {
    await standby.query("select pg_wal_replay_resume()");
  }
  await fresh();
  await until("the standby answers", async () => (await answering(reader)) === "standby");
});

test("after a write of its own, a process asks the primary", async () => {
  await fresh();
  const reader = aReader(3_600);
  assert.equal(await answering(reader), "standby");
  reader.wrote();
  assert.equal(await answering(reader), "primary");
});

test("a question that the standby cancels goes to the primary, and so does what finds no standby", async () => {
  await fresh();
  const reader = aReader(3_600);
  const asked: boolean[] = [];
  const answer = await reader.read(async ({ pool, ageSeconds }) => {
    asked.push(ageSeconds !== undefined);
    // as a conflict with recovery ends a statement
    if (ageSeconds !== undefined) await pool.query("do $$ begin raise sqlstate '40001'; end $$");
    return "answered";
  });
  assert.deepEqual([answer, asked], ["answered", [true, false]]);
  await assert.rejects(
    reader.read(({ pool }) => pool.query("select 1 / 0")),
    { code: "22012" },
    "what is wrong on either is not asked twice",
  );
  assert.equal(await answering(reader), "standby");

  const absent = new URL(pair.standby.url);
  absent.port = "1";
  const lost = createReader({
    ...{ primary, readUrl: absent.href, maxAgeSeconds: 30, size: 1, name: "test", log },
  });
  owned.defer(() => lost.end());
  assert.equal(await answering(lost), "primary");
  const itself = createReader({
    ...{ primary, readUrl: pair.primary.url, maxAgeSeconds: 30, size: 1, name: "test", log },
  });
  owned.defer(() => itself.end());
  assert.equal(await answering(itself), "primary", "what is no standby is not asked");
});

test("ccx explain, new and trace answer from the standby, and say how old the answer is", async () => {
  const cluster = aCluster();
  await store(aReport(cluster, ["bug"]));
  await fresh();
  const env = {
    DATABASE_URL: pair.primary.url,
    CCX_DATABASE_READ_URL: pair.standby.url,
    CCX_DATABASE_READ_MAX_AGE_SECONDS: "3600",
  };
  for (const args of [
    ["explain", "--cluster", cluster, "--json"],
    ["new", "--json"],
  ]) {
    const { code, stdout, stderr } = await runCcx(args, env);
    assert.match(stderr, /^ccx: from the standby, at most \d+ s old\n$/);
    assert.equal(code, 0);
    assert.ok(JSON.parse(stdout).some((row: { cluster: string }) => row.cluster === cluster));
  }
  const traced = await runCcx(["trace", aCluster()], env);
  assert.match(traced.stderr, /^ccx: from the standby/);
  const absent = await runCcx(["new", "--json"], {
    ...env,
    CCX_DATABASE_READ_URL: "postgres://nobody@127.0.0.1:1/x",
  });
  assert.equal(absent.stderr, "ccx: from the primary; the standby is away or too old\n");
  const alone = await runCcx(["new", "--json"], { DATABASE_URL: pair.primary.url });
  assert.equal(alone.stderr, "");
});

test("the results API reads from the standby, and after a change from the primary", async () => {
  const cluster = aCluster();
  await store(aReport(cluster, ["bug"]));
  await fresh();
  const pool = open(pair.primary.url);
  const reader = aReader(3_600);
  const rooms = resultsRooms({
    ...{ pool, reader, canceller: pool, log, timeoutMs: 10_000, internalOrganizations: new Set<string>() },
    trustedPeers: networksOf(["127.0.0.0/8"]),
  });
  const server = await startServer({ host: "127.0.0.1", port: 0, routes: {}, rooms }, log);
  owned.defer(() => server.close());
  const ask = (method: string, path: string) =>
    fetch(`http://127.0.0.1:${server.port}/api/v1${path}`, {
      method,
      headers: { "x-rh-identity": identityOf(11_789_772), "content-type": "application/json" },
    });
  const report = await ask("GET", `/clusters/${cluster}/report`);
  assert.equal(report.status, 200);
  assert.match(report.headers.get("x-ccx-age-seconds") ?? "", /^\d+\.\d$/);
  const listed = await ask("GET", "/org_overview");
  assert.notEqual(listed.headers.get("x-ccx-age-seconds"), null);

  const module = "ccx_rules_ocp.external.bug_rules.bug_1766907";
  const changed = await ask(
    "PUT",
    `/clusters/${cluster}/rules/${module}/error_key/BUGZILLA_BUG_1766907/disable`,
  );
  assert.equal(changed.status, 200);
  const again = await ask("GET", `/clusters/${cluster}/report`);
  assert.deepEqual([again.status, again.headers.get("x-ccx-age-seconds")], [200, null]);
});
