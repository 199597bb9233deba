import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { createLogger } from "../../src/log.ts";
import { startTracingBy } from "../../src/trace/sdk.ts";
import {
  currentTraceIds,
  endSpan,
  incoming,
  inSpan,
  isTracing,
  onwards,
  spanContextOf,
  startSpan,
  traceIds,
  traceparentOf,
} from "../../src/trace/trace.ts";
import { startCollector } from "../support/spans.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const sampled = `00-${traceId}-00f067aa0ba902b7-01`;
const notSampled = `00-${traceId}-00f067aa0ba902b7-00`;

/** What is exported while `work` runs with these variables. */
async function exported(env: Record<string, string>, work: () => unknown) {
  await using collector = await startCollector();
  let warnings = "";
  const log = createLogger("warn", { write: (line) => (warnings += line) });
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  Object.assign(process.env, env);
  try {
    const tracing = startTracingBy(process.env, log);
    try {
      await work();
    } finally {
      await tracing.stop();
    }
  } finally {
    for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", ...Object.keys(env)]) delete process.env[name];
  }
  return { ...collector, warnings };
}

test("what is sampled: as whoever began the trace has it, or as OTEL_TRACES_SAMPLER says", async () => {
  const work = () => {
    endSpan(startSpan("root", {}));
    endSpan(startSpan("of a sampled one", { parent: sampled }));
    endSpan(startSpan("of one that is not", { parent: notSampled }));
  };
  const all = ["root", "of a sampled one", "of one that is not"];
  const [root, ofSampled] = all;
  for (const [sampler, ratio, expected, warning] of [
    ["", undefined, [root, ofSampled]],
    ["nonsense", undefined, [root, ofSampled], "names no sampler"],
    ["always_on", undefined, all],
    ["always_off", undefined, []],
    ["traceidratio", undefined, all],
    ["traceidratio", "1", all],
    ["traceidratio", "0", []],
    // what is no ratio counts as none
    ["traceidratio", "", all],
    ["traceidratio", "half", all, "is no number from 0 to 1"],
    ["traceidratio", "2", all, "is no number from 0 to 1"],
    ["traceidratio", "-1", all, "is no number from 0 to 1"],
    ["parentbased_always_on", undefined, [root, ofSampled]],
    ["parentbased_always_off", undefined, [ofSampled]],
    ["parentbased_traceidratio", "0", [ofSampled]],
    ["parentbased_traceidratio", "1", [root, ofSampled]],
  ] as const) {
    const env = {
      OTEL_TRACES_SAMPLER: sampler,
      ...(ratio !== undefined && { OTEL_TRACES_SAMPLER_ARG: ratio }),
    };
    const { spans, warnings } = await exported(env, work);
    assert.ok(warning === undefined ? warnings === "" : warnings.includes(warning), warnings);
    assert.deepEqual(
      spans.map(({ name }) => name),
      expected,
      `${sampler} ${ratio}`,
    );
  }
});

test("spans say which service they are of, unless OTEL_RESOURCE_ATTRIBUTES or OTEL_SERVICE_NAME say another", async () => {
  const work = () => endSpan(startSpan("x", {}));
  const said = async (env: Record<string, string>) => {
    const [attributes = []] = (await exported(env, work)).resources;
    return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));
  };
  const own = await said({});
  assert.equal(own["service.name"], "ccx-notifications");
  assert.match(own["service.version"] ?? "", /^\d/);
  const other = await said({ OTEL_RESOURCE_ATTRIBUTES: "service.name=a,deployment.environment=stage" });
  assert.deepEqual([other["service.name"], other["deployment.environment"]], ["a", "stage"]);
  assert.equal((await said({ OTEL_SERVICE_NAME: "b" }))["service.name"], "b");
});

