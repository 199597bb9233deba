import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { below, seeded } from "../../dev/samples/random.ts";
import { parseMessage } from "../../src/ingest/parse_message.ts";
import { type RejectReason, rejectReasons } from "../../src/ingest/reject_reasons.ts";

const now = new Date("2026-03-01T12:00:00Z");
const cluster = "5d5892d3-1f74-4ccf-91af-548dfc9767aa";
const hit = {
  component: "ccx_rules_ocp.external.rules.a.report",
  key: "A",
  details: { "naïve ключ": "Ω 😀" },
};
const valid = {
  OrgID: 11789772,
  AccountNumber: 10,
  ClusterName: cluster,
  LastChecked: "2020-04-02T09:00:05.268294Z",
  Version: 2,
  Report: { system: { hostname: null }, fingerprints: [], reports: [hit], skips: [] },
};
/** What is stored of its report. */
const stored = JSON.stringify({ reports: [hit] });
type Fields = Record<string, unknown>;

const parse = (text: string | Buffer | null, maxBytes?: number) =>
  parseMessage(typeof text === "string" ? Buffer.from(text) : text, now, maxBytes ? { maxBytes } : undefined);
const message = (fields: Fields): string => JSON.stringify({ ...valid, ...fields });
const withReport = (fields: Fields): string => message({ Report: { ...valid.Report, ...fields } });
/** A valid message with `json` put in as the value of one more key. */
const withRaw = (json: string): string => message({ extra: "@" }).replace('"@"', json);

function accepted(text: string | Buffer, maxBytes?: number) {
  const result = parse(text, maxBytes);
  assert.equal(result.kind, "report", JSON.stringify(result));
  assert.ok(result.kind === "report");
  return result;
}

function refused(text: string | Buffer | null, reason: RejectReason, saying = /./, maxBytes?: number): void {
  const result = parse(text, maxBytes);
  assert.ok(result.kind === "rejected", `accepted, should be ${reason}: ${String(text).slice(0, 200)}`);
  assert.equal(result.reason, reason, result.text);
  assert.match(result.text, saying);
  assert.ok(!result.text.includes("\n") && result.text.length < 300, result.text);
}

