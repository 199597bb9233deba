import assert from "node:assert/strict";
import { test } from "node:test";
import { aggregatorApis } from "../../src/results/rooms.ts";
import { addReports } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { loadRecordedContent, testApi } from "../support/results_api.ts";
import { aRecommendation, aWorkloadsMessage, consumeWorkloads } from "../support/workloads.ts";

const database = testDatabase();

/** Clusters 1 to 6 are of organization 11, 7 and 8 of 12; of 3 only internal rules speak, 5 has moved, 6 is archived. */
const c = (nth: number) => `11111111-1111-4111-8111-1111111111${String(nth).padStart(2, "0")}`;
const component = (name: string) => `ccx_rules_ocp.external.rules.${name}.recommendation`;
/** A recommendation of a rule of the recorded content: total risks are alpha 3 and 4, beta 2, delta 3. */
const of = (rule: string, objects: string[], changes = {}) =>
  aRecommendation(rule, objects, { component: component(rule.split("|")[0] ?? ""), ...changes });
const internal = { component: "ccx_rules_ocp.internal.rules.gamma.recommendation" };

let consumed = 0;
const given = async (org: number, cluster: number, time: string, recommendations: unknown[]) => {
  const text = aWorkloadsMessage(c(cluster), `2026-03-01T${time}Z`, recommendations, { OrgID: org });
  const counts = await consumeWorkloads(database.pool, [text], { from: consumed++ });
  assert.equal(counts.rejected, 0);
};

let filled: Promise<void> | undefined;
const options = {
  internalOrganizations: new Set(["13"]),
  given() {
    filled ??= (async () => {
      const { pool } = database;
      await loadRecordedContent(pool);
      await pool.query(
        `insert into cluster_registry (cluster, org_id, display_name, status) values
           ($1, 11, 'shop, production', 'Active'), ($2, 11, 'old', 'Archived'), ($1, 12, 'not theirs', 'Active')`,
        [c(1), c(6)],
      );
      await given(11, 1, "08:00:00.5", [of("beta|BETA", ["a/1"]), of("x", ["b/1"])]);
      await given(11, 1, "09:00:00.7", [
        of("alpha|ALPHA_ONE", ["a/1", "a/2", "b/9"], { details: { samples: [1.5], type: "x" } }),
        of("unknown|NOBODY_KNOWS", ["a/3"]),
        of("beta|BETA", ["a/1"], { details: null }),
        of("gamma|GAMMA", ["a/4"], internal),
      ]);
      await given(11, 2, "09:00:00", [of("unknown|NOBODY_KNOWS", ["a/1"])]);
      await given(11, 3, "09:00:00", [of("gamma|GAMMA", ["secret/1"], internal)]);
      await given(11, 4, "09:00:00", []);
      await given(11, 5, "09:00:00", [of("beta|BETA", ["moved/1"])]);
      await given(11, 6, "09:00:00", [of("beta|BETA", ["archived/1"])]);
      await given(12, 7, "09:00:00", [of("beta|BETA", ["theirs/1"])]);
      await given(11, 8, "08:00:00", [of("beta|BETA", ["gone/1"])]);
      await given(12, 8, "09:00:00", [of("beta|BETA", ["theirs/8"])]);
      // its reports say that 5 belongs to 12 by now
      await addReports(pool, [
        { cluster: c(5), at: "2026-03-01T09:00:00Z", hits: [], org: 11 },
        { cluster: c(5), at: "2026-03-01T10:00:00Z", hits: [], org: 12 },
      ]);
    })();
    return filled;
  },
};
const { ask } = testApi(database, options);
const behind = testApi(database, { ...options, apis: aggregatorApis });

const list = "/api/v2/namespaces/dvo";
const one = (namespace: string, cluster: number) => `${list}/uid-of-${namespace}/cluster/${c(cluster)}`;
const metadata = (changes = {}) => ({
  ...{ recommendations: 1, objects: 1, highest_severity: 0 },
  ...{ reported_at: "2026-03-01T09:00:00Z", last_checked_at: "2026-03-01T09:00:00Z" },
  hits_by_severity: { 2: 0, 3: 0, 4: 0 },
  ...changes,
});
const shopA = {
  cluster: { uuid: c(1), display_name: "shop, production" },
  namespace: { uuid: "uid-of-a", name: "a" },
  metadata: metadata({
    ...{ recommendations: 3, objects: 3, highest_severity: 3, reported_at: "2026-03-01T08:00:00Z" },
    hits_by_severity: { 2: 1, 3: 2, 4: 0 },
  }),
};

