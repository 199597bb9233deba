import assert from "node:assert/strict";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { Api } from "../../src/results/api.ts";
import { namesIn, type Operation } from "../../src/results/operation.ts";
import type { Answered } from "./results_api.ts";

/** Values that are right, by the names of parameters. */
export const rightParams: Readonly<Record<string, string>> = {
  cluster: "11111111-1111-4111-8111-111111111101",
  clusters: "11111111-1111-4111-8111-111111111101,11111111-1111-4111-8111-111111111103",
  rule_id: "ccx_rules_ocp.external.rules.alpha.report",
  rule_selector: "ccx_rules_ocp.external.rules.alpha|ALPHA_ONE",
  composite: "ccx_rules_ocp.external.rules.alpha.report|ALPHA_ONE",
  error_key: "ALPHA_ONE",
  request_id: "7af5f522a60fc459126372e0cc811d93",
  namespace: "default",
  organization: "11",
  user_id: "u-1",
};

const cluster = rightParams.cluster;
const selector = rightParams.rule_selector;

/** Bodies that are right, by operation. */
export const rightBodies: Readonly<Record<string, unknown>> = {
  these_requests: [rightParams.request_id, "unknown"],
  ack_rule: { rule_id: selector, justification: "known" },
  change_ack: { justification: "still known" },
  rate: { rule: selector, rating: 1 },
  many_upgrade_risks: { clusters: [cluster] },
  these_reports: { clusters: [cluster] },
  overview_of: { clusters: [cluster] },
  disable_feedback: { message: "accepted risk" },
  like: { message: "helps" },
  disabled_for_clusters: [cluster],
  rule_clusters: { clusters: [cluster] },
  recommendations: [cluster],
  clusters: [cluster],
  these_workloads: [cluster],
};

/** The path of an operation with these values in it. */
export const pathWith = (api: Api, operation: Operation, values: Readonly<Record<string, string>>): string =>
  api.prefix +
  namesIn(operation.path).reduce(
    (path, name) => path.replace(`{${name}}`, encodeURIComponent(values[name] ?? "")),
    operation.path,
  );

type Checks = Map<string, { schema: object | undefined; valid?: ValidateFunction }>;

/** What each API's document says of an operation and a status; compiled once, when an answer is checked by it. */
const checksOf = new WeakMap<Api, Checks>();

function readChecks(document: { paths: Record<string, never> }): Checks {
  const checks: Checks = new Map();
  for (const methods of Object.values(document.paths))
    for (const { operationId, responses } of Object.values(methods) as {
      operationId: string;
      responses: Record<string, { content?: { "application/json": { schema: object } } }>;
    }[])
      for (const [status, { content }] of Object.entries(responses))
        checks.set(`${operationId} ${status}`, { schema: content?.["application/json"].schema });
  return checks;
}

/** Checks answers by the OpenAPI document of an API. */
export class Contract {
  readonly document;
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false });
  readonly #checks: Checks;

  constructor(api: Api) {
    this.document = JSON.parse(api.documents["/openapi.json"]?.body ?? "{}");
    this.#checks = checksOf.get(api) ?? readChecks(this.document);
    checksOf.set(api, this.#checks);
  }

  /** Fails unless the document says that this operation may answer so. */
  check(operation: string, { status, text, json }: Answered, why = ""): void {
    const name = `${operation} ${status}`;
    const check = this.#checks.get(name);
    assert.ok(check, `${why}${name} is not in the document: ${text.slice(0, 500)}`);
    if (check.schema) check.valid ??= this.#ajv.compile(check.schema);
    const { valid } = check;
    if (text === "") assert.ok(valid === undefined || status === 404, `${why}${name} has no body`);
    else assert.ok(valid?.(json), `${why}${name}: ${JSON.stringify(valid?.errors)} ${text.slice(0, 500)}`);
  }
}
