import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReport, type Row, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import {
  endPolicy,
  nobodyWaits,
  type Scope,
  setScopedPolicy,
  waiting,
  wholeTable,
} from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

/** What is refused, and the whole sentence (after "error: ") that says why. */
const settings: [change: Row, why: [code: string, sentence: RegExp]][] = [
  [{ cooldown: "-1 day" }, ["NTP06", /a cooldown has to be between 0 and 100 years/]],
  [{ cooldown: "101 years" }, ["NTP06", /a cooldown has to be between 0 and 100 years/]],
  [
    { cooldown: "abc" },
    ["NTP10", /the setting cooldown is an interval with its unit, for example "3 days", not "abc"/],
  ],
  [{ cooldown: null }, ["NTP05", /the setting cooldown cannot be empty/]],
  [{ enabled: null }, ["NTP05", /the setting enabled cannot be empty/]],
  [{ enabled: "perhaps" }, ["NTP17", /the setting enabled is true or false, not "perhaps"/]],
  [{ enabled: [true] }, ["NTP17", /the setting enabled is true or false, not "\[true\]"/]],
  [
    { total_risk_threshold: "high" },
    ["NTP17", /the setting total_risk_threshold is a whole number, not "high"/],
  ],
  [{ total_risk_threshold: 1.5 }, ["NTP17", /the setting total_risk_threshold is a whole number, not "1.5"/]],
  [{ total_risk_threshold: 40_000 }, ["NTP06", /total_risk_threshold has to be between 0 and 4/]],
  [{ max_events: 3_000_000_000 }, ["NTP06", /max_events has to be between 1 and 1000/]],
  [{ max_events: {} }, ["NTP17", /the setting max_events is a whole number, not "{}"/]],
  [{ required_tags: "a" }, ["NTP17", /the setting required_tags is a list of texts, not "a"/]],
  [{ allowed_clusters: 7 }, ["NTP17", /the setting allowed_clusters is a list of texts, not "7"/]],
  [{ blocked_clusters: [["a"], "b"] }, ["NTP17", /the setting blocked_clusters is a list of texts, not .+/]],
  [{ flapping_action: ["damp"] }, ["NTP17", /the setting flapping_action is a text, not .+/]],
  [{ max_events: 0 }, ["NTP06", /max_events has to be between 1 and 1000/]],
  [{ max_events: 1001 }, ["NTP06", /max_events has to be between 1 and 1000/]],
  [{ required_tags: null }, ["NTP05", /the setting required_tags cannot be empty/]],
  [{ required_tags: ["a", null] }, ["NTP06", /required_tags cannot have an empty element/]],
  [{ allowed_clusters: [null] }, ["NTP06", /allowed_clusters cannot have an empty element/]],
  [{ blocked_clusters: [null] }, ["NTP06", /blocked_clusters cannot have an empty element/]],
  [{ blocked_clusters: null }, ["NTP05", /the setting blocked_clusters cannot be empty/]],
  [{ spacing: "-1 second" }, ["NTP06", /spacing has to be between 0 and 100 years/]],
  [{ spacing: "290000 years" }, ["NTP06", /spacing has to be between 0 and 100 years/]],
  [{ spacing: null }, ["NTP05", /the setting spacing cannot be empty/]],
  [
    { colour: 1 },
    [
      "NTP09",
      /a policy has no setting "colour"; the settings are: enabled, .*filter.*, notify_resolved, receiver_knows_resolved.*/,
    ],
  ],
  [{ flapping_occurrences: 1 }, ["NTP06", /flapping_occurrences is a number from 2 to 1000/]],
  [{ flapping_occurrences: 1001 }, ["NTP06", /flapping_occurrences is a number from 2 to 1000/]],
  [{ flapping_occurrences: null }, ["NTP05", /the setting flapping_occurrences cannot be empty/]],
  [{ flapping_window: "0" }, ["NTP06", /flapping_window is an interval from 1 second to 100 years/]],
  [{ flapping_window: "101 years" }, ["NTP06", /flapping_window is an interval from 1 second to 100 years/]],
  [
    { flapping_window: "soon" },
    ["NTP10", /the setting flapping_window is an interval with its unit, for example "3 days", not "soon"/],
  ],
  [{ flapping_window: null }, ["NTP05", /the setting flapping_window cannot be empty/]],
  [{ flapping_action: "hide" }, ["NTP06", /flapping_action is notify or damp/]],
  [{ flapping_action: null }, ["NTP05", /the setting flapping_action cannot be empty/]],
  [
    { notify_resolved: true },
    ["NTP06", /.+ drops messages about resolved issues until .+ receiver_knows_resolved once it is/],
  ],
  [{ decide_again_after: "-1 second" }, ["NTP06", /decide_again_after has to be between 0 and 100 years/]],
  [{ decide_again_after: "101 years" }, ["NTP06", /decide_again_after has to be between 0 and 100 years/]],
  [
    { max_report_age: "59 seconds" },
    ["NTP06", /max_report_age is an interval from 1 minute to 100 years, or null/],
  ],
  [
    { max_report_age: "101 years" },
    ["NTP06", /max_report_age is an interval from 1 minute to 100 years, or null/],
  ],
  [{ storm_share: 0 }, ["NTP06", /storm_share is more than 0 and at most 1, or null/]],
  [{ storm_share: 1.01 }, ["NTP06", /storm_share is more than 0 and at most 1, or null/]],
  [{ storm_minimum: 0 }, ["NTP06", /storm_minimum has to be between 1 and 1000000000/]],
  [{ storm_minimum: 1_000_000_001 }, ["NTP06", /storm_minimum has to be between 1 and 1000000000/]],
  [{ doubtful_texts: "drop" }, ["NTP06", /doubtful_texts is send or hold/]],
  [{ notify_resolved: null }, ["NTP05", /the setting notify_resolved cannot be empty/]],
  [{ notify_resolved_since: "2026-01-01" }, ["NTP09", /a policy has no setting "notify_resolved_since".+/]],
  [{ id: 9 }, ["NTP09", /a policy has no setting "id"; the settings are: .+/]],
  [{ org_id: 9 }, ["NTP09", /a policy has no setting "org_id"; the settings are: .+/]],
  [{ compiled_filter: ["1"] }, ["NTP09", /a policy has no setting "compiled_filter"; the settings are: .+/]],
];
for (const threshold of ["total_risk", "likelihood", "impact", "severity"]) {
  const name = `${threshold}_threshold`;
  settings.push([{ [name]: -1 }, ["NTP06", new RegExp(`${name} has to be between 0 and 4`)]]);
  settings.push([{ [name]: 5 }, ["NTP06", new RegExp(`${name} has to be between 0 and 4`)]]);
  settings.push([{ [name]: null }, ["NTP05", new RegExp(`the setting ${name} cannot be empty`)]]);
}

