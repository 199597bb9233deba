import { z } from "zod";
import { type AnyRow, anyRow, call, type Db, rowOf, rowsOf } from "../db/rows.ts";
import { named } from "./form.ts";

/** Values in the order of the arguments; what was not given is null. */
const given = (...values: unknown[]): unknown[] => values.map((value) => value ?? null);

const done = z.object({ done: z.boolean() });
const id = z.object({ id: z.string() });
const optionalId = z.object({ id: z.string().nullable() });

// --- tables

export type ListQuestion = {
  list: string;
  filters: Record<string, string>;
  sort: string;
  descending: boolean;
  /** the sorted value and the keys of the row before */
  after: (string | null)[] | null;
  limit: number;
};

/** A page of a table of the console. */
export const listRows = async (db: Db, it: ListQuestion): Promise<AnyRow[]> => {
  const rows = await rowsOf(
    db,
    z.object({ shown_row: anyRow }),
    "select shown_row from ccx.console_rows($1, $2::jsonb, $3, $4::boolean, $5::text[], $6)",
    [it.list, JSON.stringify(it.filters), it.sort, it.descending, it.after, it.limit],
  );
  return rows.map((row) => row.shown_row);
};

const list = z.object({
  name: z.string(),
  relation: z.string(),
  keys: z.array(z.string()),
  filters: z.array(z.string()),
  time_column: z.string().nullable(),
});

/** What a table of the console may be narrowed by, and the columns that tell its rows apart. */
export type List = z.infer<typeof list>;

/** The table of this name, if there is one. */
export const listOf = async (db: Db, name: string): Promise<List | undefined> =>
  (
    await rowsOf(
      db,
      list,
      "select name, relation, keys, filters, time_column from ccx.console_list where name = $1",
      [name],
    )
  )[0];

/** What each column of a table or view means, by name. */
export type Meanings = Record<string, string | null>;
const meanings = z.object({ meanings: z.record(z.string(), z.string().nullable()) });

export const columnMeanings = async (db: Db, relation: string): Promise<Meanings> =>
  (await rowOf(db, meanings, "select ccx.column_meanings($1) as meanings", [relation])).meanings;

/** Whether the rows of this role follow the organization of the person. */
export const isNarrowed = async (db: Db): Promise<boolean> =>
  (await rowOf(db, done, "select ccx.is_narrowed() as done")).done;

/** Records what a person does. */
export const recordAct = (db: Db, act: string, details: AnyRow): Promise<void> =>
  call(db, "select ccx.record_act($1, $2::jsonb)", [act, JSON.stringify(details)]);

// --- overview

export const doctor = (db: Db): Promise<AnyRow[]> => rowsOf(db, anyRow, "select * from doctor");
export const status = (db: Db): Promise<AnyRow[]> => rowsOf(db, anyRow, "select * from status");
export const stations = (db: Db): Promise<AnyRow[]> => rowsOf(db, anyRow, "select * from ccx.stations");
export const busyHours = (db: Db): Promise<AnyRow[]> => rowsOf(db, anyRow, "select * from ccx.busy_hours()");
export const seenToNotified = (db: Db): Promise<AnyRow> =>
  rowOf(db, anyRow, "select * from ccx.seen_to_notified()");

/** Whether the fleet is so large that pages about all of it show the newest survey. */
export const isSurveyed = async (db: Db): Promise<boolean> =>
  (await rowOf(db, done, "select ccx.fleet_is_surveyed() as done")).done;

/** Decisions counted by reason, rule or organization, with the moment that they are of. */
export const heldGroups = (
  db: Db,
  grouping: string,
  it: { target?: string | undefined; org?: string | undefined },
): Promise<AnyRow[]> =>
  named(["view", "target", "org_id"], () =>
    rowsOf(db, anyRow, "select * from ccx.held_groups($1, $2, $3)", given(grouping, it.target, it.org)),
  );

// --- one cluster

