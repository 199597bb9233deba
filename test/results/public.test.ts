import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { hashOf, networksOf } from "../../src/results/identity.ts";
import { rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import {
  consume,
  loadRecordedContent,
  madeLately,
  recordedMessages,
  testApi,
} from "../support/results_api.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
const { ask, url } = testApi(database, {
  internalOrganizations: new Set(["13"]),
  timeoutMs: 4_000,
  async given(pool) {
    await loadRecordedContent(pool);
    await consume(pool, madeLately(recordedMessages()));
  },
});

/** The same behind a gateway that is somewhere else. */
const elsewhere = testApi(database, { trustedPeers: networksOf(["10.0.0.0/8", "::2"]) });

/** The clusters of the recorded messages: 1 to 4 are of organization 11, 5 to 7 of 12, 99 is unknown. */
const c = (nth: number) => `11111111-1111-4111-8111-1111111111${String(nth).padStart(2, "0")}`;
const v2 = "/api/v2";
const v1 = "/api/v1";
const module = (name: string) => `ccx_rules_ocp.external.rules.${name}`;
const beta = `${module("beta")}|BETA`;
const path = (rule: string) => encodeURIComponent(rule);
const gamma = "ccx_rules_ocp.internal.rules.gamma|GAMMA";
const hitsOf = async (nth: number, query = "") => {
  const { json } = await ask("GET", `${v2}/cluster/${c(nth)}/reports${query}`);
  return [
    json.report.meta.count,
    json.report.data.map(
      (hit: { rule_id: string; extra_data: { error_key: string } }) => hit.extra_data.error_key,
    ),
  ];
};
const enabledOf = async (rule: string) => {
  const { json } = await ask("GET", `${v2}/rule/${path(rule)}/clusters_detail`);
  return [json.data.enabled.map((one: { cluster: string }) => one.cluster), json.data.disabled];
};

test("a report has its visible hits, the worst first; what has no content is only counted", async () => {
  const { status, json } = await ask("GET", `${v2}/cluster/${c(1).toUpperCase()}/reports`);
  assert.equal(status, 200);
  const { meta, data } = json.report;
  const day = meta.last_checked_at.slice(0, 10);
  assert.deepEqual(meta, {
    ...{ cluster_name: c(1), managed: false, count: 4 },
    ...{ last_checked_at: `${day}T08:00:00Z`, gathered_at: `${day}T07:58:00Z` },
  });
  assert.deepEqual(data[1], {
    rule_id: `${module("alpha")}.report`,
    created_at: "2024-05-06T07:08:00Z",
    description: "alpha one",
    details: "alpha one (generic)",
    reason: "because {{=pydata.type}}",
    resolution: "resolve alpha one",
    more_info: "more alpha one",
    ...{
      total_risk: 3,
      disabled: false,
      disable_feedback: "",
      disabled_at: "",
      internal: false,
      user_vote: 0,
    },
    extra_data: { nodes: [{ name: "n1", memory: 8.16 }], type: "rule", error_key: "ALPHA_ONE" },
    tags: ["openshift", "osd_customer", "service_availability"],
    impacted: `${day}T08:00:00Z`,
  });
  assert.deepEqual(await hitsOf(1), [4, ["ALPHA_TWO", "ALPHA_ONE", "BETA"]]);
  assert.deepEqual(await hitsOf(3), [0, []]);
});

test("version 1 has neither names nor gathering time, and its own two paths", async () => {
  const { json } = await ask("GET", `${v1}/clusters/${c(1)}/report`);
  assert.deepEqual(Object.keys(json.report.meta).toSorted(), ["count", "last_checked_at"]);
  assert.ok(!("impacted" in json.report.data[0]));
  assert.deepEqual((await ask("GET", `${v1}/report/12/${c(1)}`)).json, json);
  assert.equal((await ask("GET", `/api/insights-results-aggregator/v1/clusters/${c(1)}/report`)).status, 200);
});

test("an old message after a new one changes nothing, and a request of each is remembered", async () => {
  assert.deepEqual(await hitsOf(4), [2, ["ALPHA_ONE", "DELTA"]]);
  const { json } = await ask("GET", `${v2}/clusters`);
  assert.equal(json.data[3].cluster_version, "4.14.2");
  const requests = await ask("GET", `${v2}/cluster/${c(4)}/requests`);
  assert.deepEqual(
    requests.json.requests.map(({ requestID }: { requestID: string }) => requestID),
    [
      "e2a70e96cf1145c4faf9a3ed0e65cc2a",
      "fe8df44b0753119b49c5891842519e9b",
      "1e83872cbe77f83d2831c0cad87117fa",
    ],
  );
  const stale = await ask("GET", `${v2}/cluster/${c(4)}/request/e2a70e96cf1145c4faf9a3ed0e65cc2a/report`);
  assert.deepEqual(stale.json, {
    ...{ cluster: c(4), requestID: "e2a70e96cf1145c4faf9a3ed0e65cc2a", status: "processed" },
    report: [{ rule_fqdn: module("beta"), error_key: "BETA", description: "beta", total_risk: 2 }],
  });
});

test("the status of a request is received, processed, failed when it was refused, or unknown", async () => {
  const status = async (id: string, nth: number, org = 11) => {
    const answer = await ask("GET", `${v2}/cluster/${c(nth)}/request/${id}/status`, { org });
    return answer.status === 200 ? answer.json.status : answer.status;
  };
  assert.equal(await status("7af5f522a60fc459126372e0cc811d93", 1), "processed");
  assert.equal(await status("32549a20e2303fc4a33b63b2b69a59a8", 8, 12), "failed");
  assert.equal(await status("32549a20e2303fc4a33b63b2b69a59a8", 8, 11), 404);
  const upload = "aaaa5f522a60fc459126372e0cc811d9";
  await database.pool.query(
    `insert into archive (request_id, org_id, principal, cluster, service, category, content_type, size, sha256,
       store, object_key, b64_identity, received_at)
     values ($1, 11, 'me', $2, 'openshift', 'periodic', 'application/gzip', 7, sha256(''), 'database', $1, '', now())`,
    [upload, c(1)],
  );
  assert.equal(await status(upload, 1), "received");
  assert.equal(await status(upload, 1, 12), 404);
  await database.pool.query("select ccx.note_payload_status($1, 'ccx-data-pipeline', 'error', 'no tar')", [
    upload,
  ]);
  assert.equal(await status(upload, 1), "failed");
  assert.equal(await status("nobodyknows", 1), 404);
  const given = ["7af5f522a60fc459126372e0cc811d93", "nobodyknows", "nobodyknows"];
  const { json } = await ask("POST", `${v2}/cluster/${c(1)}/requests`, { body: given });
  assert.deepEqual(
    json.requests.map(({ valid, received }: { valid: boolean; received: string }) => [
      valid,
      received !== "",
    ]),
    [
      [true, true],
      [false, false],
    ],
  );
  assert.equal((await ask("POST", `${v2}/cluster/${c(1)}/requests`, { body: [] })).json.requests, null);
  assert.equal((await ask("GET", `${v2}/cluster/${c(99)}/requests`)).status, 404);
});

test("what a customer switches off for a cluster is held by decide(), and notified once it is on again", async () => {
  const rule = `${v1}/clusters/${c(2)}/rules/${module("beta")}.report/error_key/BETA`;
  const decision = () =>
    rows(
      database.pool,
      `select decision, reasons from explain_notification
       where cluster = $1 and error_key = 'BETA' and target = 'notifications backend'`,
      [c(2)],
    );
  assert.deepEqual(await decision(), [{ decision: "notify", reasons: [] }]);
  assert.deepEqual((await ask("PUT", `${rule}/disable`)).json, { status: "ok" });
  const feedback = { body: { message: "accepted risk" } };
  assert.deepEqual((await ask("POST", `${rule}/disable_feedback`, feedback)).json, {
    ...{ message: "accepted risk", status: "ok" },
  });
  assert.deepEqual(await decision(), [{ decision: "hold", reasons: ["disabled"] }]);
  assert.deepEqual(await hitsOf(2), [0, []]);
  const shown = (await ask("GET", `${v2}/cluster/${c(2)}/reports?get_disabled=true`)).json.report.data[0];
  assert.deepEqual([shown.disabled, shown.disable_feedback], [true, "accepted risk"]);
  assert.match(shown.disabled_at, /Z$/);
  const [enabled, disabled] = await enabledOf(beta);
  assert.deepEqual(
    [enabled, disabled[0].cluster_id, disabled[0].justification],
    [[c(1)], c(2), "accepted risk"],
  );
  assert.equal((await ask("PUT", `${rule}/disable`)).status, 200); // again: it keeps its time
  assert.deepEqual((await ask("PUT", `${rule}/enable`)).json, { status: "ok" });
  assert.deepEqual(await decision(), [{ decision: "notify", reasons: [] }]);
  assert.deepEqual(await hitsOf(2), [1, ["BETA"]]);
});

test("what an organization acknowledges is held for all its clusters, in every spelling of ours", async () => {
  const reasons = async () =>
    (
      await rows(
        database.pool,
        `select distinct decision from explain_notification
         where org_id = 11 and error_key = 'BETA' and target = 'notifications backend'`,
      )
    ).map(({ decision }) => decision);
  const body = { rule_id: beta, justification: "known" };
  const made = await ask("POST", `${v2}/ack`, { body });
  assert.equal(made.status, 201);
  assert.deepEqual(
    [made.json.rule, made.json.justification, made.json.created_by, made.json.updated_at],
    [...[beta, "known", "u-1", ""]],
  );
  assert.deepEqual(await reasons(), ["hold"]);
  assert.deepEqual(await hitsOf(1), [3, ["ALPHA_TWO", "ALPHA_ONE"]]);
  const shown = (await ask("GET", `${v2}/cluster/${c(1)}/reports?get_disabled=t`)).json.report.data[2];
  assert.deepEqual([shown.extra_data.error_key, shown.disabled], ["BETA", false]);
  const [enabled, disabled] = await enabledOf(beta);
  assert.deepEqual(
    [enabled, disabled.map((one: { justification: string }) => one.justification)],
    [[], ["known", "known"]],
  );
  assert.equal((await ask("GET", `${v2}/rule/${path(beta)}`)).json.content.disabled, true);

  // nobody else's
  assert.equal((await ask("GET", `${v2}/rule/${path(beta)}`, { org: 12 })).json.content.disabled, false);
  assert.equal((await ask("GET", `${v2}/cluster/${c(9)}/reports`, { org: 12 })).json.report.meta.count, 1);

  const again = await ask("POST", `${v2}/ack`, { body: { ...body, justification: "still known" } });
  assert.deepEqual([again.status, again.json.justification], [200, "still known"]);
  assert.equal(
    (await ask("PUT", `${v2}/ack/${path(beta)}`, { body: { justification: "é" } })).json.justification,
    "é",
  );
  assert.deepEqual((await ask("GET", `${v2}/ack`)).json.meta, { count: 1 });
  assert.deepEqual((await ask("GET", `${v2}/ack`, { org: 12 })).json, { meta: { count: 0 }, data: [] });
  const gone = await ask("DELETE", `${v2}/ack/${path(beta)}`, { org: 12 });
  assert.deepEqual([gone.status, gone.text], [404, ""]);
  assert.equal((await ask("DELETE", `${v2}/ack/${path(beta)}`)).status, 204);
  assert.deepEqual(await reasons(), ["notify"]);
  const missing = await ask("PUT", `${v2}/ack/${path(beta)}`, { body: { justification: "x" } });
  assert.deepEqual([missing.status, missing.json], [404, { status: "Rule was not found" }]);

  // an operator acknowledges by the bare name
  await database.pool.query("select acknowledge(11, 'beta', error_key => 'BETA')");
  assert.equal((await ask("GET", `${v2}/ack/${path(beta)}`)).status, 200);
  assert.equal((await ask("POST", `${v2}/ack`, { body })).status, 200);
  assert.equal((await ask("DELETE", `${v2}/ack/${path(beta)}`)).status, 204);
});

test("votes are kept by user and error key, ratings by organization", async () => {
  const rule = (key: string) => `${v1}/clusters/${c(1)}/rules/${module("alpha")}.report/error_key/${key}`;
  const votes = async (user?: string) =>
    (
      await ask("GET", `${v2}/cluster/${c(1)}/reports`, user === undefined ? {} : { user })
    ).json.report.data.map((hit: { user_vote: number }) => hit.user_vote);
  assert.equal((await ask("PUT", `${rule("ALPHA_ONE")}/like`)).status, 200);
  assert.equal((await ask("PUT", `${rule("ALPHA_TWO")}/dislike`, { body: { message: "no" } })).status, 200);
  assert.deepEqual(await votes(), [-1, 1, 0]);
  assert.deepEqual(await votes("u-2"), [0, 0, 0]);
  assert.equal((await ask("PUT", `${rule("ALPHA_ONE")}/reset_vote`)).status, 200);
  assert.deepEqual(await votes(), [-1, 0, 0]);
  const alpha = `${module("alpha")}|ALPHA_ONE`;
  const rated = await ask("POST", `${v2}/rating`, { body: { rule: alpha, rating: -1 } });
  assert.deepEqual(rated.json, { rule: alpha, rating: -1 });
  assert.equal((await ask("GET", `${v2}/rule/${path(alpha)}`)).json.content.rating, -1);
  assert.equal((await ask("GET", `${v2}/rule/${path(alpha)}`, { org: 12 })).json.content.rating, 0);
  assert.equal((await ask("POST", `${v2}/rating`, { body: { rule: alpha, rating: 7 } })).status, 400);
});

test("rules are listed with the clusters that they hit", async () => {
  const listed = async (query: string) =>
    (await ask("GET", `${v2}/rule${query}`)).json.recommendations.map(
      (one: { rule_id: string; impacted_clusters_count: number }) =>
        `${one.rule_id.split("|")[1]} ${one.impacted_clusters_count}`,
    );
  assert.deepEqual(await listed(""), ["ALPHA_ONE 2", "ALPHA_TWO 1", "BETA 2", "DELTA 1"]);
  await database.pool.query("insert into cluster_registry values ($1, 11, 'shop', true, 'Active')", [c(4)]);
  // a managed cluster sees only what is tagged for it
  assert.deepEqual(await listed("?impacting=false"), ["DELTA 0"]);
  assert.deepEqual(await listed("?impacting=1"), ["ALPHA_ONE 2", "ALPHA_TWO 1", "BETA 2"]);
  assert.deepEqual(await hitsOf(4), [1, ["ALPHA_ONE"]]);
  const report = async (query: string, agent = "browser") =>
    (await ask("GET", `${v1}/clusters/${c(4)}/report${query}`, { headers: { "user-agent": agent } })).json
      .report.meta.count;
  assert.equal(await report(""), 2);
  assert.equal(await report("?osd_eligible=true"), 1);
  assert.equal(await report("", "insights-operator/1-2 cluster/x"), 1);
  assert.deepEqual((await ask("GET", `${v2}/cluster/${c(4)}/info`)).json.cluster, {
    ...{ cluster_id: c(4), display_name: "shop", managed: true, status: "Active" },
  });
  await database.pool.query("delete from cluster_registry");
});

test("the overview counts the hits of an organization, or of some of its clusters", async () => {
  assert.deepEqual((await ask("GET", `${v1}/org_overview`)).json.overview, {
    clusters_hit: 3,
    hit_by_risk: { 2: 3, 3: 2, 4: 1 },
    hit_by_tag: {
      ...{
        openshift: 6,
        osd_customer: 2,
        service_availability: 2,
        security: 1,
        performance: 2,
        fault_tolerance: 1,
      },
    },
  });
  const some = await ask("POST", `${v1}/org_overview`, { body: { clusters: [c(2), c(5), c(99)] } });
  assert.deepEqual(some.json.overview, {
    clusters_hit: 1,
    hit_by_risk: { 2: 1 },
    hit_by_tag: { openshift: 1, performance: 1 },
  });
});

test("clusters are listed by pages, in the order of their ids", async () => {
  const page = async (query: string) =>
    (await ask("GET", `${v2}/clusters${query}`)).json.data.map(
      (one: { cluster_id: string }) => one.cluster_id,
    );
  assert.deepEqual(await page(""), [c(1), c(2), c(3), c(4)]);
  assert.deepEqual(await page("?limit=2"), [c(1), c(2)]);
  assert.deepEqual(await page(`?limit=3&after=${c(2)}`), [c(3), c(4)]);
  assert.deepEqual(await page(`?after=${c(4)}`), []);
  await database.pool.query(
    `insert into cluster_registry values
     ('${c(99)}', 11, 'quiet', false, 'Active'), ('${c(98)}', 11, 'over', false, 'Archived'), ('${c(5)}', 11, 'sold', false, 'Active')`,
  );
  assert.deepEqual(await page(`?after=${c(4)}`), [c(99)]);
  await database.pool.query("delete from cluster_registry");
});

test("internal rules are shown to organizations on the list, and nowhere to others", async () => {
  const report = madeLately(recordedMessages())[0]
    ?.replace('"OrgID": 11', '"OrgID": 13')
    .replaceAll(c(1), c(13));
  await consume(database.pool, [String(report)], 1_000);
  const seen = async (org: number, nth: number) => [
    (await ask("GET", `${v2}/cluster/${c(nth)}/reports`, { org })).text.includes("GAMMA"),
    (await ask("GET", `${v1}/clusters/${c(nth)},${c(99)}/reports`, { org })).text.includes("GAMMA"),
    (await ask("GET", `${v2}/rule`, { org })).text.includes("GAMMA"),
    (await ask("GET", `${v2}/content`, { org })).text.includes("GAMMA"),
    (await ask("GET", `${v1}/rule_ids`, { org })).text.includes("gamma"),
    (await ask("GET", `${v2}/rule/${path(gamma)}`, { org })).status,
    (await ask("GET", `${v2}/rule/${path(gamma)}/clusters_detail`, { org })).status,
    (await ask("GET", `${v1}/rules/${gamma.split("|")[0]}/content`, { org })).status,
    (await ask("GET", `${v1}/clusters/${c(nth)}/rules/${path(gamma)}/report`, { org })).status,
    (await ask("GET", `${v1}/clusters/${c(nth)}/report/info`, { org })).json.metainfo.count,
  ];
  assert.deepEqual(await seen(11, 1), [false, false, false, false, false, 403, 403, 403, 403, 4]);
  assert.deepEqual(await seen(13, 13), [true, true, true, true, true, 200, 200, 200, 200, 5]);
});

test("another organization's cluster is answered like one that nobody knows", async () => {
  const about = async (nth: number) => {
    const id = c(nth);
    const rule = `${v1}/clusters/${id}/rules/${module("delta")}.report/error_key/DELTA`;
    const answers = [
      await ask("GET", `${v2}/cluster/${id}/reports`),
      await ask("GET", `${v2}/cluster/${id}/info`),
      await ask("GET", `${v2}/cluster/${id}/requests`),
      await ask("POST", `${v2}/cluster/${id}/requests`, { body: ["158bdff256341ce3203bf77f8f602f1b"] }),
      await ask("GET", `${v2}/cluster/${id}/request/e4d74e5ee1199d4ff04ca0bca08506cb/status`),
      await ask("GET", `${v2}/cluster/${id}/request/e4d74e5ee1199d4ff04ca0bca08506cb/report`),
      await ask("GET", `${v1}/clusters/${id}/report`),
      await ask("GET", `${v1}/clusters/${id}/report/info`),
      await ask("GET", `${v1}/clusters/${id},${c(1)}/reports`),
      await ask("POST", `${v1}/clusters/reports`, { body: { clusters: [id] } }),
      await ask("GET", `${v1}/clusters/${id}/rules/${path(`${module("delta")}|DELTA`)}/report`),
      await ask("PUT", `${rule}/like`),
      await ask("PUT", `${rule}/disable`),
      await ask("PUT", `${rule}/enable`),
      await ask("POST", `${rule}/disable_feedback`, { body: { message: "mine" } }),
      await ask("POST", `${v1}/org_overview`, { body: { clusters: [id] } }),
    ];
    return answers.map(({ status, text }) => `${status} ${text.replaceAll(id, "ID")}`);
  };
  const unknown = await about(99);
  assert.deepEqual(await about(5), unknown); // it moved to 12, with all its past
  assert.deepEqual(await about(7), unknown);
  assert.equal(unknown.filter((answer) => answer.startsWith("404")).length, 12);
  assert.equal(
    await value(database.pool, "select count(*)::integer from cluster_rule_toggle where cluster_id = $1", [
      c(7),
    ]),
    0,
  );
  for (const all of [
    `${v2}/clusters`,
    `${v2}/rule/${path(`${module("delta")}|DELTA`)}/clusters_detail`,
    `${v1}/organizations/11/clusters`,
  ])
    assert.doesNotMatch((await ask("GET", all)).text, new RegExp(`${c(5)}|${c(6)}|${c(7)}`));
  assert.equal((await ask("GET", `${v1}/organizations/12/clusters`)).status, 403);
  assert.equal((await ask("GET", `${v2}/cluster/${c(5)}/reports`, { org: 12 })).json.report.meta.count, 1);
});

test("an identity counts from a trusted peer, a bearer token from anywhere, and nothing else does", async () => {
  const of = async (header: string | undefined) =>
    ask("GET", `${v2}/clusters`, {
      org: null,
      headers: header === undefined ? {} : { "x-rh-identity": header },
    });
  const base64 = (identity: unknown) => Buffer.from(JSON.stringify(identity)).toString("base64");
  const missing = await of(undefined);
  assert.deepEqual([missing.status, missing.json], [403, { status: "Missing auth token" }]);
  for (const wrong of [
    "!!",
    "eHg=",
    "e30",
    base64(null),
    base64({}),
    base64({ identity: 1 }),
    base64({ identity: { org_id: "1" } }).slice(0, -1),
  ])
    assert.deepEqual([wrong, (await of(wrong)).json], [wrong, { status: "Malformed authentication token" }]);
  for (const org_id of ["0", "", "-1", "1.5", "4294967296", "x", 11, null, "11 or 1=1", "11\u0000"])
    assert.match(
      (await of(base64({ identity: { org_id } }))).json.status,
      /^error retrieving requester org_id/,
    );
  assert.equal((await of(base64({ identity: { org_id: "11" } }))).status, 200); // the user is then "0"

  const bearer = (token: string) =>
    ask("GET", `${v2}/clusters`, { org: null, headers: { authorization: `Bearer ${token}` } });
  await database.pool.query(
    "select add_api_token($1, 12, 'dashboard'), add_api_token($2, 12, 'short', '1 hour')",
    [...[hashOf("secret"), hashOf("short")]],
  );
  assert.equal((await bearer("secret")).json.meta.count, 4);
  const byToken = { org: null, headers: { authorization: "Bearer secret" } };
  assert.equal((await elsewhere.ask("GET", `${v2}/clusters`, byToken)).status, 200);
  const untrusted = await elsewhere.ask("GET", `${v2}/clusters`);
  assert.deepEqual(
    [untrusted.status, untrusted.json.status],
    [403, "The identity comes from an address that is not trusted"],
  );
  await database.pool.query("update api_token set expires_at = now() where name = 'short'");
  assert.equal((await bearer("short")).status, 403);
  assert.equal((await bearer("guessed")).status, 403);
  assert.equal(await value(database.pool, "select revoke_api_token(12, 'dashboard')"), 1);
  assert.equal((await bearer("secret")).status, 403);
  await assert.rejects(database.pool.query("select add_api_token($1, 1, 'x', '-1 hour')", [hashOf("x")]), {
    code: "NTT01",
  });
});

test("an answer that has not changed is 304, a long one is compressed, and each has its request's id", async () => {
  const report = `${v2}/cluster/${c(1)}/reports`;
  const first = await ask("GET", report, { headers: { "x-request-id": "mine-1" } });
  assert.equal(first.headers.get("x-request-id"), "mine-1");
  const tag = String(first.headers.get("etag"));
  const again = await ask("GET", report, { headers: { "if-none-match": `"x", ${tag}` } });
  assert.deepEqual([again.status, again.text, again.headers.get("etag")], [304, "", tag]);
  assert.equal((await ask("GET", report, { user: "u-9", headers: { "if-none-match": '"x"' } })).status, 200);
  assert.match(
    String((await ask("GET", report, { headers: { "x-request-id": "a b" } })).headers.get("x-request-id")),
    /^\w{32}$/,
  );
  const plain = await raw(report, "gzip;q=0, identity");
  const zipped = await raw(report, "br, gzip");
  assert.deepEqual([plain.encoding, zipped.encoding], [undefined, "gzip"]);
  assert.deepEqual(gunzipSync(zipped.body), plain.body);
});

async function raw(path: string, accepted: string): Promise<{ encoding: string | undefined; body: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    encoding: string | undefined;
    body: Buffer;
  }>();
  const identity = Buffer.from('{"identity":{"org_id":"11"}}').toString("base64");
  const sent = request(`${await url()}${path}`, {
    headers: { "accept-encoding": accepted, "x-rh-identity": identity },
  });
  sent.on("error", reject);
  sent.on("response", async (response) => {
    const body = Buffer.concat(await Array.fromAsync(response));
    resolve({ encoding: response.headers["content-encoding"], body });
  });
  sent.end();
  return promise;
}

