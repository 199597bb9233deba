import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import pg, { type Pool, type PoolClient } from "pg";
import { pino } from "pino";
import { parse } from "yaml";
import { countFailed } from "../../src/analyze/metrics.ts";
import { whileAway } from "../../src/db/while_away.ts";
import { countDelivered } from "../../src/deliver/metrics.ts";
import { countIngested } from "../../src/ingest/metrics.ts";
import { exposition } from "../../src/metrics/exposition.ts";
import { aheadOf } from "../../src/metrics/positions.ts";
import { consumed as consumedOf } from "../../src/metrics/sql.ts";
import { countAnswer } from "../../src/results/metrics.ts";
import { countUpload } from "../../src/upload/metrics.ts";
import {
  aCluster,
  addReport,
  claim,
  failed,
  ingest,
  loadContent,
  reportAndDecide,
  rows,
  settle,
  settleAll,
  someMessages,
} from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const root = path.join(import.meta.dirname, "../..");
const read = (file: string) => readFile(path.join(root, file), "utf8");
const { groups } = parse(await read("deploy/alerts/rules.yaml")) as {
  groups: { rules: { alert: string; expr: string }[] }[];
};
const expressions = new Map(groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr])));
const runbook = await read("docs/runbook.md");

type Sample = { name: string; labels: Record<string, string>; value: number };

const samplesOf = (text: string): Sample[] =>
  [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)/gm)].map(([, name = "", labels = "", value]) => ({
    name,
    labels: Object.fromEntries(
      [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text = ""]) => [key, text]),
    ),
    value: Number(value),
  }));

/** Two scrapes, one after the other: a rate is what was counted between them. */
type Scrapes = { before: Sample[]; after: Sample[] };

const clause =
  /^(max|min|sum)(?: by \(([\w, ]+)\))? ?\((rate\()?(\w+)(?:\{(.*?)\})?(?:\[\w+\]\))?\) (==|>|<) (.+)$/;

/** Whether an expression of ours is true; throws for what it does not know, so that no alert looks quiet. */
function isTrue(expression: string, scrapes: Scrapes): boolean {
  if (expression.includes(" or ")) return expression.split(" or ").some((part) => isTrue(part, scrapes));
  if (expression.includes(" and ")) return expression.split(" and ").every((part) => isTrue(part, scrapes));
  const [, aggregate, by = "", rate, name = "", matchers = "", comparison, right = ""] =
    clause.exec(expression) ?? [];
  assert.ok(aggregate, `cannot evaluate: ${expression}`);
  const wanted = [...matchers.matchAll(/(\w+)(=~?)"([^"]*)"/g)];
  assert.equal(wanted.map(([text]) => text).join(), matchers, `cannot evaluate: ${expression}`);
  const matches = (value: string | undefined, how: string | undefined, text = "") =>
    how === "=" ? value === text : new RegExp(`^(?:${text})$`).test(value ?? "");
  const valuesIn = (samples: Sample[]) => {
    const found = samples.filter(
      (sample) =>
        sample.name === name &&
        wanted.every(([, key = "", how, text]) => matches(sample.labels[key], how, text)),
    );
    const key = ({ labels }: Sample) =>
      by
        .split(", ")
        .map((label) => labels[label] ?? "")
        .join("|");
    return new Map(
      [...Map.groupBy(found, key)].map(([group, some]) => {
        const values = some.map(({ value }) => value);
        const sum = values.reduce((a, b) => a + b, 0);
        return [
          group,
          aggregate === "sum" ? sum : aggregate === "max" ? Math.max(...values) : Math.min(...values),
        ];
      }),
    );
  };
  const before = valuesIn(scrapes.before);
  const limit = /^[\d.e]+$/.test(right) ? Number(right) : limitOf(right, scrapes);
  for (const [group, value] of valuesIn(scrapes.after)) {
    const left = rate ? value - (before.get(group) ?? 0) : value;
    if (comparison === "==" ? left === limit : comparison === ">" ? left > limit : left < limit) return true;
  }
  return false;
}

function limitOf(text: string, { before, after }: Scrapes): number {
  const [, factor, name] = /^([\d.]+) \* scalar\(sum\(rate\((\w+)\[\w+\]\)\)\)$/.exec(text) ?? [];
  assert.ok(name, `cannot evaluate: ${text}`);
  const sum = (samples: Sample[]) =>
    samples.filter((sample) => sample.name === name).reduce((total, { value }) => total + value, 0);
  return Number(factor) * (sum(after) - sum(before));
}