test("the list has the namespaces of the organization, counted, with their severities; internal rules do not count", async () => {
  const { status, json } = await ask("GET", list);
  assert.equal(status, 200);
  assert.deepEqual(json, {
    status: "ok",
    workloads: [
      shopA,
      {
        ...{ cluster: shopA.cluster, namespace: { uuid: "uid-of-b", name: "b" } },
        metadata: metadata({
          ...{ highest_severity: 3, reported_at: "2026-03-01T08:00:00Z" },
          hits_by_severity: { 2: 0, 3: 1, 4: 0 },
        }),
      },
      {
        ...{ cluster: { uuid: c(2), display_name: c(2) }, namespace: { uuid: "uid-of-a", name: "a" } },
        metadata: metadata(),
      },
    ],
  });
  assert.deepEqual((await ask("GET", list, { org: 99 })).json, { status: "ok", workloads: [] });
});

test("a namespace has its recommendations with what their content says, and the objects of this namespace only", async () => {
  const { status, json } = await ask("GET", one("a", 1));
  assert.equal(status, 200);
  const object = (uid: number) => ({ kind: "DaemonSet", uid: String(uid), display_name: `name-of-${uid}` });
  const texts = (name: string) => ({
    ...{ details: name, resolution: `resolve ${name}`, more_info: `more ${name}` },
    ...{ modified: "2024-05-06T07:08:00Z", reason: "because {{=pydata.type}}" },
  });
  assert.deepEqual(json, {
    ...{ status: "ok", ...shopA },
    recommendations: [
      {
        ...{ check: "ccx_rules_ocp.external.rules.alpha|ALPHA_ONE", total_risk: 3, ...texts("alpha one") },
        ...{ extra_data: { samples: [1.5], type: "x" }, objects: [object(1), object(2)] },
      },
      {
        ...{ check: "ccx_rules_ocp.external.rules.beta|BETA", total_risk: 2, ...texts("beta") },
        ...{ extra_data: {}, objects: [object(1)] },
      },
    ],
  });
  const unknown = await ask("GET", one("a", 2));
  assert.deepEqual([unknown.json.metadata, unknown.json.recommendations], [metadata(), []]);
});

test("whoever sees internal rules sees what they recommend, and has them counted", async () => {
  await database.pool.query("update workload_report set org_id = 13 where cluster = $1", [c(3)]);
  await database.pool.query("update workload_namespace set org_id = 13 where cluster = $1", [c(3)]);
  const { json } = await ask("GET", list, { org: 13 });
  assert.deepEqual(
    json.workloads.map(({ namespace }: { namespace: { name: string } }) => namespace.name),
    ["secret"],
  );
  const { json: single } = await ask("GET", one("secret", 3), { org: 13 });
  assert.equal(single.recommendations[0].check, "ccx_rules_ocp.internal.rules.gamma|GAMMA");
  await database.pool.query("update workload_report set org_id = 11 where cluster = $1", [c(3)]);
  await database.pool.query("update workload_namespace set org_id = 11 where cluster = $1", [c(3)]);
});

test("what is not there, hidden, moved away, or somebody else's is answered alike", async () => {
  for (const [namespace, cluster] of [
    ["nowhere", 1],
    ["a", 99],
    ["secret", 3],
    ["moved", 5],
    ["archived", 6],
    ["theirs", 7],
    ["gone", 8],
    ["theirs", 8],
  ] as const) {
    const { status, json } = await ask("GET", one(namespace, cluster));
    const what = `cluster=${c(cluster)};namespace=uid-of-${namespace}`;
    assert.deepEqual([status, json], [404, { status: `Item with ID ${what} was not found in the storage` }]);
  }
});

