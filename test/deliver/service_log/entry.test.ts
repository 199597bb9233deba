import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptedEntrySchema } from "../../../src/deliver/service_log/contract.ts";
import { buildServiceLogEntry } from "../../../src/deliver/service_log/entry.ts";
import { DeliveryError } from "../../../src/errors.ts";
import { codePoints } from "../../../src/text/cut.ts";
import { openFence } from "../../../src/text/fences.ts";
import { aRow, cluster, messageId } from "../rows.ts";

const options = {
  ruleUrl: "https://console.example.com/openshift/details/{cluster_id}/insights/{module}/{error_key}",
  createdBy: "service-account-ccx-notification-service",
  username: "insights-advisor",
};
const link = `[More details](https://console.example.com/openshift/details/${cluster}/insights/ccx_rules_ocp.external.rules.nodes_requirements_check/NODES_MINIMUM_REQUIREMENTS_NOT_MET).`;

function built(issue: Parameters<typeof aRow>[1] = {}) {
  const entry = buildServiceLogEntry(aRow({}, { severity: "Major", ...issue }), options);
  acceptedEntrySchema.parse(entry);
  return entry as Record<string, string> & { summary: string; description: string };
}

test("a claimed row becomes the entry of the contract, field by field", () => {
  assert.deepEqual(built(), {
    cluster_uuid: cluster,
    summary: "Nodes are too small",
    description: `The node **foo1** has 8 GiB.\n\n${link}`,
    service_name: "CCX Notification Service",
    severity: "Major",
    created_by: "service-account-ccx-notification-service",
    username: "insights-advisor",
    event_stream_id: messageId,
  });
});

test("what is gone says so in place of the reason, with the link and its own severity", () => {
  const gone = (issue: Parameters<typeof aRow>[1]) =>
    buildServiceLogEntry(aRow({ resolved: true }, { severity: "Major", ...issue }), options);
  assert.deepEqual(gone({ reason: "" }), {
    ...built(),
    summary: "Resolved: Nodes are too small",
    description: `The newest report of the cluster does not have this problem any more.\n\n${link}`,
  });
  assert.deepEqual(gone({ reason: "it is there" }), gone({ reason: "" }));
  assert.equal(gone({ description: "" }).summary, `Resolved: ${built({ description: "" }).summary}`);
  const long = acceptedEntrySchema.parse(gone({ description: "ř".repeat(300) }));
  assert.equal(long.summary, `Resolved: ${"ř".repeat(245)}`);
});

test("the severity is what the Service Log calls the total risk", () => {
  const all = ["Info", "Warning", "Major", "Critical"].map((severity) => built({ severity }).severity);
  assert.deepEqual(all, ["Info", "Warning", "Major", "Critical"]);
});

test("a row with several issues is refused for good", () => {
  assert.throws(
    () => buildServiceLogEntry(aRow({}, {}, {}), options),
    (error) => error instanceof DeliveryError && error.reason === "schema" && error.permanent,
  );
});

test("a summary is cut at 255 characters, not bytes", () => {
  assert.equal(built({ description: "ř".repeat(300) }).summary, "ř".repeat(255));
  assert.equal(built({ description: "😀".repeat(255) }).summary, "😀".repeat(255));
  assert.equal(built({ description: "😀".repeat(300) }).summary, "😀".repeat(255));
});

test("a letter buried in marks is cut rather than dropped", () => {
  const buried = `a${"\u0301".repeat(5000)}`;
  assert.equal(codePoints(built({ description: buried }).summary), 255);
});

test("an issue without a description is called by its rule", () => {
  for (const description of ["", " \n\t"]) {
    assert.equal(
      built({ description }).summary,
      "ccx_rules_ocp.external.rules.nodes_requirements_check|NODES_MINIMUM_REQUIREMENTS_NOT_MET",
    );
  }
});

test("a long reason loses its end, the link stays whole", () => {
  for (const character of ["x", "ř", "😀"]) {
    const { description } = built({ reason: character.repeat(5000) });
    assert.equal(codePoints(description), 4000);
    assert.ok(description.endsWith(`${character}\n\n${link}`));
  }
});

test("a reason that just fits is not cut", () => {
  const reason = "y".repeat(4000 - link.length - 2);
  assert.equal(built({ reason }).description, `${reason}\n\n${link}`);
  assert.equal(built({ reason: `${reason}y` }).description, `${reason}\n\n${link}`);
});

test("a cut inside a code block closes the block, so that the link stays a link", () => {
  const { description } = built({ reason: `Logs:\n~\n\`\`\`\n${"line\n".repeat(2000)}\`\`\`\n` });
  assert.ok(description.endsWith(`\n\`\`\`\n\n${link}`));
  assert.ok(codePoints(description) <= 4000);
});

test("no code block swallows the link, whatever its fence, cut or never closed", () => {
  for (const fence of ["```", "~~~", "~~~~~"]) {
    for (const lines of [1, 2000]) {
      const { description } = built({ reason: `Run:\n1. do\n   ${fence}sh\n${"line\n".repeat(lines)}` });
      assert.ok(description.endsWith(`\n${fence}\n\n${link}`), description.slice(-200));
      assert.equal(openFence(description), undefined);
      assert.ok(codePoints(description) <= 4000);
    }
  }
  for (let before = 3990 - link.length; before < 4001 - link.length; before++) {
    const { description } = built({ reason: `${"x".repeat(before)}\n~~~\ncode\n~~~\n` });
    assert.ok(description.endsWith(`\n\n${link}`));
    assert.equal(openFence(description), undefined, description.slice(-200));
    assert.ok(codePoints(description) <= 4000);
  }
  const closed = "a\n```\nb\n```";
  assert.equal(built({ reason: closed }).description, `${closed}\n\n${link}`);
});

test("without a reason the link stands alone", () => {
  assert.equal(built({ reason: "" }).description, link);
});

test("a link too long to fit is left out rather than cut", () => {
  const { description } = built({ error_key: "K".repeat(5000), reason: "why" });
  assert.equal(description, "why");
});

test("names of rules cannot break out of the Markdown link", () => {
  for (const hostile of ["a) [click](https://evil.example", "..", "x\n\n# y", "a/../../b", "'(*!"]) {
    const { description } = built({ component: `${hostile}.report`, error_key: hostile, reason: "why" });
    const url = /^why\n\n\[More details\]\(([^\s()<>]+)\)\.$/.exec(description)?.[1];
    assert.ok(url, description);
    assert.equal(new URL(url).host, "console.example.com");
    assert.equal(new URL(url).pathname.split("/").length, 7, url);
  }
});

test("broken Unicode and NUL do not reach the receiver", () => {
  const entry = built({ description: "a\ud800b\0", reason: "\udfff\0" });
  assert.equal(entry.summary, "a\ufffdb\ufffd");
  assert.ok(JSON.stringify(entry).isWellFormed());
  assert.doesNotMatch(JSON.stringify(entry), /\\ud|\\u0000/);
});
