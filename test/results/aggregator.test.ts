import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { aggregatorApisFor } from "../../src/results/rooms.ts";
import { release } from "../../src/version.ts";
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
  apis: aggregatorApisFor({ prefix: "/api/v1", debug: true, requiresIdentity: true }),
  async given(pool) {
    await loadRecordedContent(pool);
    // as they were recorded, whenever that was: it only has to be past
    await consume(
      pool,
      recordedMessages().map((text) => text.replaceAll("2026-11-27T", "2026-03-01T")),
    );
  },
});

/** What we answer on purpose in another way: status, or what the recorded answer should have been. */
type Difference = {
  /** What docs/guides/results-api.md says of it. */
  because: string;
  status?: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  mend?: (body: any) => void;
};
const stale = "11111111-1111-4111-8111-111111111104";
const module = (name: string) => `ccx_rules_ocp.external.rules.${name}`;
const because = {
  isTheirs: "An organization may read and write only what is its own",
  isOld: "An old message never overwrites what a newer one had said.",
  rating: "A rating is −1, 0 or 1; others are 400.",
  isNoJson: "A body that is no JSON is 400",
};
const different: Record<string, Difference> = {
  "report as another user": {
    because: "A disabled hit has the time since when, whoever gave the reason.",
    mend: ({ report }) => {
      for (const hit of report.reports) if (hit.disabled) hit.disabled_at = "TIME";
    },
  },
  clusters_detail: {
    because: because.isOld,
    mend: (body) => {
      body.clusters = body.clusters.filter(({ cluster }: { cluster: string }) => cluster !== stale);
    },
  },
  "recommendations list": {
    because: because.isOld,
    mend: ({ recommendations }) => {
      recommendations[`${module("alpha")}|ALPHA_ONE`].push(stale);
      recommendations[`${module("beta")}|BETA`].pop();
      recommendations[`${module("delta")}|DELTA`] = [stale];
    },
  },
  "clusters recommendations": {
    because: because.isOld,
    mend: ({ clusters }) => {
      clusters[stale].meta.cluster_version = "4.14.2";
      clusters[stale].recommendations = [`${module("alpha")}|ALPHA_ONE`, `${module("delta")}|DELTA`];
    },
  },
  "report with votes and disables": {
    because: "Votes are kept and read by error key, not by rule;",
    mend: ({ report }) => {
      report.reports.find(({ key }: { key: string }) => key === "ALPHA_ONE").user_vote = 1;
    },
  },
  info: {
    because: "`info` has our release as `BuildVersion`.",
    mend: ({ info }) => {
      info.BuildVersion = release;
    },
  },
  "organizations (debug)": {
    because: because.isTheirs,
    mend: (body) => {
      body.organizations = [11];
    },
  },
  "clusters org too big": {
    because: "An organization beyond 2147483647 is one like any other, in place of 500.",
    status: 200,
  },
  "reports path foreign": {
    because:
      "A foreign cluster in a list of reports is one of `errors`, like an unknown one, in place of 400 for all.",
    status: 200,
  },
  "reports post bad json": { because: because.isNoJson, status: 400 },
  "disable foreign cluster": {
    because: "A cluster of another organization is answered like one that nobody knows.",
    status: 404,
  },
  "rating out of range": { because: because.rating, status: 400 },
  "rating read": {
    because: because.rating,
    mend: ({ rating }) => {
      rating.rating = 1;
    },
  },
  "recommendations list no body": { because: because.isNoJson, status: 400 },
  "quote in a list": { because: "So is a cluster that is no UUID in a list.", status: 400 },
  options: {
    because: "OPTIONS has a short answer of its own.",
    mend: (body) => {
      delete body.info;
    },
  },
  head: { because: "HEAD is answered like GET;", status: 200 },
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
      .map(([key, one]) => [key, comparable(one, key)]),
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
      if (response.body_text !== null && !differs) assert.equal(answer.text, response.body_text);
      else if (response.body !== null && response.body !== undefined) {
        const expected = comparable(response.body);
        differs?.mend?.(expected);
        assert.deepEqual(comparable(answer.json), expected);
      }
    });
  }
});

test("what differs on purpose is in the guide, and is a request that was recorded", async () => {
  const page = await readFile(new URL("../../docs/guides/results-api.md", import.meta.url), "utf8");
  const text = page.replaceAll(/\s+/g, " ");
  const names = recordedRequests().map(({ name }) => name);
  assert.equal(names.length, 99);
  for (const [name, { because }] of Object.entries(different)) {
    assert.ok(names.includes(name), name);
    assert.ok(text.includes(because), `${name}: ${because}`);
  }
});
