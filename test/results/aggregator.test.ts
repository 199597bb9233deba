import assert from "node:assert/strict";
import { test } from "node:test";
import { aggregatorApis } from "../../src/results/rooms.ts";
import { testDatabase } from "../support/database.ts";
import {
  consume,
  identityOf,
  loadRecordedContent,
  type Recorded,
  recordedMessages,
  recordedRequests,
  testApi,
} from "../support/results_api.ts";

const database = testDatabase();
const { ask } = testApi(database, {
  apis: aggregatorApis,
  async given(pool) {
    await loadRecordedContent(pool);
    // as they were recorded, whenever that was: it only has to be past
    await consume(
      pool,
      recordedMessages().map((text) => text.replaceAll("2026-11-27T", "2026-03-01T")),
    );
  },
});

/** What we answer on purpose in another way (docs/guides/results-api.md): status, or what is left of the body. */
type Difference = {
  status?: number;
  body?: unknown;
  keys?: string[];
  /** What the recorded answer should have been. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  mend?: (body: any) => void;
};
const stale = "11111111-1111-4111-8111-111111111104";
const module = (name: string) => `ccx_rules_ocp.external.rules.${name}`;
const different: Record<string, Difference> = {
  // disabled is disabled, whoever gives the reason
  "report as another user": {
    mend: ({ report }) => {
      for (const hit of report.reports) if (hit.disabled) hit.disabled_at = "TIME";
    },
  },
  // theirs lets an old message overwrite what a newer one had said of cluster 4
  clusters_detail: {
    mend: (body) => {
      body.clusters = body.clusters.filter(({ cluster }: { cluster: string }) => cluster !== stale);
    },
  },
  "recommendations list": {
    mend: ({ recommendations }) => {
      recommendations[`${module("alpha")}|ALPHA_ONE`].push(stale);
      recommendations[`${module("beta")}|BETA`].pop();
      recommendations[`${module("delta")}|DELTA`] = [stale];
    },
  },
  "clusters recommendations": {
    mend: ({ clusters }) => {
      clusters[stale].meta.cluster_version = "4.14.2";
      clusters[stale].recommendations = [`${module("alpha")}|ALPHA_ONE`, `${module("delta")}|DELTA`];
    },
  },
  "entry identity without org": { body: { status: /^error retrieving requester org_id from token/ } },
  info: { keys: ["info", "status"] },
  "organizations (debug)": { status: 404 },
  "clusters org too big": { status: 200 },
  "reports path foreign": { status: 200 },
  "reports post bad json": { status: 400 },
  "get_vote (debug)": { status: 404 },
  "get_vote none": { status: 404, keys: [] },
  "disable foreign cluster": { status: 404 },
  "disable unknown cluster": { status: 404 },
  "rating out of range": { status: 400 },
  "rating read": {
    body: { rating: { rule: "ccx_rules_ocp.external.rules.alpha|ALPHA_ONE", rating: 1 }, status: "ok" },
  },
  "recommendations list no body": { status: 400 },
  "quote in a list": { status: 400 },
  options: { keys: ["status"] },
  head: { status: 200 },
};

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** Without times, and without what ingest does not keep of a whole report. */
function comparable(value: unknown, name = ""): unknown {
  if (typeof value === "string") return time.test(value) && !value.startsWith("0001") ? "TIME" : value;
  if (Array.isArray(value)) return value.map((one) => comparable(one, name));
  if (typeof value !== "object" || value === null) return value;
  const dropped = ["analysis_metadata", "fingerprints", "info", "pass", "skips", "system"];
  const isReport = "reports" in value && "system" in value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !(isReport && dropped.includes(key)))
      .map(([key, one]) => [key, key === "user_vote" ? "VOTE" : comparable(one, key)]),
  );
}

const organizationIn = (path: string): string | undefined => /organizations?\/(\d+)/.exec(path)?.[1];

async function replay({ request }: Recorded, org?: string) {
  const identity = request.identity;
  const header =
    typeof identity === "string"
      ? identity
      : identity && identityOf(org ?? String(identity.org_id), String(identity.user_id));
  const headers = { ...request.headers, ...(header && { "x-rh-identity": header }) };
  const body = request.body === null ? {} : { body: request.body };
  return ask(request.method, request.path.replace("/../v1", "/info/"), { org: null, headers, ...body });
}

test("every recorded request is answered as the real program did, but for what differs on purpose", async (t) => {
  for (const recorded of recordedRequests()) {
    await t.test(recorded.name, async () => {
      const { request, response } = recorded;
      const differs = different[recorded.name];
      const own = (request.identity as { org_id?: string } | null)?.org_id;
      const org = organizationIn(request.path);
      let answer = await replay(recorded);
      if (org !== undefined && own !== undefined && org !== own && response.status < 400) {
        // theirs lets any organization read and write another one's
        assert.equal(answer.status, 403);
        answer = await replay(recorded, org);
      } else if (org !== undefined && own !== undefined && org !== own && answer.status === 403) return;
      assert.equal(answer.status, differs?.status ?? response.status, answer.text);
      if (differs?.status !== undefined) return;
      if (differs?.keys !== undefined) assert.deepEqual(Object.keys(answer.json).toSorted(), differs.keys);
      else if (differs?.body !== undefined) {
        const wanted = differs.body as { status: unknown };
        if (wanted.status instanceof RegExp) assert.match(answer.json.status, wanted.status);
        else assert.deepEqual(answer.json, wanted);
      } else if (response.body_text !== null) assert.equal(answer.text, response.body_text);
      else if (response.body !== null && response.body !== undefined) {
        const expected = comparable(response.body);
        differs?.mend?.(expected);
        assert.deepEqual(comparable(answer.json), expected);
      }
    });
  }
});