describe("a valid message", () => {
  it("is read into its parts, and what is stored of its report kept as received", () => {
    const text = `${JSON.stringify(valid)}\n`;
    assert.deepEqual(parse(text), {
      kind: "report",
      orgId: 11789772,
      accountNumber: 10,
      cluster,
      updatedAt: "2020-04-02T09:00:05.268294Z",
      report: stored,
      facts: { requestId: undefined, gatheredAt: undefined, clusterVersion: undefined },
      // of 37:ccx_rules_ocp.external.rules.a.report1:A
      hitsHash: "-1242025370646327438",
      growth: 0,
    });
  });

  it("says which upload it is of, when that was gathered and which version it shows", () => {
    const version = { info_id: "version_info|CLUSTER_VERSION_INFO", details: { version: "4.17.3" } };
    const facts = (fields: object, info: unknown = [{ details: 1 }, version]) =>
      accepted(JSON.stringify({ ...valid, ...fields, Report: { ...valid.Report, info } })).facts;
    assert.deepEqual(
      facts({ RequestId: "7af5", Metadata: { gathering_time: "2026-11-27T08:58:00+01:00" } }),
      {
        ...{ requestId: "7af5", gatheredAt: "2026-11-27T07:58:00.000000Z", clusterVersion: "4.17.3" },
      },
    );
    const none = { requestId: undefined, gatheredAt: undefined, clusterVersion: undefined };
    for (const wrong of [null, 1, "", "yesterday", {}, [], [[1]], { version: 4 }, "x".repeat(256)])
      assert.deepEqual(
        facts(
          { RequestId: wrong === "yesterday" ? undefined : wrong, Metadata: { gathering_time: wrong } },
          wrong,
        ),
        none,
      );
  });

  it("may be compressed with gzip, in one piece or several", () => {
    const text = JSON.stringify(valid);
    assert.equal(accepted(gzipSync(text)).report, stored);
    const pieces = [text.slice(0, 50), text.slice(50)].map((piece) => gzipSync(piece));
    assert.equal(accepted(Buffer.concat(pieces)).report, stored);
  });

  it("loses its byte order mark, which JSON does not allow inside another text", () => {
    assert.equal(accepted(`\ufeff${JSON.stringify(valid)}`).report, stored);
  });

  it("may lack AccountNumber and Version, or have null for them", () => {
    assert.equal(accepted(message({ AccountNumber: undefined, Version: undefined })).accountNumber, 0);
    assert.equal(accepted(message({ AccountNumber: null, Version: null })).accountNumber, 0);
    assert.ok(Object.is(accepted(message({ AccountNumber: 0 }).replace(":0,", ":-0,")).accountNumber, 0));
  });

  it("may have unknown keys, also __proto__, and any order of keys", () => {
    accepted(withRaw("1").replace("extra", "__proto__"));
    accepted(withReport({ analysis_metadata: null, workload_recommendations: [] }));
    accepted(JSON.stringify(Object.fromEntries(Object.entries(valid).reverse())));
  });

  it("has its last value where a key comes twice", () => {
    assert.equal(accepted(JSON.stringify(valid).replace("{", '{"OrgID":"no",')).orgId, 11789772);
    assert.equal(accepted(JSON.stringify(valid).replace("{", '{"OrgID":1.5,')).orgId, 11789772);
    refused(JSON.stringify(valid).replace(/}$/, ',"OrgID":"no"}'), "invalid_org_id");
  });

  it("has its cluster name in lower case", () => {
    assert.equal(accepted(message({ ClusterName: cluster.toUpperCase() })).cluster, cluster);
  });

  it("may have the largest numbers that a program can count on", () => {
    const largest = Number.MAX_SAFE_INTEGER;
    const result = accepted(message({ OrgID: largest, AccountNumber: largest, Version: 255 }));
    assert.deepEqual([result.orgId, result.accountNumber], [largest, largest]);
    accepted(message({ Version: 0 }));
  });

  it("may have no hits, or names of 255 characters", () => {
    accepted(withReport({ reports: [] }));
    accepted(withReport({ reports: [{ component: "c".repeat(255), key: "😀".repeat(255) }] }));
  });
});

