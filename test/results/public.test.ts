import assert from "node:assert/strict";
import { test } from "node:test";
import { testDatabase } from "../support/database.ts";
import {
  consume,
  loadRecordedContent,
  madeLately,
  recordedMessages,
  testApi,
} from "../support/results_api.ts";

const database = testDatabase();
const api = testApi(database, {
  async given(pool) {
    await loadRecordedContent(pool);
    await consume(pool, madeLately(recordedMessages()));
  },
});

const c = (nth: number) => `11111111-1111-4111-8111-1111111111${String(nth).padStart(2, "0")}`;

test("try", async () => {
  for (const path of [
    `/api/v2/cluster/${c(1)}/reports`,
    `/api/v2/clusters`,
    `/api/v2/rule`,
    `/api/v2/cluster/${c(1)}/requests`,
    "/api/v1/org_overview",
    "/api/v2/content",
    "/api/v2/rule/ccx_rules_ocp.external.rules.beta%7CBETA/clusters_detail",
    "/api/v2/rule/ccx_rules_ocp.external.rules.beta%7CBETA",
    `/api/v1/clusters/${c(1)},${c(3)}/reports`,
  ]) {
    const { status, text } = await api.ask("GET", path);
    console.log(path, status, text);
  }
  assert.ok(true);
});
