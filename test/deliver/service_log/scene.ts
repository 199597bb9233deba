import assert from "node:assert/strict";
import { inspect } from "node:util";
import { startServiceLogReceiver } from "../../../dev/stack/service_log_receiver.ts";
import { AccessTokenSource } from "../../../src/deliver/service_log/access_token.ts";
import { ServiceLogClient } from "../../../src/deliver/service_log/client.ts";
import { buildServiceLogEntry } from "../../../src/deliver/service_log/entry.ts";
import { DeliveryError } from "../../../src/errors.ts";
import { aRow } from "../rows.ts";

export const entry = buildServiceLogEntry(aRow({}, { severity: "Major" }), {
  ruleUrl: "https://example.com/{cluster_id}/{module}/{error_key}",
  createdBy: "someone",
  username: "insights-advisor",
});

/** A running stand-in receiver and a client of it; `receiverClock` moves only the receiver's time. */
export async function scene(options: { timeoutMs?: number; maxResponseBytes?: number } = {}) {
  const receiverClock = { now: Date.now() };
  const receiver = await startServiceLogReceiver({ now: () => receiverClock.now });
  const limits = {
    connectTimeoutMs: 1000,
    timeoutMs: options.timeoutMs ?? 2000,
    maxResponseBytes: options.maxResponseBytes ?? 64 * 1024,
  };
  const credentials = { clientId: "ccx", clientSecret: "not-a-secret" };
  const tokens = new AccessTokenSource({
    ...limits,
    timeoutMs: 2000,
    ...credentials,
    tokenUrl: receiver.tokenUrl,
  });
  const now = () => Date.parse("2026-08-22T10:00:00Z");
  const client = new ServiceLogClient({ ...limits, url: receiver.url, tokens, now });
  return {
    receiver,
    receiverClock,
    tokens,
    client,
    async [Symbol.asyncDispose]() {
      await receiver.stop();
      await Promise.all([client.close(), tokens.close()]);
    },
  };
}

/** The DeliveryError by which `promise` fails. */
export async function failure(promise: Promise<unknown>): Promise<DeliveryError> {
  const error = await promise.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof DeliveryError, inspect(error));
  return error;
}