/** What the runbook looks at first: a query, or the query of a command. */
const commands: Record<string, string> = {
  "ccx circuit list": "select * from delivery_circuit",
  "ccx rejected list": "select * from rejected_messages()",
};
function firstLook(alert: string): { kind: string; first: string } {
  const [, section = ""] = runbook.split(`## ${alert}\n`);
  const [, kind = "", first = ""] = /Look first at:\n\n```(sql|sh)\n([\s\S]*?)```/.exec(section) ?? [];
  return { kind, first: first.trim() };
}
function firstQuery(alert: string): string | undefined {
  const { kind, first } = firstLook(alert);
  return kind === "sql" ? first : commands[first];
}

/** What the log of a process says that meets this error of the database, as far as the command shows it. */
async function logged(command: string, error: unknown): Promise<string[]> {
  const [, pattern] =
    /^kubectl logs deployment\/ccx-notifications-consume \| grep '([^']+)' \| tail -n 3$/.exec(command) ?? [];
  assert.ok(pattern, `no such command: ${command}`);
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => lines.push(line) });
  await whileAway(() => Promise.reject(error), {
    ...{ log, context: { topic }, refused: "messages cannot be stored" },
    ...{ signal: AbortSignal.abort(), isWanted: () => false },
  });
  return lines.filter((line) => line.includes(pattern));
}

const topic = "ccx.ocp.results";
type Ends = { partition: number; low: number; high: number }[];
/** The ends of the partitions as the broker gives them. */
type World = { ends: () => Promise<Ends>; error?: unknown };
const endsAt = (high: number) => async () => [{ partition: 0, low: 0, high }];

const now = () => new Date().toISOString();
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const consumed = (db: PoolClient, next: number, minutes: number) =>
  db.query(
    `insert into consumer_offset (topic, partition, next_offset, updated_at, stored_at, high_watermark)
     values ($1, 0, $2, $3, $3, $2)`,
    [topic, next, ago(minutes)],
  );

const upload = (db: PoolClient, requestId: string, hours: number) =>
  db.query(
    `insert into archive (request_id, org_id, principal, service, category, content_type, size, sha256, store,
       object_key, b64_identity, received_at, stored_at)
     values ($1, 1, '1', 'openshift', 'periodic', 'x', 1, sha256('x'), 's3', $1, 'x', $2, $2)
     returning archive_id`,
    [requestId, ago(hours * 60)],
  );
const announcement = `insert into upload_message (request_id, archive_id, kind, service, noted_at, due_at,
    attempts, died_at, failure, error)
  values ($1, $2, 'announcement', 'openshift', $3, $4, 1, $5, $6, 'the topic is unknown')`;
const analysis = `insert into analysis (topic, partition, kafka_offset, request_id, org_id, url, received_at, state,
    attempts, next_attempt_at, ended_at, failure, error)
  values ('uploads', 0, 1, 'r', 1, 'https://x', $1, $2, 1, $3, $4, 'not_found', 'x answers 404')`;

type Fault = {
  fault: string;
  alert: string;
  inject(db: PoolClient, world: World): Promise<unknown>;
  /** what shows the cause in the answer of the runbook's first query */
  cause: RegExp;
  /** what the runbook's first command shows where it is no query */
  shows?(db: PoolClient, world: World): Promise<unknown[]>;
};

/** What ccx doctor prints, where the brokers are those of a test without any. */
async function doctor(): Promise<unknown[]> {
  const { stdout } = await runCcx(["doctor", "--json"], {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: "127.0.0.1:1",
  });
  return JSON.parse(stdout) as unknown[];
}