test("two organizations see nothing of each other, through any of the paths", async () => {
  const inner = "/api/v1/organization";
  const seen = async (org: number) => {
    const texts = [(await ask("GET", list, { org })).text];
    for (const [method, options] of [
      ["GET", {}],
      ["POST", { body: [1, 2, 3, 4, 5, 6, 7, 8].map(c) }],
    ] as const)
      texts.push((await behind.ask(method, `${inner}/${org}/workloads`, { org, ...options })).text);
    for (const namespace of ["a", "moved", "theirs", "gone"])
      for (const cluster of [1, 5, 7, 8]) {
        texts.push((await ask("GET", one(namespace, cluster), { org })).text);
        const path = `${inner}/${org}/namespace/uid-of-${namespace}/cluster/${c(cluster)}/workloads`;
        texts.push((await behind.ask("GET", path, { org })).text);
      }
    return texts.filter((text) => !text.includes("was not found")).join("\n");
  };
  const [ours, theirs] = [await seen(11), await seen(12)];
  assert.match(ours, /shop, production/);
  assert.match(theirs, /uid-of-theirs/);
  assert.doesNotMatch(ours, new RegExp(`theirs|moved|${c(5)}|${c(7)}|${c(8)}`));
  assert.doesNotMatch(theirs, new RegExp(`shop|uid-of-a|gone|moved|${[1, 2, 3, 4, 5, 6].map(c).join("|")}`));
  const foreign = await behind.ask("GET", `${inner}/12/workloads`, { org: 11 });
  assert.equal(foreign.status, 403);
});

test("the aggregator's list has all rules, internal ones included, by their ids, and can be narrowed to clusters", async () => {
  const path = "/api/v1/organization/11/workloads";
  const { json } = await behind.ask("GET", path);
  assert.equal(json.workloads.length, 5);
  assert.deepEqual(json.workloads[0], {
    ...{ cluster: { uuid: c(1), display_name: "" }, namespace: { uuid: "uid-of-a", name: "a" } },
    metadata: {
      ...{ recommendations: 4, objects: 4, highest_severity: 0, hits_by_severity: null },
      ...{ reported_at: "2026-03-01T08:00:00Z", last_checked_at: "2026-03-01T09:00:00Z" },
    },
    recommendations_hit_count: {
      "ccx_rules_ocp.external.rules.alpha|ALPHA_ONE": 2,
      "ccx_rules_ocp.external.rules.beta|BETA": 1,
      "ccx_rules_ocp.external.rules.unknown|NOBODY_KNOWS": 1,
      "ccx_rules_ocp.internal.rules.gamma|GAMMA": 1,
    },
  });
  const narrowed = await behind.ask("POST", path, { body: [c(2), c(7)] });
  assert.deepEqual(
    narrowed.json.workloads.map(({ cluster }: { cluster: { uuid: string } }) => cluster.uuid),
    [c(2)],
  );
  assert.deepEqual((await behind.ask("POST", path, { body: [] })).json, { status: "ok", workloads: null });
  assert.equal((await behind.ask("POST", path)).status, 400);
});

test("the aggregator's namespace has the details as they came, and leaves the texts to whoever asks it", async () => {
  const path = `/api/v1/organization/11/namespace/uid-of-a/cluster/${c(1)}/workloads`;
  const { json } = await behind.ask("GET", path);
  assert.equal(json.workloads.status, "");
  assert.deepEqual(
    json.workloads.recommendations.map((found: { check: string }) => found.check.split(".").at(-1)),
    ["alpha|ALPHA_ONE", "unknown|NOBODY_KNOWS", "beta|BETA", "gamma|GAMMA"],
  );
  assert.deepEqual(json.workloads.recommendations[2], {
    ...{ check: "ccx_rules_ocp.external.rules.beta|BETA", extra_data: null },
    ...{ details: "", resolution: "", modified: "", more_info: "" },
    objects: [{ kind: "DaemonSet", uid: "1", display_name: "name-of-1" }],
  });
});

test("an upload whose workloads were rejected has not failed: its status is that of its report", async () => {
  const upload = "0123456789abcdef";
  const path = `/api/v2/cluster/${c(1)}/request/${upload}/status`;
  const values = [11, c(1), upload];
  const rejected = async (stream: string) =>
    database.pool.query(
      `insert into rejected_message (topic, partition, stream, kafka_offset, reason, detail, org_id, cluster, request_id)
       values ('t', 0, $4, 1, 'invalid_report', 'x', $1, $2, $3)`,
      [...values, stream],
    );
  await rejected("workloads");
  assert.equal((await ask("GET", path)).status, 404, "nothing is known of its report");
  await rejected("results");
  assert.equal((await ask("GET", path)).json.status, "failed");
});
