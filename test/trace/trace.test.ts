import assert from "node:assert/strict";
import { test } from "node:test";
import { findPorts } from "../../dev/stack/server.ts";
import {
  incoming,
  isTracing,
  isTracingWanted,
  onwards,
  spanContextOf,
  startSpan,
} from "../../src/trace/trace.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { startCollector } from "../support/spans.ts";
import { archivePart, form, formType, identity } from "../support/upload.ts";
import { oneFile, uploading } from "../support/uploading.ts";
import { archiveOf } from "../support/uploads.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const theirs = `00-${traceId}-00f067aa0ba902b7-01`;

test("a header that is no traceparent is none, and nothing is traced unless OTEL_* asks for it", () => {
  assert.equal(incoming({ traceparent: Buffer.from(theirs) }), theirs);
  assert.equal(incoming({ traceparent: [theirs, "another"] }), theirs);
  assert.equal(incoming({ traceparent: `${theirs.replace(/^00/, "cc")}-more` }), theirs);
  for (const wrong of [
    "",
    "nonsense",
    `x${theirs}`,
    theirs.toUpperCase(),
    theirs.replace(/^00/, "ff"),
    `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `${theirs}'; drop table issue`,
    `${theirs.slice(0, -1)}`,
  ])
    assert.equal(incoming({ traceparent: wrong }), undefined, wrong);
  assert.equal(incoming({}), undefined);
  assert.equal(incoming(undefined), undefined);
  assert.equal(isTracing(), false);
  const span = startSpan("x", { parent: theirs });
  assert.equal(span, undefined);
  assert.equal(onwards(span, theirs), theirs, "what came in passes through");
  assert.equal(onwards(span, null), undefined);
  for (const [env, wanted] of [
    [{}, false],
    [{ OTEL_SERVICE_NAME: "x" }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" }, true],
    [{ OTEL_TRACES_EXPORTER: "console" }, true],
    [{ OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" }, false],
    [{ OTEL_SDK_DISABLED: "true", OTEL_TRACES_EXPORTER: "otlp" }, false],
    [{ OTEL_SDK_DISABLED: "TRUE", OTEL_TRACES_EXPORTER: "otlp" }, false],
    [{ OTEL_SDK_DISABLED: "false", OTEL_TRACES_EXPORTER: "otlp" }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://localhost:4318/v1/traces" }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, false],
  ] as const)
    assert.equal(isTracingWanted(env), wanted, JSON.stringify(env));
});

scenario(
  "one report is one trace, from the header that it came with to both receivers",
  { serviceLog: true },
  async (scene) => {
    await using collector = await startCollector();
    const service = scene.start("run", { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
    await service.says("traces are sent");
    const cluster = aCluster();
    await scene.topics.produce([aReport(cluster, ["bug"])], { headers: { traceparent: theirs } });
    const [notified] = await scene.topics.received.take(1);
    const out = spanContextOf(notified?.traceparent);
    await scene.quiet();
    // another one brings none along: it gets a trace of its own
    await scene.topics.produce([aReport(aCluster(), ["bug"]), "no report"]);
    await scene.topics.received.take(1);
    await scene.consumed(3);
    await scene.quiet();
    await service.stop(); // the last spans go out

    const { spans } = collector;
    const ours = spans.filter((span) => span.traceId === traceId);
    const named = (name: string) => ours.filter((span) => span.name === name);
    const [ingest] = named("ingest");
    assert.equal(ingest?.parentSpanId, "00f067aa0ba902b7");
    const about = ingest?.attributes.find(({ key }) => key === "ccx.cluster");
    assert.equal(about?.value.stringValue, cluster);
    const id = ingest?.spanId;
    for (const name of [
      ...["ingest batch", "decide"],
      ...["deliver to notifications backend", "deliver to service log"],
    ]) {
      const found = named(name);
      assert.ok(found.length >= 1, `${name} in ${ours.map((span) => span.name)}`);
      assert.equal(found[0]?.parentSpanId, id, name);
    }
    const [delivered] = named("deliver to notifications backend");
    assert.equal(out?.traceId, traceId);
    assert.equal(out?.spanId, delivered?.spanId, "the receiver goes on from the delivery");
    const entry = scene.receiver.entries.find(({ body }) => body.cluster_uuid === cluster);
    const posted = spanContextOf(String(entry?.headers.traceparent));
    assert.deepEqual(
      [posted?.traceId, posted?.spanId],
      [traceId, named("deliver to service log")[0]?.spanId],
    );

    const stored = await scene.rows("select distinct traceparent from notification where cluster = $1", [
      cluster,
    ]);
    assert.deepEqual(stored, [{ traceparent: `00-${traceId}-${id}-01` }]);
    const others = spans.filter((span) => span.name === "ingest" && span.traceId !== traceId);
    assert.equal(new Set(others.map((span) => span.traceId)).size, 2, "a new trace each");
    assert.ok(others.some(({ status }) => status.message === "not_json"));

    for (const msg of ["ingested", "delivered"]) {
      const line = service.lines.find((it) => it.msg === msg);
      assert.equal(line?.trace_id, traceId, msg);
      assert.match(String(line?.span_id), /^[0-9a-f]{16}$/);
    }
    const decided = service.lines.find(({ msg }) => msg === "decided");
    assert.match(String(decided?.trace_id), /^[0-9a-f]{32}$/);
  },
);

for (const isTraced of [true, false])
  scenario(
    `an upload goes on in the trace of its request, ${isTraced ? "span by span" : "also where nobody traces"}`,
    {},
    async (scene) => {
      await using owned = new AsyncDisposableStack();
      const { uploads, loaded, env } = await uploading(scene, owned);
      await loaded();
      await using collector = await startCollector();
      const [port] = await findPorts(1);
      const base = `http://127.0.0.1:${port}`;
      const service = scene.start("run", {
        env: {
          ...{ ...env, CCX_HTTP_PORT: String(port), CCX_ARCHIVE_BASE_URL: base },
          ...(isTraced && { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }),
        },
      });
      await service.says("running");
      const cluster = aCluster();
      const answer = await fetch(`${base}/api/ingress/v1/upload`, {
        method: "POST",
        headers: {
          "x-rh-identity": identity("42", { cluster }),
          "content-type": formType,
          traceparent: theirs,
        },
        body: new Uint8Array(form([archivePart(await archiveOf(oneFile(cluster)))])),
      });
      assert.equal(answer.status, 202);
      await uploads.published(1);
      await scene.consumed(2);
      await scene.quiet();
      const says = ["upload", "uploads announced", "announcements taken", "archive analyzed"];
      for (const line of [...says, "results published", "ingested"]) await service.says(line);
      await service.stop();

      const kept = await scene.rows(
        `select (select traceparent from archive) as archive, (select traceparent from analysis) as analysis,
           (select traceparent from new_reports) as report`,
      );
      if (!isTraced) {
        assert.deepEqual(kept, [{ archive: theirs, analysis: theirs, report: theirs }]);
        return;
      }
      const ours = collector.spans.filter((span) => span.traceId === traceId);
      const id = (name: string) => {
        const found = ours.filter((span) => span.name === name);
        assert.equal(found.length, 1, `${name} in ${collector.spans.map((span) => span.name)}`);
        return found[0]?.spanId;
      };
      const way = ["upload", "announce", "take announcement", "publish result", "ingest"];
      let parent = "00f067aa0ba902b7";
      for (const name of way) {
        assert.equal(ours.find((span) => span.name === name)?.parentSpanId, parent, name);
        parent = id(name) ?? "";
      }
      const taken = id("take announcement");
      assert.equal(ours.find(({ name }) => name === "analyze")?.parentSpanId, taken);
      assert.deepEqual(
        kept.map((row) => Object.values(row).map((text) => spanContextOf(String(text))?.spanId)),
        [[id("upload"), taken, id("ingest")]],
      );
      // what says only where an upload is goes out in batches of its own, in no trace of an upload
      const announced = service.said("uploads announced").filter((line) => line.trace_id === traceId);
      assert.equal(announced.length, 1);
      for (const msg of [...says, "results published", "ingested"].filter((it) => it !== "uploads announced"))
        for (const line of service.said(msg)) assert.equal(line.trace_id, traceId, JSON.stringify(line));
    },
  );

scenario("without tracing a trace only passes through, and lines name none", {}, async (scene) => {
  const service = scene.start("run");
  await scene.topics.produce([aReport(aCluster(), ["bug"])], { headers: { traceparent: theirs } });
  await scene.topics.produce([aReport(aCluster(), ["bug"])], { headers: { traceparent: "nonsense" } });
  const notified = await scene.topics.received.take(2);
  assert.deepEqual(
    notified.map(({ traceparent }) => traceparent).filter((found) => found !== undefined),
    [theirs],
  );
  await scene.quiet();
  assert.ok(service.lines.every((line) => !("trace_id" in line)));
  await service.stop();
});
