import { z } from "zod";
import { namesIn, type Operation, pathParams } from "./operation.ts";
import { failure } from "./shapes.ts";

type Json = Record<string, unknown>;

/** The JSON Schema (2020-12, as OpenAPI 3.1 wants it) of what goes in. */
const schemaOf = (schema: z.ZodType): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json;
  return rest;
};

const inJson = (schema: z.ZodType, example: unknown): Json => ({
  "application/json": { schema: schemaOf(schema), ...(example !== undefined && { example }) },
});

const statusTexts: Record<number, string> = {
  200: "The answer",
  201: "It is new",
  204: "Done",
  400: "Something in the request is wrong; the text says what",
  403: "The identity is missing or wrong, or may not see this",
  404: "There is no such thing, or it is another organization's",
  503: "The database, or another service, does not answer; try again",
};

/** What real requests were answered, by operation: request body and answer. */
export type Examples = Readonly<Record<string, { body?: unknown; answer?: unknown }>>;

/** The OpenAPI document of a set of operations. */
export function openApi(
  {
    title,
    version,
    prefix,
    operations,
  }: { title: string; version: string; prefix: string; operations: readonly Operation[] },
  examples: Examples = {},
): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const methods = paths[operation.path] ?? {};
    methods[operation.method.toLowerCase()] = described(operation, examples[operation.id]);
    paths[operation.path] = methods;
  }
  return {
    openapi: "3.1.0",
    info: {
      title,
      version,
      description: "Results of the newest reports of clusters, for the organization of whoever asks.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: prefix }],
    security: [{ identity: [] }, { token: [] }],
    paths,
    components: {
      securitySchemes: {
        identity: {
          type: "apiKey",
          in: "header",
          name: "x-rh-identity",
          description: 'Base64 of {"identity":{"org_id":"…","user":{"user_id":"…"}}}, from a trusted gateway',
        },
        token: { type: "http", scheme: "bearer" },
      },
    },
  };
}

function described(operation: Operation, example: Examples[string] | undefined): Json {
  const { id, summary, path, query, body, bodyIsOptional, answers, isOpen } = operation;
  const failures = [400, ...(isOpen ? [] : [403]), 404, 503].filter((status) => !(status in answers));
  return {
    operationId: id,
    summary,
    ...(isOpen && { security: [] }),
    parameters: [
      ...namesIn(path).map((name) => ({
        name,
        in: "path",
        required: true,
        schema: schemaOf(pathParams[name]),
      })),
      ...Object.entries(query.shape).map(([name, schema]) => ({
        ...{ name, in: "query", required: false, schema: schemaOf(schema as z.ZodType) },
      })),
    ],
    ...(body && { requestBody: { required: !bodyIsOptional, content: inJson(body, example?.body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, schema]) => [
          status,
          {
            description: statusTexts[Number(status)],
            ...(schema && { content: inJson(schema, example?.answer) }),
          },
        ]),
      ),
      ...Object.fromEntries(
        failures.map((status) => [
          status,
          { description: statusTexts[status], content: inJson(failure, undefined) },
        ]),
      ),
    },
  };
}
