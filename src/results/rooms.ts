import type { HttpRoom } from "../http/server.ts";
import { release } from "../version.ts";
import { aggregator, aggregatorDebug } from "./aggregator.ts";
import { type Api, type ResultsOptions, serveApi } from "./api.ts";
import examples from "./examples.json" with { type: "json" };
import { type Examples, openApi } from "./openapi.ts";
import type { Operation } from "./operation.ts";
import { pageOf } from "./page.ts";
import { v1, v2 } from "./public.ts";

const json = "application/json; charset=utf-8";
const html = "text/html; charset=utf-8";

/** A set of operations with the documents about it. */
function apiOf(
  title: string,
  prefix: string,
  operations: readonly Operation[],
  known: Examples,
  unknownCaller: 401 | 403 = 403,
): Api {
  const document = openApi({ title, version: release, prefix, operations }, known);
  return {
    ...{ prefix, operations, unknownCaller },
    documents: {
      "/openapi.json": { type: json, body: JSON.stringify(document) },
      "/docs": { type: html, body: pageOf(title, prefix, operations) },
    },
  };
}

/** The public API below each of its prefixes. */
export const publicApis: readonly Api[] = ["/api", "/api/insights-results-aggregator"].flatMap((base) => [
  apiOf("Results API, version 1", `${base}/v1`, v1, examples.v1),
  apiOf("Results API, version 2", `${base}/v2`, v2, examples.v2),
]);

/** How the aggregator's paths are served: below which prefix, with those for debugging, to whom. */
export type AggregatorOptions = { prefix: string; debug: boolean; requiresIdentity: boolean };

/** The aggregator's own paths, in place of version 1 of the public API. */
export const aggregatorApisFor = (options: AggregatorOptions): readonly Api[] => {
  const operations = options.debug ? [...aggregator, ...aggregatorDebug] : aggregator;
  const api = apiOf("Aggregator", options.prefix, operations, {}, 401);
  return [{ ...api, believesPath: !options.requiresIdentity }];
};

/** The same as they are without configuration. */
export const aggregatorApis = aggregatorApisFor({ prefix: "/api/v1", debug: false, requiresIdentity: true });

/** The rooms of the HTTP server that serve the results API. */
export const resultsRooms = (options: ResultsOptions, apis = publicApis): HttpRoom[] =>
  apis.map((api) => serveApi(options, api));