describe("the message as a whole", () => {
  it("is refused without a value or without content", () => {
    refused(null, "tombstone");
    for (const blank of ["", " \n\t", "\ufeff"]) refused(blank, "empty");
    refused(gzipSync(""), "empty");
  });

  it("is refused above its largest size, compressed or not", () => {
    const text = JSON.stringify(valid);
    const size = Buffer.byteLength(text);
    const verdict = (value: string | Buffer, maxBytes: number) => {
      const result = parse(value, maxBytes);
      return result.kind === "rejected" ? result.reason : result.kind;
    };
    assert.equal(verdict(text, size), "report");
    assert.equal(verdict(text, size - 1), "too_large");
    assert.equal(verdict(gzipSync(text), size), "report");
    assert.equal(verdict(gzipSync(text), size - 1), "too_large");
    refused(gzipSync(Buffer.alloc(40 * 1024 * 1024)), "too_large");
    refused(Buffer.alloc(10 * 1024 * 1024 + 1, 0x20), "too_large", /10485760/);
  });

  it("is refused when its gzip data are cut off or damaged", () => {
    const packed = gzipSync(JSON.stringify(valid));
    refused(packed.subarray(0, packed.length - 9), "bad_compression");
    refused(packed.subarray(0, 2), "bad_compression");
    const damaged = Buffer.from(packed);
    damaged[packed.length - 6] = (damaged[packed.length - 6] ?? 0) ^ 0xff;
    refused(damaged, "bad_compression");
  });

  it("is refused when it is not UTF-8", () => {
    refused(Buffer.from('{"OrgID":"\xff"}', "latin1"), "invalid_utf8");
    refused(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), "invalid_utf8");
    refused(Buffer.from(JSON.stringify({ OrgID: 1 }), "utf16le"), "nul_character");
  });

  it("is refused with a NUL, as a byte or escaped, in a value or a key", () => {
    refused(withRaw('"a\0b"'), "nul_character");
    refused(withRaw('"a\\u0000b"'), "nul_character", /byte \d+/);
    refused(withRaw('{"\\u0000":1}'), "nul_character");
    refused(withRaw('"\\\\\\u0000"'), "nul_character");
    accepted(withRaw('"\\\\u0000"'));
    accepted(withRaw('"\\\\\\\\u0000 \\u0001 \\" \\\\"'));
  });

  it("is refused with half a surrogate pair", () => {
    for (const half of [
      "\\ud800",
      "\\udc00",
      "\\uD83D x",
      "\\ud83d\\ud83d",
      "\\ude00\\ud83d",
      "\\ud83d\\n",
      "\\ud83d\\\\ude00",
    ]) {
      refused(withRaw(`"${half}"`), "invalid_surrogate");
      refused(withRaw(`{"${half}":1}`), "invalid_surrogate");
    }
    accepted(withRaw('"\\ud83d\\uDE00 \\uD7FF \\ue000 \\\\ud800"'));
  });

  it("is refused when it nests deeper than 128 levels, before it is parsed", () => {
    accepted(withRaw(`${"[".repeat(127)}${"]".repeat(127)}`));
    refused(withRaw(`${"[".repeat(128)}${"]".repeat(128)}`), "too_deep", /128/);
    refused('{"a":'.repeat(1_000_000), "too_deep");
    accepted(withRaw(`"${"[{".repeat(500)}\\"${"[{".repeat(500)}"`));
  });

  it("is refused with a number that jsonb cannot hold", () => {
    const no = [
      "1e400000",
      "-1E+400000",
      "1e-400000",
      "0e-16384",
      "1e131072",
      "0.0001e131076",
      "12345e131068",
    ];
    no.push("9".repeat(131_073), `0.${"1".repeat(16_384)}`, "1e99999999999999999999");
    for (const number of no) refused(withRaw(number), "invalid_number");
    const yes = [
      "1e999",
      "1e131071",
      "0.0001e131075",
      "1e-16383",
      "1e00000000000000005",
      "-0.0E5",
      "12345e131067",
    ];
    yes.push("9".repeat(131_072), `0.${"1".repeat(16_383)}`, `0.${"1".repeat(16_384)}e1`);
    for (const number of yes) accepted(withRaw(number));
    accepted(withRaw('"1e400000"'));
  });

  it("is refused when its numbers, written out as the database does, are over the limit", () => {
    const most = 1_000_000;
    const numbers = (count: number, number: string) => withRaw(`[${Array(count).fill(number).join(",")}]`);
    for (const number of ["1e131071", "-1.5E+131071", "1e-16383", "0e-16383", "0.001e131000"]) {
      const one = 2 + (number.includes("-16383") ? 16_383 : 131_072);
      const fitting = Math.floor((most - 2_000) / one);
      accepted(numbers(fitting - 1, number), most);
      refused(
        numbers(fitting + 2, number),
        "too_large",
        /written out, is larger than the 1000000 bytes/,
        most,
      );
    }
    accepted(numbers(20_000, "1e1"), most);
    accepted(numbers(20, "0e131071"), most);
  });

  it("is refused when it is not JSON, with the place", () => {
    refused('{"OrgID":1,\n}', "not_json", /line 2, column 1/);
    refused(JSON.stringify(valid).slice(0, -1), "not_json");
    for (const text of [
      "{",
      "nonsense",
      "{'a':1}",
      '{"a":NaN}',
      '{"a":01}',
      '{"a":1} x',
      '"\t"',
      '"\\x"',
      "[}",
    ]) {
      refused(text, "not_json");
    }
  });

  it("is refused when it is JSON but not an object", () => {
    for (const text of ["null", "true", "1", '"text"', "[]", `[${JSON.stringify(valid)}]`])
      refused(text, "not_object");
  });
});