const faults: Fault[] = [
  {
    fault: "the brokers are gone",
    alert: "CcxBrokersNotSeen",
    async inject(_db, world) {
      world.ends = () => Promise.reject(new Error("connect ECONNREFUSED"));
    },
    shows: doctor,
    cause: /no broker answers: .*127\.0\.0\.1:1/,
  },
  {
    fault: "the receiver answers 500",
    alert: "CcxCircuitOpen",
    async inject(db) {
      await someMessages(db, ago(10), 5);
      const outcomes = (await claim(db, ago(9))).map(({ id, attempt }) =>
        failed({ id, attempt }, { failure: "server", error: "it answered HTTP 500" }),
      );
      await settleAll(db, outcomes, now());
    },
    cause: /notifications backend.*HTTP 500/,
  },
  {
    fault: "the disk is full",
    alert: "CcxConsumerStandsStill",
    async inject(db, world) {
      await consumed(db, 5, 20);
      await db.query(`create function no_room() returns trigger language plpgsql as $$
        begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
        create trigger no_room before insert on new_reports for each row execute function no_room()`);
      const report = {
        kafka_offset: 5,
        org_id: 1,
        account_number: 0,
        cluster: aCluster(),
        updated_at: now(),
      };
      await db.query("savepoint before_full");
      const error = await ingest(db, [{ ...report, report: "{}" }], { at: now(), topic }).catch((e) => e);
      await db.query("rollback to savepoint before_full");
      assert.equal(error.code, "53100");
      world.error = error;
      world.ends = endsAt(50);
    },
    shows: (_db, { error }) => logged(firstLook("CcxConsumerStandsStill").first, error),
    cause: /No space left on device/,
  },
  {
    fault: "a worker is dead",
    alert: "CcxWorkerSilent",
    inject: (db) =>
      db.query(`insert into worker (pool_id, host, pid, roles, version, started_at, unbroken_since, seen_at)
        values ('dead', 'node-7', 1, '{work}', '1', now() - interval '1 day', now() - interval '1 day', now() - interval '20 minutes')`),
    cause: /node-7/,
  },
  {
    fault: "the content is that of another product",
    alert: "CcxContentMissing",
    async inject(db) {
      await loadContent(db, ["of_something_else"]);
      await addReport(db, aCluster(), ago(5), ["disk"]);
    },
    cause: /disk/,
  },
  {
    fault: "the inventory of clusters answers with an error",
    alert: "CcxRegistryFails",
    async inject(db) {
      await db.query("select ccx.note_registry('http', 'answers with HTTP 500')");
      await db.query("update registry_source set failed_at = $1", [ago(120)]);
    },
    cause: /http.*answers with HTTP 500/,
  },
  {
    fault: "the only worker that had the URL of the inventory is gone",
    alert: "CcxRegistryNotAsked",
    async inject(db) {
      await db.query("select ccx.note_registry('http', null, '5 minutes')");
      await db.query("update registry_source set asked_at = $1", [ago(120)]);
    },
    cause: /http.*00:05:00/,
  },
  {
    fault: "the token has expired",
    alert: "CcxDeliveryRefused",
    async inject(db) {
      await someMessages(db, ago(10));
      const [one] = await claim(db, ago(9));
      const refused = { failure: "auth", error: "the Service Log answered HTTP 401: token expired" };
      const outcome = failed({ id: one?.id, attempt: one?.attempt }, refused);
      await settle(db, [outcome], ago(9));
      countDelivered(db as unknown as Pool, "notifications backend", [outcome as never], { dead: 0 });
    },
    cause: /auth.*token expired/,
  },
  {
    fault: "the topic was made anew",
    alert: "CcxConsumerAhead",
    async inject(db, world) {
      await consumed(db, 5_000, 10);
      world.ends = endsAt(3);
    },
    shows: async (db, { ends }) =>
      aheadOf(topic, await ends(), await consumedOf(db as unknown as Pool, topic)),
    cause: /ends at 3, and the database has it up to 5000.*made anew/,
  },
  {
    fault: "a day is held from retention",
    alert: "CcxRetentionHeld",
    async inject(db) {
      await db.query("select ensure_partition('new_reports', current_date - 20)");
      const at = ago(20 * 24 * 60);
      await loadContent(db, ["disk"]);
      await reportAndDecide(db, aCluster(), at, ["disk"]);
    },
    cause: /new_reports.*has not been sent|new_reports.*decision is due/,
  },
  {
    fault: "a clock is wrong",
    alert: "CcxRejectedMessages",
    async inject(db) {
      const reason = "future_last_checked" as const;
      const rejected = {
        kafka_offset: 0,
        reason,
        detail: "LastChecked is ahead",
        key: null,
        value: null,
        headers: null,
      };
      const counts = await ingest(db, [rejected], { at: now(), topic });
      countIngested("results", [{ message: { value: null } as never, json: "", reason }], counts as never, 5);
    },
    cause: /future_last_checked/,
  },
  {
    fault: "the store does not take uploads",
    alert: "CcxUploadsFail",
    async inject(db) {
      await upload(db, "r", 5);
      countUpload("store_failed", performance.now());
    },
    cause: /"s3"/,
  },
  {
    fault: "uploads are not announced",
    alert: "CcxUploadsNotAnnounced",
    async inject(db) {
      const { rows: stored } = await upload(db, "r", 1);
      const { archive_id } = stored[0];
      await db.query(announcement, ["r", archive_id, ago(60), now(), null, "broker"]);
    },
    cause: /announcement.*the topic is unknown/,
  },
  {
    fault: "announcements are refused for good",
    alert: "CcxUploadsGivenUp",
    async inject(db) {
      const { rows: stored } = await upload(db, "r", 1);
      const { archive_id } = stored[0];
      await db.query(announcement, ["r", archive_id, ago(60), null, now(), "client"]);
    },
    cause: /the topic is unknown/,
  },
  {
    fault: "nobody removes archives",
    alert: "CcxArchivesStay",
    inject: (db) => upload(db, "r", 24 * 30),
    cause: /"s3".*"count":"?1/,
  },
  {
    fault: "archives are not analyzed",
    alert: "CcxAnalysesWait",
    inject: (db) => db.query(analysis, [ago(60), "waiting", now(), null]),
    cause: /waiting.*not_found/,
  },
  {
    fault: "archives cannot be fetched",
    alert: "CcxAnalysesFail",
    async inject(db) {
      await db.query(analysis, [ago(60), "dead", null, now()]);
      countFailed("not_found");
    },
    cause: /not_found.*x answers 404/,
  },
  {
    fault: "a rule is too slow",
    alert: "CcxRulesSuspended",
    inject: (db) =>
      db.query(`insert into sql_rule (name, component, description, reads, tags, links, source, loaded_at, timeouts,
          suspended_at)
        values ('slow', 'a.slow', 'slow', '{}', '{}', '{}', 'select 1', now(), 5, now())`),
    cause: /a\.slow/,
  },
];