export const knownCluster = (db: Db, cluster: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from ccx.known_cluster($1)", [cluster]);

export const clusterLife = (db: Db, cluster: string, since: string, until: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from ccx.cluster_life($1, $2, $3)", [cluster, since, until]);

/** Why (not): every open issue of a cluster and target at a time. */
export const explainAt = (db: Db, cluster: string, at: string): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select target, org_id, cluster, component, error_key, decision, reasons, issue_state, total_risk,
       issue_id, last_notified_at, next_eligible_at, policy_id, silence_id, acknowledgement_id, render_error
     from explain_at($1, cluster => $2)
     order by target, decision desc, component, error_key`,
    [at, cluster],
  );

const draft = z.looseObject({
  target: z.string(),
  resolved: z.boolean(),
  rule: z.string(),
  report_is_kept: z.boolean(),
  // what delivery renders; only whoever renders it looks into it
  issue: z.unknown(),
});

/** An issue as a message to this target would name it; undefined: it was not open at that time. */
export const issueDraft = async (
  db: Db,
  it: { target: string; cluster: string; issue: string; at: string },
): Promise<z.infer<typeof draft> | undefined> =>
  (
    await rowsOf(db, draft, "select * from ccx.issue_draft($1, $2, $3, $4)", [
      ...[it.target, it.cluster, it.issue, it.at],
    ])
  )[0];

/** The stored report of a cluster of this time. */
export const reportOf = async (
  db: Db,
  org: string,
  cluster: string,
  at: string,
): Promise<AnyRow | undefined> =>
  (
    await named(["org", "cluster", "at"], () =>
      rowsOf(
        db,
        anyRow,
        `select org_id, cluster, updated_at, received_at, report from new_reports
         where org_id = $1 and cluster = lower($2) and updated_at = $3`,
        [org, cluster, at],
      ),
    )
  )[0];

/** What became of each hit of one report. */
export const explainReport = (db: Db, org: string, cluster: string, at: string): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select target, report_state, component, error_key, decided_at, decision, reasons, next_eligible_at
     from explain_report($1, $2, $3)`,
    [org, cluster, at],
  );

const clock = z.object({ at: z.string() });

/** The clock of the database. */
export const now = async (db: Db): Promise<string> =>
  (await rowOf(db, clock, "select clock_timestamp() as at")).at;

/** A time that a person wrote, as the database reads it. */
export const timeOf = async (db: Db, text: string): Promise<string> =>
  (await named(["at"], () => rowOf(db, clock, "select ccx.given($1::timestamptz) as at", [text]))).at;

export type Issue = {
  org: string;
  rule: string;
  cluster?: string | undefined;
  errorKey?: string | undefined;
};

const ofIssue = ["org", "rule", "cluster", "rule"];

/** Acknowledges a rule for a cluster; false when it was so already. */
export const acknowledge = async (db: Db, it: Issue): Promise<boolean> =>
  (
    await named(ofIssue, () =>
      rowOf(
        db,
        done,
        "select acknowledge($1, $2, $3, $4) as done",
        given(it.org, it.rule, it.cluster, it.errorKey),
      ),
    )
  ).done;

/** Takes an acknowledgement back; false when there was none. */
export const unacknowledge = async (db: Db, it: Issue): Promise<boolean> =>
  (
    await named(ofIssue, () =>
      rowOf(
        db,
        done,
        "select unacknowledge($1, $2, $3, $4) as done",
        given(it.org, it.rule, it.cluster, it.errorKey),
      ),
    )
  ).done;

// --- rules

export const ruleTexts = (db: Db, rule: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from ccx.rule_texts($1)", [rule]);

// --- silences

export type Matchers = {
  org?: string | undefined;
  cluster?: string | undefined;
  rule?: string | undefined;
  errorKey?: string | undefined;
  tag?: string | undefined;
};

/** The open issues that such a silence would hold. */
export const previewSilence = (db: Db, it: Matchers): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from preview_silence(org_id => $1, cluster => $2, rule => $3, error_key => $4, tag => $5)
     order by org_id, cluster, component, error_key`,
    given(it.org, it.cluster, it.rule, it.errorKey, it.tag),
  );

/** Adds a silence; returns its number. */
export const addSilence = async (
  db: Db,
  it: Matchers & {
    until?: string | undefined;
    for?: string | undefined;
    reason: string;
    everything: boolean;
  },
): Promise<string> =>
  (
    await named(["until", "for", "reason", "everything", "org", "cluster", "rule", "error_key", "tag"], () =>
      rowOf(
        db,
        id,
        `select id from add_silence(ends_at => $1, lasts => $2, reason => $3, everything => $4, org_id => $5,
             cluster => $6, rule => $7, error_key => $8, tag => $9)`,
        given(it.until, it.for, it.reason, it.everything, it.org, it.cluster, it.rule, it.errorKey, it.tag),
      ),
    )
  ).id;

export const silence = (db: Db, number: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from silences where id = $1", [number]);

/** Ends a silence early. */
export const endSilence = (db: Db, number: string): Promise<void> =>
  call(db, "select end_silence($1)", [number]);

// --- policies

export type Scope = { target: string; org?: string | undefined; rule?: string | undefined };

/** The version in force of exactly this policy, which nobody else changes until the transaction ends. */
export const policyToChange = async (db: Db, it: Scope): Promise<string | null> =>
  (
    await named(["target", "org", "rule"], () =>
      rowOf(
        db,
        optionalId,
        "select ccx.policy_to_change($1, $2, $3) as id",
        given(it.target, it.org, it.rule),
      ),
    )
  ).id;

/** A version of a policy, with who made it and why. */
export const policyVersion = (db: Db, number: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from policy_history where policy_id = $1", [number]);

/** The policies in force that a change for this organization and rule would meet, the widest first. */
export const policiesAbout = (
  db: Db,
  it: { org?: string | undefined; rule?: string | undefined },
): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    "select * from ccx.policies_about($1, $2) order by target, org_id nulls first, rule_name nulls first",
    given(it.org, it.rule),
  );

/** Changes a policy from now on; returns the number of the new version. */
export const setPolicy = async (db: Db, it: Scope, change: AnyRow, reason: string): Promise<string> =>
  (
    await rowOf(
      db,
      id,
      "select id from set_policy($1, $2::jsonb, $3, org_id => $4, rule => $5)",
      given(it.target, JSON.stringify(change), reason, it.org, it.rule),
    )
  ).id;

/** Ends the policy that an organization or a rule has of its own. */
export const endPolicy = (db: Db, it: Scope, reason: string): Promise<void> =>
  call(db, "select end_policy($1, $2, org_id => $3, rule => $4)", given(it.target, reason, it.org, it.rule));

/** How the open transaction, which changed the policy of this scope, changes decisions, counted by rule. */
export const diffByRule = (db: Db, { target, org, rule }: Scope): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    "select * from ccx.diff_by_rule($1, $2, $3) order by decisions desc, component, error_key, target",
    [target, org ?? null, rule ?? null],
  );

const estimate = z.object({ decisions: z.coerce.number().nullable(), seconds: z.number().nullable() });

/**
 * About how many decisions a trial of a change takes, and how long, now or on the past since `from`;
 * undefined: nothing was measured.
 */
export const trialEstimate = async (
  db: Db,
  { target, org, from }: { target: string; org?: string | undefined; from?: string },
): Promise<z.infer<typeof estimate> | undefined> =>
  (
    await rowsOf(db, estimate, "select * from ccx.trial_estimate($1, $2, $3, $4)", [
      ...[target, org ?? null, from ?? null, "now"],
    ])
  )[0];

/** What was sent, day by day, beside what would have been with a change. */
export const compareBacktest = (db: Db, name: string, from: string, change: AnyRow): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from compare_backtest($1, $2, $3, $4::jsonb) order by day", [
    ...[name, from, "now", JSON.stringify(change)],
  ]);

// --- deliveries

export const circuits = (db: Db): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from delivery_circuit order by target");

/** Closes the circuit of a target; false when it is closed already. */
export const closeCircuit = async (db: Db, name: string): Promise<boolean> =>
  (await rowOf(db, done, "select close_circuit($1) as done", [name])).done;

/** Redrives messages; a row for each. */
export const redrive = (db: Db, ids: readonly string[]): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from redrive($1::bigint[])", [ids]);

export type Replay = {
  from: string;
  to: string;
  target?: string | undefined;
  org?: string | undefined;
  cluster?: string | undefined;
  rule?: string | undefined;
  again: boolean;
};

const replayValues = (it: Replay) => given(it.from, it.to, it.target, it.org, it.cluster, it.rule, it.again);
const replayNames = ["from", "to", "target", "org", "cluster", "rule", "again"];

/** What a replay would send again, counted. */
export const replayable = (db: Db, it: Replay): Promise<AnyRow[]> =>
  named(replayNames, () =>
    rowsOf(db, anyRow, "select * from replayable($1, $2, $3, $4, $5, $6, $7)", replayValues(it)),
  );

/** Sends a past period again. */
export const replay = (db: Db, it: Replay): Promise<AnyRow[]> =>
  named(replayNames, () =>
    rowsOf(db, anyRow, "select * from replay($1, $2, $3, $4, $5, $6, $7)", replayValues(it)),
  );

// --- storage

export const previewRetention = (db: Db): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from preview_retention()");

// --- rejected messages

const bytes = z.instanceof(Buffer).nullable();
const rejected = z.looseObject({ id: z.string(), value: bytes, key: bytes, detail: z.string() });

/** One rejected message with its bytes. */
export const rejectedMessage = async (
  db: Db,
  number: string,
): Promise<z.infer<typeof rejected> | undefined> =>
  (await rowsOf(db, rejected, "select * from rejected_message where id = $1", [number]))[0];