describe("a field", () => {
  const cases: Record<string, { missing?: RejectReason; invalid: RejectReason; wrong: unknown[] }> = {
    OrgID: {
      missing: "missing_org_id",
      invalid: "invalid_org_id",
      wrong: [0, -1, 1.5, "1", true, [], {}, 2 ** 53],
    },
    AccountNumber: { invalid: "invalid_account_number", wrong: [-1, 0.5, "1", false, [], 2 ** 53] },
    ClusterName: {
      missing: "missing_cluster_name",
      invalid: "invalid_cluster_name",
      wrong: [
        "",
        "x",
        1,
        [],
        `{${cluster}}`,
        ` ${cluster}`,
        `${cluster}\n`,
        cluster.replaceAll("-", ""),
        `${cluster}0`,
      ],
    },
    Report: {
      missing: "missing_report",
      invalid: "invalid_report",
      wrong: ["", 1, [], [valid.Report], true],
    },
    LastChecked: {
      missing: "missing_last_checked",
      invalid: "invalid_last_checked",
      wrong: [1, [], {}, true],
    },
    Version: { invalid: "invalid_version", wrong: [-1, 256, 2.5, "2", [], true] },
  };
  for (const [field, { missing, invalid, wrong }] of Object.entries(cases)) {
    it(`${field} is refused with any other value`, () => {
      for (const value of wrong) refused(message({ [field]: value }), invalid, new RegExp(`^${field} `));
    });
    if (missing === undefined) continue;
    it(`${field} is missing when it is absent, null, or spelt in another case`, () => {
      refused(message({ [field]: undefined }), missing, new RegExp(`^${field} is missing`));
      refused(message({ [field]: null }), missing);
      refused(JSON.stringify(valid).replace(`"${field}"`, `"${field.toLowerCase()}"`), missing);
      refused(JSON.stringify(valid).replace(`"${field}"`, '"__proto__"'), missing);
    });
  }

  it("that counts has to be written as a whole number", () => {
    const text = JSON.stringify(valid);
    for (const number of ["11789772.0", "1e3", "1.7E3"]) {
      refused(text.replace("11789772", number), "invalid_org_id", /fraction or exponent/);
    }
    refused(text.replace(":10,", ":10.0,"), "invalid_account_number");
    refused(text.replace('"Version":2', '"Version":2.0'), "invalid_version");
    accepted(withRaw('{"OrgID":1.5,"Version":2.5}'));
  });

  it("that is wrong is reported in one fixed order", () => {
    const wrong: Fields = {
      Version: "x",
      LastChecked: "x",
      Report: 1,
      ClusterName: 1,
      AccountNumber: -1,
      OrgID: 0,
    };
    const order: [string, RejectReason][] = [
      ["OrgID", "invalid_org_id"],
      ["AccountNumber", "invalid_account_number"],
      ["ClusterName", "invalid_cluster_name"],
      ["Report", "invalid_report"],
      ["LastChecked", "invalid_last_checked"],
      ["Version", "invalid_version"],
    ];
    for (const [field, reason] of order) {
      refused(message(wrong), reason);
      delete wrong[field];
    }
    refused(message({ LastChecked: "2030-01-01T00:00:00Z", Version: "x" }), "future_last_checked");
  });
});