test("what is wrong with a request is said in the envelope, and never more", async () => {
  const report = `${v2}/cluster/${c(1)}/reports`;
  const cases: [method: string, path: string, status: number, text: RegExp, body?: unknown][] = [
    [
      "GET",
      `${v2}/cluster/xyz/reports`,
      400,
      /param 'cluster' with value 'xyz'. Error: 'invalid UUID length: 3'/,
    ],
    ["GET", `${v2}/cluster/${c(1)}%00/reports`, 400, /invalid UUID length/],
    ["GET", `${v2}/cluster/a%2Fb/reports`, 400, /value 'a\/b'/],
    ["GET", `${v2}/cluster/'%20or%20'1'='1/reports`, 400, /invalid UUID/],
    ["GET", `${v2}/cluster/%zz/reports`, 400, /%zz/],
    [
      "GET",
      `${v2}/rule/nodot`,
      400,
      /'Param rule_selector is not a valid rule selector \(plugin_name\|error_key\)'/,
    ],
    ["GET", `${v2}/rule/${path("a'b|C")}`, 400, /valid rule selector/],
    ["GET", `${v2}/cluster/${c(1)}/request/req-1/status`, 400, /invalid request ID/],
    ["GET", `${report}?get_disabled=x`, 400, /query parameter 'get_disabled'/],
    ["GET", `${report}?get_disabled=1&get_disabled=1`, 400, /query parameter 'get_disabled'/],
    ["GET", `${report}?unknown=1`, 400, /Unknown query parameter 'unknown'/],
    ["GET", report, 400, /takes no body/, {}],
    ["GET", `${v1}/organizations/foo/clusters`, 400, /unsigned integer expected/],
    ["GET", `${v1}/organizations/0/clusters`, 400, /positive value expected/],
    ["POST", `${v2}/ack`, 400, /didn't provide request body/],
    ["POST", `${v2}/ack`, 400, /not valid JSON/, '{"rule_id":'],
    ["POST", `${v2}/ack`, 400, /bad type in json data/, []],
    ["POST", `${v2}/ack`, 400, /only rule ID and error key/, { rule_id: "a|b|c" }],
    ["POST", `${v2}/ack`, 400, /longer than 255 bytes/, { rule_id: beta, justification: "é".repeat(128) }],
    ["POST", `${v2}/ack`, 400, /cannot be stored/, { rule_id: beta, justification: "a\0b" }],
    ["POST", `${v2}/rating`, 400, /rating/, { rule: beta, rating: 2 }],
    ["POST", `${v1}/org_overview`, 400, /invalid UUID/, { clusters: ["x' or '1'='1"] }],
    ["POST", `${v1}/org_overview`, 200, /clusters_hit/, { clusters: Array(10_000).fill(c(1)) }],
    ["POST", `${v1}/org_overview`, 400, /at most 10000/, { clusters: Array(10_001).fill(c(1)) }],
    ["POST", `${v1}/clusters/reports`, 400, /at most 1000/, { clusters: Array(1_001).fill(c(1)) }],
    ["POST", `${v1}/org_overview`, 413, /too large/, `[${" ".repeat(600_000)}]`],
    ["PUT", `${v1}/clusters/${c(1)}/rules/no.such.rule/error_key/NOPE/disable`, 404, /was not found/],
    ["GET", `${v2}/cluster/${c(1)}/upgrade-risks-prediction`, 503, /is unreachable/],
  ];
  for (const [method, where, status, text, body] of cases) {
    const answer = await ask(method, where, body === undefined ? {} : { body });
    assert.deepEqual([where, answer.status], [where, status], answer.text);
    assert.match(answer.text, text);
    if (status >= 400) assert.deepEqual(Object.keys(answer.json), ["status"]);
    assert.doesNotMatch(answer.text, /select |\.ts:|at Object/);
  }
  const duplicate = await ask("POST", `${v1}/clusters/reports`, { body: { clusters: [c(1), c(1)] } });
  assert.deepEqual(duplicate.json.clusters, [c(1)]);
});

test("another method, a slash too many and an unknown path have their own answers", async () => {
  const wrong = await ask("DELETE", `${v2}/clusters`);
  assert.deepEqual([wrong.status, wrong.text, wrong.headers.get("allow")], [405, "", "OPTIONS, GET"]);
  assert.equal((await ask("OPTIONS", `${v2}/clusters`, { org: null })).status, 200);
  const slash = await ask("GET", `${v2}/clusters/?limit=1`);
  assert.deepEqual([slash.status, slash.headers.get("location")], [301, `${v2}/clusters?limit=1`]);
  const unknown = await ask("GET", `${v2}/nonsense`, { org: null });
  assert.deepEqual([unknown.status, unknown.text], [404, "404 page not found\n"]);
});

test("a database that takes too long, or refuses, is 503, and nothing of it is shown", async () => {
  const client = await database.pool.connect();
  try {
    await client.query("begin; lock table issue in access exclusive mode");
    const leaves = new AbortController();
    const gone = fetch(`${await url()}${v2}/clusters`, {
      headers: { "x-rh-identity": Buffer.from('{"identity":{"org_id":"11"}}').toString("base64") },
      signal: leaves.signal,
    }).catch(() => "gone");
    const waiting = () =>
      value(
        database.pool,
        `select count(*)::integer from pg_stat_activity
         where datname = current_database() and query like '%results_clusters%' and wait_event_type = 'Lock'`,
      );
    await until("the request waits for the lock", async () => (await waiting()) === 1);
    leaves.abort();
    assert.equal(await gone, "gone");
    await until("its query is cancelled", async () => (await waiting()) === 0);
    const slow = await ask("GET", `${v2}/clusters`);
    assert.deepEqual([slow.status, slow.headers.get("retry-after")], [503, "5"]);
    assert.match(slow.json.status, /^The (?:database is unreachable|answer takes too long)$/);
  } finally {
    await client.query("rollback");
    client.release();
  }
  assert.equal((await ask("GET", `${v2}/clusters`)).status, 200);
});

test("a report outlives the day that it came with", async () => {
  const before = (await ask("GET", `${v2}/cluster/${c(1)}/reports`)).json;
  const day = String(before.report.meta.last_checked_at).slice(0, 10);
  await database.pool.query("delete from decision_due; delete from notification");
  const later = new Date(Date.parse(`${day}T00:00:00Z`) + 40 * 24 * 3_600_000).toISOString();
  for (;;) {
    const step = await rows(database.pool, "select action, name from retain($1)", [later]);
    if (step.length === 0) break;
  }
  assert.equal(await value(database.pool, "select count(*)::integer from new_reports"), 0);
  assert.deepEqual((await ask("GET", `${v2}/cluster/${c(1)}/reports`)).json, before);
  // a newer report takes its place
  const newer = madeLately(recordedMessages())[1] ?? "";
  await consume(database.pool, [newer.replaceAll(c(2), c(1)).replaceAll("T08:01:00Z", "T08:31:00Z")], 2_000);
  assert.deepEqual(await hitsOf(1), [1, ["BETA"]]);
  assert.equal(
    await value(database.pool, "select report from latest_report where cluster = $1", [c(1)]),
    null,
  );
});