const sentence = ([code, why]: [string, RegExp]): [string, RegExp] => [code, new RegExp(`^(${why.source})$`)];

test("each bound of a setting has its sentence, and a value here that it refuses", async () => {
  const bounds = await rows(
    database.pool,
    `select a.attname as setting, obj_description(c.oid, 'pg_constraint') as sentence
     from pg_constraint c
     join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
     where c.conrelid = 'policy'::regclass and c.contype = 'c'
       and a.attname not in ('org_id', 'rule_name', 'validity', 'reason', 'end_reason')
       and c.conname <> 'policy_notify_resolved_check' -- set_policy() itself keeps it`,
  );
  const refusedHere = (sentence: string) =>
    settings.some(([, [code, said]]) => code === "NTP06" && said.test(sentence));
  assert.deepEqual(
    bounds.filter(({ sentence }) => sentence === null || !refusedHere(String(sentence))),
    [],
  );
});

test("a setting that cannot be is refused with a sentence, for everybody and for one, and nothing changes", () =>
  rolledBack(database.pool, async (db) => {
    await addReport(db, aCluster(), at, ["disk"]);
    await setScopedPolicy(db, { org: 1 }, { cooldown: "1 day" }, "2026-02-01");
    await nobodyWaits(db);
    const before = await wholeTable(db, "policy");
    for (const scope of [{}, { org: 1 }, { org: 2, rule: "disk" }] satisfies Scope[]) {
      for (const [change, why] of settings) {
        await refused(db, sentence(why), () => setScopedPolicy(db, scope, change, at));
      }
    }
    assert.deepEqual(await wholeTable(db, "policy"), before);
    assert.deepEqual(await waiting(db), [], "nobody is asked again");
  }));

test("a policy for nobody, for no reason or for a time that is taken is refused with a sentence", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, { org: 1 }, {}, "2026-02-10");
    await endPolicy(db, { org: 1 }, "2026-02-20");
    const before = await wholeTable(db, "policy");
    const refuse = (
      why: [string, RegExp],
      scope: Scope,
      change: Row | null = {},
      when = at,
      reason: string | null = "a good reason",
    ) => refused(db, sentence(why), () => setScopedPolicy(db, scope, change, when, reason));
    await refuse(
      ["NTG01", /there is no target "pager"; the targets are: notifications backend, service log/],
      {
        target: "pager",
      },
    );
    await refuse(["NTP06", /an organization has a number from 1 on/], { org: 0 });
    await refuse(["NTP06", /an organization has a number from 1 on/], { org: -1 });
    for (const rule of ["", "a.b."]) {
      await refuse(["NTP06", /a policy for a rule needs the name of a rule/], { rule });
    }
    for (const rule of ["disk|A", "a.b.disk.report|B", "disk|", "|KEY"]) {
      await refuse(["NTP01", /a policy is for a whole rule, not for one of its error keys/], { rule });
    }
    for (const reason of [null, "", "why", "why    ", "    why"]) {
      await refuse(["NTP06", /a change needs a reason that a colleague understands/], {}, {}, at, reason);
    }
    for (const when of [null, "infinity", "-infinity"])
      await refused(db, "NTP13", () => setScopedPolicy(db, {}, {}, when));
    await refuse(
      ["NTP12", /there is a policy of its own at that time already.*/],
      { org: 1 },
      {},
      "2026-02-15T00:00:00Z",
    );
    assert.deepEqual(await wholeTable(db, "policy"), before);
  }));