test("a batch of one goes on in its trace, one of several begins a trace that links to theirs", async () => {
  const another = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const seen: object[] = [];
  let next: string | undefined;
  const { spans } = await exported({}, async () => {
    assert.ok(isTracing());
    await inSpan("one", { parents: [sampled] }, async () => void seen.push(currentTraceIds()));
    await inSpan("one of none", { parents: [undefined] }, async () => undefined);
    await inSpan("two", { parents: [sampled, undefined, another] }, async () => undefined);
    const many = Array.from({ length: 200 }, () => sampled);
    await inSpan("many", { parents: many }, async () => undefined);
    const parents = [...Array.from({ length: 200 }, () => undefined), "nonsense", sampled];
    await inSpan("one of many", { parents }, async () => undefined);
    await inSpan("one of two", { parents: [undefined, sampled] }, async () => undefined);
    const attributes = { "ccx.count": 1 };
    await inSpan("about", { parents: [sampled], kind: SpanKind.CONSUMER, attributes }, async () => undefined);
    const startTime = Date.UTC(2026, 0, 1);
    const span = startSpan("made", { parent: sampled, kind: SpanKind.PRODUCER, attributes, startTime });
    next = onwards(span, another);
    endSpan(span);
    await assert.rejects(
      inSpan("fails", { parents: [sampled] }, () => Promise.reject(new Error("why"))),
      /why/,
    );
  });
  const named = (name: string) => spans.find((span) => span.name === name);
  assert.deepEqual([named("one")?.traceId, named("one")?.parentSpanId], [traceId, "00f067aa0ba902b7"]);
  assert.deepEqual(seen, [{ trace_id: traceId, span_id: named("one")?.spanId }]);
  assert.equal(named("one of none")?.parentSpanId, undefined);
  const two = named("two");
  assert.notEqual(two?.traceId, traceId);
  assert.deepEqual(
    two?.links.map((link) => link.traceId),
    [traceId, "a".repeat(32)],
  );
  assert.equal(named("many")?.links.length, 128, "as many as the SDK keeps");
  assert.deepEqual(named("one")?.links, []);
  for (const name of ["one of many", "one of two"]) {
    assert.notEqual(named(name)?.traceId, traceId);
    assert.deepEqual(
      named(name)?.links.map((link) => link.traceId),
      [traceId],
      name,
    );
  }
  for (const [name, kind] of [
    ["about", SpanKind.CONSUMER],
    ["made", SpanKind.PRODUCER],
    ["one", SpanKind.INTERNAL],
  ] as const)
    assert.equal(named(name)?.kind, kind + 1, "as OTLP counts them");
  for (const name of ["about", "made"])
    assert.deepEqual(
      named(name)?.attributes.map((attribute) => attribute.key),
      ["ccx.count"],
    );
  assert.equal(next, `00-${traceId}-${named("made")?.spanId}-01`);
  assert.deepEqual(named("fails")?.status, { message: "why", code: SpanStatusCode.ERROR });
  assert.equal(isTracing(), false, "it has ended");
  assert.equal(startSpan("x", {}), undefined);
  assert.deepEqual([currentTraceIds(), traceIds(undefined)], [{}, {}]);
});

test("of a traceparent goes on what all versions have in common", () => {
  assert.equal(incoming({ traceparent: ` ${sampled}\n` }), sampled);
  assert.equal(incoming({ traceparent: sampled.replace(/01$/, "ff") }), sampled);
  assert.equal(incoming({ traceparent: sampled.replace(/01$/, "02") }), notSampled);
  const found = { traceId, spanId: "00f067aa0ba902b7" };
  const flags = (end: string) => spanContextOf(sampled.replace(/01$/, end));
  assert.deepEqual(flags("ff"), { ...found, traceFlags: 1, isRemote: true });
  assert.deepEqual(flags("10"), { ...found, traceFlags: 0, isRemote: true });
  assert.equal(
    traceparentOf({ ...found, traceFlags: 3 }),
    sampled,
    "what others may mean by it stays with them",
  );
  assert.deepEqual(traceIds(sampled), { trace_id: traceId, span_id: "00f067aa0ba902b7" });
});

test("a collector that takes what comes and says nothing does not keep the process", {
  timeout: 8_000,
}, async () => {
  await using collector = await startCollector();
  collector.hang();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  // the exporter itself goes on trying, and so keeps this process
  process.env.OTEL_EXPORTER_OTLP_TIMEOUT = "2000";
  try {
    const tracing = startTracingBy(process.env, createLogger("silent"));
    endSpan(startSpan("x", {}));
    await tracing.stop();
    assert.equal(isTracing(), false);
    assert.equal(collector.spans.length, 1);
  } finally {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    delete process.env.OTEL_EXPORTER_OTLP_TIMEOUT;
  }
});