for (const { fault, alert, inject, cause, shows } of faults)
  test(`when ${fault}, ${alert} is true, and what the runbook looks at first shows it`, () =>
    rolledBack(database.pool, async (db) => {
      const expression = expressions.get(alert);
      assert.ok(expression, alert);
      const world: World = { ends: endsAt(0) };
      const scrape = async () =>
        samplesOf(
          await exposition({ pool: db as unknown as Pool, topics: [topic], ends: () => world.ends() }),
        ).map((sample) => ({ ...sample, labels: { instance: "one", ...sample.labels } }));
      const before = await scrape();
      assert.equal(isTrue(expression, { before, after: before }), false, "all is well before");
      await inject(db, world);
      assert.equal(isTrue(expression, { before, after: await scrape() }), true, expression);
      const query = firstQuery(alert);
      if (shows)
        assert.match(firstLook(alert).first, /^(ccx doctor$|kubectl logs )/, "it is what the test runs");
      assert.ok(query || shows, `the runbook has no query for ${alert}`);
      const shown = shows ? await shows(db, world) : await rows(db, query ?? "");
      assert.ok(
        shown.some((row) => cause.test(JSON.stringify(row))),
        JSON.stringify(shown),
      );
    }));

test("when a transaction is stuck, CcxLongTransaction is true in the end, and the runbook shows whose it is", async () => {
  const stuck = await database.pool.connect();
  try {
    await stuck.query("set application_name = 'somebody'; begin; select count(*) from issue");
    const pid = (await rows(stuck, "select pg_backend_pid() as pid"))[0]?.pid;
    const scrape = async () =>
      samplesOf(await exposition({ pool: database.pool, topics: [topic], ends: endsAt(0) }));
    const after = await scrape();
    const idle = after.find(({ name }) => name === "ccx_postgres_oldest_idle_transaction_seconds");
    assert.ok(idle && idle.value >= 0, "it is seen while it is idle");
    const expression = expressions.get("CcxLongTransaction") ?? "";
    assert.equal(isTrue(expression, { before: [], after }), false);
    const later = after.map((sample) =>
      sample === idle ? { ...sample, value: sample.value + 601 } : sample,
    );
    assert.equal(isTrue(expression, { before: [], after: later }), true);
    const shown = await rows(database.pool, firstQuery("CcxLongTransaction") ?? "");
    assert.ok(shown.some((row) => row.pid === pid && row.application_name === "somebody"));
  } finally {
    await stuck.query("rollback");
    stuck.release(true);
  }
});

test("when the results API fails, CcxResultsFail is true, and the runbook shows what its sessions wait for", async () => {
  const url = new URL(database.url);
  url.searchParams.set("application_name", "ccx results");
  const api = new pg.Client({ connectionString: url.href });
  await api.connect();
  try {
    await api.query("begin; lock table silence");
    const scrape = async () =>
      samplesOf(await exposition({ pool: database.pool, topics: [topic], ends: endsAt(0) }));
    const before = await scrape();
    countAnswer("report", 200, performance.now());
    const expression = expressions.get("CcxResultsFail") ?? "";
    assert.equal(isTrue(expression, { before, after: await scrape() }), false);
    countAnswer("report", 503, performance.now());
    assert.equal(isTrue(expression, { before, after: await scrape() }), true);
    for (const alert of ["CcxResultsFail", "CcxResultsSlow"]) {
      const shown = await rows(database.pool, firstQuery(alert) ?? "");
      assert.match(JSON.stringify(shown), /idle in transaction|lock table silence/, alert);
    }
  } finally {
    await api.end();
  }
});
