import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import formats from "ajv-formats";

const schemaOf = (name: string) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true });
formats.default(ajv);
const validate = ajv.compile(schemaOf("notification.schema.json"));
const validateResult = ajv.compile(schemaOf("result.schema.json"));

const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What is wrong with a parsed notification, one sentence each; empty when nothing is. */
export function violations(action: unknown): string[] {
  return validate(action) ? [] : inSentences(validate.errors);
}

/** The same of a parsed message of ccx.ocp.results. */
export function resultViolations(result: unknown): string[] {
  return validateResult(result) ? [] : inSentences(validateResult.errors);
}

function inSentences(errors: typeof validate.errors): string[] {
  return (errors ?? []).map(({ instancePath, message, params }) => {
    return `${instancePath || "/"} ${message} ${JSON.stringify(params)}`;
  });
}

/**
 * Fails unless this is a message that notifications-backend accepts and recognises when it is repeated: valid
 * by the schema, with an id of version 4 that the header `rh-message-id` repeats. Returns the parsed message.
 * `headers` as kafkajs gives them to a consumer or takes them from a producer.
 */
export function assertNotification(
  value: string | Buffer | null,
  headers: Record<string, unknown> | undefined,
): Record<string, unknown> {
  assert.ok(value !== null, "a notification has a value");
  const action = JSON.parse(value.toString()) as Record<string, unknown>;
  assert.deepEqual(violations(action), []);
  const header = headers?.["rh-message-id"];
  assert.ok(typeof header === "string" || Buffer.isBuffer(header), "the header rh-message-id is missing");
  assert.equal(header.toString(), action.id, "the header rh-message-id repeats the id");
  assert.match(header.toString(), uuidV4, "the id is a UUID of version 4");
  return action;
}