test("what is in force cannot be changed for the time before it began", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, {}, {}, "2026-02-10T00:00:00Z");
    await setScopedPolicy(db, { org: 1 }, {}, "2026-02-15T00:00:00Z");
    const before = await wholeTable(db, "policy");
    const later = sentence(["NTP11", /the policy in force began at .+, a new one has to begin later/]);
    await refused(db, later, () => setScopedPolicy(db, {}, {}, "2026-02-09T00:00:00Z"));
    await refused(db, later, () => setScopedPolicy(db, {}, {}, "2026-02-10T00:00:00Z"));
    await refused(db, later, () => setScopedPolicy(db, { org: 1 }, {}, "2026-02-15T00:00:00Z"));
    await refused(db, later, () => setScopedPolicy(db, { rule: "disk" }, {}, "2026-02-09T23:59:59Z"));
    assert.deepEqual(await wholeTable(db, "policy"), before);
  }));

test("the end of a policy that is not there, or for no reason, is refused with a sentence", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, { org: 1 }, {}, "2026-02-10T00:00:00Z");
    const before = await wholeTable(db, "policy");
    const refuse = (
      why: [string, RegExp],
      scope: Scope,
      when = at,
      reason: string | null = "a good reason",
    ) => refused(db, sentence(why), () => endPolicy(db, scope, when, reason));
    await refuse(
      [
        "NTP02",
        /the policy of a target cannot end, only change \(set_policy\); name an organization or a rule/,
      ],
      {},
    );
    const none: [string, RegExp] = ["NTP04", /there is no policy of its own for that organization or rule/];
    await refuse(none, { org: 2 });
    await refuse(none, { rule: "disk" });
    await refuse(none, { org: 1, rule: "disk" });
    await refuse(none, { org: 1, target: "service log" });
    await refuse(none, { org: 1 }, "2026-02-10T00:00:00Z");
    await refuse(["NTG01", /there is no target "pager"; .+/], { target: "pager" });
    await refused(db, "NTG01", () => db.query("select end_policy(null, 'a good reason')"));
    await refused(db, "NTP13", () =>
      db.query("select end_policy('service log', 'a good reason', null, org_id => 1)"),
    );
    const why: [string, RegExp] = [
      "NTP03",
      /the end of a policy needs a reason that a colleague understands/,
    ];
    for (const reason of [null, "", "why", "why    "]) await refuse(why, { org: 1 }, at, reason);
    assert.deepEqual(await wholeTable(db, "policy"), before);
    await endPolicy(db, { org: 1 }, at);
    await refuse(none, { org: 1 }, "2026-03-02");
  }));

test("a cooldown of a month is allowed, and the bounds are", () =>
  rolledBack(database.pool, async (db) => {
    const allowed: Row[] = [
      { cooldown: "1 month" },
      { cooldown: "100 years", spacing: "1 month" },
      { cooldown: "0", spacing: "100 years", max_events: 1 },
      {
        max_events: 1000,
        total_risk_threshold: 4,
        likelihood_threshold: 4,
        impact_threshold: 4,
        severity_threshold: 4,
      },
      { total_risk_threshold: 0, likelihood_threshold: 0, impact_threshold: 0, severity_threshold: 0 },
    ];
    for (const [nth, change] of allowed.entries()) {
      const made = await setScopedPolicy(db, { org: 1 }, change, `2026-02-0${nth + 1}`);
      for (const name of Object.keys(change).filter((key) => !/cooldown|spacing/.test(key))) {
        assert.equal(made[name], change[name]);
      }
    }
    assert.deepEqual(
      await rows(
        db,
        "select cooldown::text, spacing::text from policy where org_id = 1 order by lower(validity) limit 3",
      ),
      [
        { cooldown: "1 mon", spacing: "00:00:00" },
        { cooldown: "100 years", spacing: "1 mon" },
        { cooldown: "00:00:00", spacing: "100 years" },
      ],
    );
  }));

test("two policies of one scope at one time are refused by the table, whoever writes", () =>
  rolledBack(database.pool, async (db) => {
    for (const scope of [{}, { org: 1 }, { rule: "disk" }, { org: 1, rule: "disk" }] satisfies Scope[]) {
      const { id } = await setScopedPolicy(db, scope, {}, "2026-02-10");
      await refused(db, ["23P01", /policy_one_in_force/], () =>
        db.query(
          `insert into policy (target_id, org_id, rule_name, cooldown, validity, reason)
           select target_id, org_id, rule_name, cooldown, '[2026-03-01,2026-03-02)', reason from policy where id = $1`,
          [id],
        ),
      );
    }
    assert.equal(await value(db, "select count(*)::integer from policy where target_id = 1"), 5);
  }));