describe("the report", () => {
  it("is refused without system, fingerprints or reports", () => {
    for (const key of ["system", "fingerprints", "reports"]) {
      refused(withReport({ [key]: undefined }), "invalid_report", new RegExp(`^Report\\.${key} is missing`));
      refused(withReport({ [key]: null }), "invalid_report");
    }
  });

  it("is refused with a hit that is no hit, and says which", () => {
    const bad: [unknown, RegExp][] = [
      ["text", /^Report\.reports has to be an array/],
      [{}, /^Report\.reports has to be an array/],
      [[hit, 1], /^Report\.reports\[1\] has to be an object/],
      [[hit, []], /^Report\.reports\[1\] /],
      [[hit, hit, hit, { ...hit, key: 5 }], /^Report\.reports\[3\]\.key /],
      [[{ ...hit, key: "" }], /^Report\.reports\[0\]\.key .*empty/],
      [[{ ...hit, component: "c".repeat(256) }], /^Report\.reports\[0\]\.component .*256 characters/],
      [[{ ...hit, component: "😀".repeat(256) }], /^Report\.reports\[0\]\.component /],
      [[{ key: "A" }], /^Report\.reports\[0\]\.component is missing/],
      [[null], /^Report\.reports\[0\] is missing/],
    ];
    for (const [reports, saying] of bad) refused(withReport({ reports }), "invalid_report", saying);
  });

  it("with a million wrong hits is refused at the first", () => {
    refused(withReport({ reports: Array(1_000_000).fill(1) }), "invalid_report", /reports\[0\]/);
  });
});

describe("LastChecked", () => {
  const read = (text: string) => accepted(message({ LastChecked: text })).updatedAt;

  it("is moved to UTC and cut to microseconds", () => {
    assert.equal(read("2020-04-02T09:00:05Z"), "2020-04-02T09:00:05.000000Z");
    assert.equal(read("2020-01-23T16:15:59.478901889Z"), "2020-01-23T16:15:59.478901Z");
    assert.equal(read("2020-01-23T16:15:59.999999999Z"), "2020-01-23T16:15:59.999999Z");
    assert.equal(read("2020-03-01T01:30:00.5+05:30"), "2020-02-29T20:00:00.500000Z");
    assert.equal(read("2019-12-31T23:00:00-01:00"), "2020-01-01T00:00:00.000000Z");
    assert.equal(read("2020-02-29t00:00:00z"), "2020-02-29T00:00:00.000000Z");
    assert.equal(read("1970-01-01T00:00:00-00:00"), "1970-01-01T00:00:00.000000Z");
  });

  it("is refused when it is no RFC 3339 time, or no time of the calendar", () => {
    const wrong = [
      "",
      "yesterday",
      "2020-04-02",
      "2020-04-02T09:00:05",
      "2020-04-02 09:00:05Z",
      "1585818005",
    ];
    wrong.push(
      "2020-02-30T00:00:00Z",
      "2021-02-29T00:00:00Z",
      "2020-13-01T00:00:00Z",
      "2020-00-10T00:00:00Z",
    );
    wrong.push(
      "2020-01-00T00:00:00Z",
      "2020-01-01T24:00:00Z",
      "2020-01-01T00:60:00Z",
      "2016-12-31T23:59:60Z",
    );
    wrong.push("2020-01-01T00:00:00.Z", "2020-01-01T00:00:00.1234567890Z", "2020-01-01T00:00:00,5Z");
    wrong.push("2020-01-01T00:00:00+24:00", "2020-01-01T00:00:00+05:60", "2020-01-01T00:00:00+0530");
    wrong.push(
      "1969-12-31T23:59:59Z",
      "1970-01-01T00:00:00+00:01",
      "0001-01-01T00:00:00Z",
      "12020-01-01T00:00:00Z",
    );
    wrong.push(
      "9999-12-31T23:59:59-00:01",
      "2020-04-02T09:00:05Z\n",
      "２020-04-02T09:00:05Z",
      "x".repeat(100_000),
    );
    for (const text of wrong)
      refused(message({ LastChecked: text }), "invalid_last_checked", /^LastChecked /);
  });

  it("may be at most five minutes ahead of the clock", () => {
    assert.equal(read("2026-03-01T12:05:00Z"), "2026-03-01T12:05:00.000000Z");
    read("2026-03-01T14:05:00.000000999+02:00");
    refused(message({ LastChecked: "2026-03-01T12:05:00.000001Z" }), "future_last_checked", /^LastChecked /);
    refused(message({ LastChecked: "9999-12-31T23:59:59Z" }), "future_last_checked");
  });
});

const samples = join(import.meta.dirname, "../../../shared/data/messages");
describe("the sample messages", {
  skip: !existsSync(samples) && "no shared/data/messages beside the checkout",
}, () => {
  const reasonOf: Record<string, RejectReason | undefined> = {
    no_account_number: undefined, // optional
    no_cluster_name: "missing_cluster_name",
    no_last_checked: "missing_last_checked",
    no_organization_id: "missing_org_id",
    no_report: "missing_report",
    string_version: "invalid_version",
    wrong_cluster_name: "invalid_cluster_name",
    wrong_last_checked: "invalid_last_checked",
    wrong_org_id: "invalid_org_id",
  };
  for (const file of existsSync(samples) ? readdirSync(samples) : []) {
    const lines = readFileSync(join(samples, file), "utf8").split("\n").filter(Boolean);
    const name = /^invalid_(\w+)\.ndjson$/.exec(file)?.[1];
    if (file.endsWith(".base64")) {
      it(`of ${file} are refused, or are harmless`, () => {
        let refusals = 0;
        for (const line of lines) {
          const result = parse(Buffer.from(line, "base64"));
          if (result.kind === "rejected") refusals++;
          else JSON.parse(result.report);
        }
        assert.ok(refusals > 0);
      });
      continue;
    }
    if (name !== undefined) assert.ok(name in reasonOf, `no expectation for ${file}`);
    const reason = name === undefined ? undefined : reasonOf[name];
    it(`of ${file} are ${reason ?? "accepted"}`, () => {
      for (const line of lines) reason === undefined ? accepted(line) : refused(line, reason);
    });
  }
});

it("whatever is done to a message, it is accepted as JSON or refused for a known reason", () => {
  const random = seeded(20260301);
  const original = Buffer.from(withRaw('"\\ud83d\\ude00 \\\\u0000 [1e5, -0.25]"'));
  const tokens = [
    "\\u0000",
    "\\ud800",
    "1e400000",
    "[[[[[[",
    "}",
    '"',
    "\\",
    "null",
    "\0",
    "\ufeff",
    ",",
    "-1",
    "{}",
  ];
  const counts = new Map<string, number>();
  for (let round = 0; round < 2_000; round++) {
    let bytes: Buffer = Buffer.from(original);
    for (let change = below(random, 3); change >= 0; change--) {
      const at = below(random, bytes.length);
      const kind = below(random, 4);
      if (kind === 0) bytes[at] = below(random, 256);
      else if (kind === 1)
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(random, 4))]);
      else if (kind === 2) {
        const token = tokens[below(random, tokens.length)] ?? "";
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(token), bytes.subarray(at)]);
      } else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(random, bytes.length))]);
    }
    if (below(random, 10) === 0)
      bytes = gzipSync(bytes).subarray(0, below(random, 2) ? undefined : -below(random, 20) - 1);
    const result = parse(bytes);
    if (result.kind === "report") JSON.parse(result.report);
    else assert.ok(rejectReasons.includes(result.reason));
    const outcome = result.kind === "report" ? "accepted" : result.reason;
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  for (const outcome of [
    "accepted",
    "not_json",
    "nul_character",
    "invalid_utf8",
    "bad_compression",
  ] as const) {
    assert.ok(counts.has(outcome), `the fuzz never came to ${outcome}`);
  }
});
