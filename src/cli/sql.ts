import { z } from "zod";
import { type AnyRow, anyRow, call, type Db, rowOf, rowsOf } from "../db/rows.ts";
import { type RejectedFilter, type RejectedMessage, rejectedMessage, valuesOf } from "../ingest/rejected.ts";

/** Values in the order of the arguments; what was not given is null. */
const given = (...values: unknown[]): unknown[] => values.map((value) => value ?? null);

const found = z.object({ id: z.number() });

/** The number of a target; rejects with a refusal that lists the targets when there is none of this name. */
export const targetId = async (db: Db, target: string): Promise<number> =>
  (await rowOf(db, found, "select target_id($1) as id", [target])).id;

const done = z.object({ done: z.boolean() });

// --- tokens of the results API

const ends = z.object({ until: z.string().nullable() });

/** Makes a token count; returns until when (null: until it is revoked). */
export const addToken = async (
  db: Db,
  hash: Buffer,
  { org, name, for: interval }: { org: string; name: string; for?: string | undefined },
): Promise<string | null> =>
  (
    await rowOf(db, ends, "select add_api_token($1, $2, $3, $4) as until", [
      ...[hash, ...given(org, name, interval)],
    ])
  ).until;

/** The tokens that count. */
export const tokens = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select org_id, name, created_by, created_at, expires_at from api_tokens
     order by org_id, name, created_at`,
  );

const taken = z.object({ revoked: z.number() });

/** Takes tokens back; returns how many. */
export const revokeToken = async (db: Db, { org, name }: { org: string; name: string }): Promise<number> =>
  (await rowOf(db, taken, "select revoke_api_token($1, $2) as revoked", [org, name])).revoked;

// --- the registry of clusters

export type RegistryFilter = {
  org?: string | undefined;
  cluster?: string | undefined;
  source?: string | undefined;
};

/** Clusters as the registry has them, at most `limit`; `source` is null for what was written by hand. */
export const registeredClusters = (db: Db, filter: RegistryFilter, limit: string): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select org_id, cluster, display_name, managed, status, source, changed_at from cluster_registry
     where ($1::bigint is null or org_id = $1::bigint) and ($2::text is null or cluster = lower($2))
       and ($3::text is null or source = $3)
     order by org_id, cluster limit $4`,
    [...given(filter.org, filter.cluster, filter.source), limit],
  );

/** What the registry is filled from, and how the last load went. */
export const registrySources = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select source, clusters, loaded_at, loaded_by, refused, problems, failed_at, failure, asked_at,
       asked_every
     from registry_sources order by source`,
  );

const sourceEnded = z.object({ clusters: z.number() });

/** Removes a source; returns how many clusters it had. */
export const endRegistrySource = async (db: Db, source: string, withClusters: boolean): Promise<number> =>
  (await rowOf(db, sourceEnded, "select end_registry_source($1, $2) as clusters", [source, withClusters]))
    .clusters;

// --- explain and new

export type Question = {
  cluster?: string | undefined;
  org?: string | undefined;
  rule?: string | undefined;
  target?: string | undefined;
  at?: string | undefined;
};

/** Open issues with their decisions, now or at a time; the rule in any spelling. */
export const explainAt = (db: Db, { at, target, cluster, org, rule }: Question): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select target, org_id, cluster, component, error_key, decision, reasons, issue_state, total_risk,
       last_notified_at, next_eligible_at, policy_id, silence_id, acknowledgement_id, render_error
     from explain_at($1, $2, $3, org_id => $4, rule => $5)
     order by org_id, cluster, component, error_key, target`,
    given(at ?? "now", target, cluster, org, rule),
  );

/** What became of each hit of one report, for each target. */
export const explainReport = (
  db: Db,
  report: { org: string; cluster: string; updatedAt: string; target?: string | undefined },
): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select target, report_state, component, error_key, decided_at, decision, reasons, issue_state,
       last_notified_at, next_eligible_at, policy_id, silence_id, acknowledgement_id, postponed_until
     from explain_report($1, $2, $3)
     where ($4::text is null or target = $4)`,
    given(report.org, report.cluster, report.updatedAt, report.target),
  );

/** What would be notified now, or would have been at a time. */
export const newIssuesAt = (db: Db, { at, target, org }: Question): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select target, org_id, cluster, component, error_key, issue_state, total_risk, occurrence, first_seen,
       last_notified_at
     from new_issues_at($1, $2)
     where ($3::bigint is null or org_id = $3)
     order by org_id, cluster, component, error_key, target`,
    given(at ?? "now", target, org),
  );

// --- silence and ack

export type Matchers = {
  org?: string | undefined;
  cluster?: string | undefined;
  rule?: string | undefined;
  errorKey?: string | undefined;
  tag?: string | undefined;
};

const silence = z.object({
  id: z.string(),
  starts_at: z.string(),
  ends_at: z.string(),
  reason: z.string(),
  created_by: z.string(),
});

/** Adds a silence that ends at a time (`until`) or lasts so long (`for`, an interval); returns its number. */
export const addSilence = async (
  db: Db,
  { org, cluster, rule, errorKey, tag }: Matchers,
  how: {
    until?: string | undefined;
    for?: string | undefined;
    from?: string | undefined;
    reason: string;
    everything: boolean;
  },
): Promise<string> => {
  const { id } = await rowOf(
    db,
    silence.pick({ id: true }),
    `select id
     from add_silence(ends_at => $1, lasts => $2, starts_at => $3, reason => $4, everything => $5,
       org_id => $6, cluster => $7, rule => $8, error_key => $9, tag => $10)`,
    given(how.until, how.for, how.from, how.reason, how.everything, org, cluster, rule, errorKey, tag),
  );
  return id;
};

/** One silence as it was added. */
export const silenceById = (db: Db, id: string): Promise<z.infer<typeof silence>> =>
  rowOf(db, silence, "select id, starts_at, ends_at, reason, created_by from silences where id = $1", [id]);

const held = z.object({ holds: z.number() });

/** How many open issues a silence holds, or would once it begins. */
export const silenceHolds = async (db: Db, id: string): Promise<number> =>
  (await rowOf(db, held, "select ccx.silence_holds($1) as holds", [id])).holds;

/** Whether so many of the open issues are more than a person should hold or release without a look. */
export const concernsMany = async (db: Db, issues: number): Promise<boolean> =>
  (await rowOf(db, z.object({ many: z.boolean() }), "select ccx.concerns_many($1) as many", [issues])).many;

/** The silences in these states: pending, active, expired. */
export const silences = (db: Db, states: readonly string[]): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from silences where state = any ($1::text[]) order by starts_at, id", [
    states,
  ]);

/** Ends a silence early. */
export const endSilence = (db: Db, id: string): Promise<void> => call(db, "select end_silence($1)", [id]);

/** Whether a silence is in force. */
export const isInForce = async (db: Db, id: string): Promise<boolean> => {
  const found = await rowsOf(
    db,
    z.object({ state: z.string() }),
    "select state from silences where id = $1",
    [id],
  );
  return found[0]?.state === "active";
};

/** The open issues that such a silence would hold. */
export const previewSilence = (db: Db, { org, cluster, rule, errorKey, tag }: Matchers): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from preview_silence(org_id => $1, cluster => $2, rule => $3, error_key => $4, tag => $5)
     order by org_id, cluster, component, error_key`,
    given(org, cluster, rule, errorKey, tag),
  );

export type Acknowledged = {
  org: string;
  rule: string;
  cluster?: string | undefined;
  errorKey?: string | undefined;
};

/** Acknowledges a rule; false when it was so already. */
export const acknowledge = async (
  db: Db,
  { org, rule, cluster, errorKey }: Acknowledged,
  reason: string | undefined,
): Promise<boolean> => {
  const values = given(org, rule, cluster, errorKey, reason);
  return (await rowOf(db, done, "select acknowledge($1, $2, $3, $4, $5) as done", values)).done;
};

/** Takes an acknowledgement back; false when there was none. */
export const unacknowledge = async (
  db: Db,
  { org, rule, cluster, errorKey }: Acknowledged,
): Promise<boolean> => {
  const values = given(org, rule, cluster, errorKey);
  return (await rowOf(db, done, "select unacknowledge($1, $2, $3, $4) as done", values)).done;
};

/** The acknowledgements in force. */
export const acknowledgements = (
  db: Db,
  { org, cluster }: { org?: string | undefined; cluster?: string | undefined },
): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from acknowledgements
     where ($1::bigint is null or org_id = $1) and ($2::text is null or cluster = lower($2))
     order by org_id, cluster, rule_name, error_key`,
    given(org, cluster),
  );

// --- content

const renamed = z.object({
  old_component: z.string(),
  new_component: z.string(),
  issues: z.number(),
  merged: z.number(),
  silences: z.number(),
  acknowledgements: z.number(),
  policies: z.number(),
});

/** Lets the issues of a rule go on under its new name; returns how much that concerned. */
export const renameRule = (db: Db, old: string, name: string): Promise<z.infer<typeof renamed>> =>
  rowOf(db, renamed, "select * from rename_rule($1, $2)", [old, name]);

// --- policy

/** The policies in force, of one target or of all; the wider ones first. */
export const policies = (db: Db, target: string | undefined): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from policies where ($1::text is null or target = $1)
     order by target, org_id nulls first, rule_name nulls first`,
    given(target),
  );

/** Every version of every policy, of one target or of all; the oldest first. */
export const policyHistory = (db: Db, target: string | undefined): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from policy_history where ($1::text is null or target = $1)
     order by target, since, policy_id`,
    given(target),
  );

/** Whose policy is meant: a target's, or that of an organization or a rule. */
export type PolicyScope = { target: string; org?: string | undefined; rule?: string | undefined };

/** Functions remark on nothing until the transaction ends. */
export const withoutRemarks = (db: Db): Promise<void> =>
  call(db, "select set_config($1, $2, $3::boolean)", ["client_min_messages", "warning", true]);

/** Changes a policy from now on; returns the number of the new version. */
export const setPolicy = async (
  db: Db,
  { target, org, rule }: PolicyScope,
  change: AnyRow,
  reason: string,
): Promise<string> =>
  (
    await rowOf(
      db,
      z.object({ id: z.string() }),
      "select id from set_policy($1, $2, $3, org_id => $4, rule => $5)",
      given(target, JSON.stringify(change), reason, org, rule),
    )
  ).id;

const policyEffect = z.object({ held: z.number(), released: z.number(), open_issues: z.number() });

/** What a version of a policy does to the open issues. */
export const effectOfPolicy = (db: Db, id: string): Promise<z.infer<typeof policyEffect>> =>
  rowOf(db, policyEffect, "select held, released, open_issues from ccx.policy_effect($1)", [id]);

/** Ends the policy that an organization or a rule has of its own; returns its number. */
export const endPolicy = async (
  db: Db,
  { target, org, rule }: PolicyScope,
  reason: string,
): Promise<string> =>
  (
    await rowOf(
      db,
      z.object({ id: z.string() }),
      "select id from end_policy($1, $2, org_id => $3, rule => $4)",
      given(target, reason, org, rule),
    )
  ).id;

/** What the end of a version of a policy does to the open issues. */
export const effectOfEnd = (db: Db, id: string): Promise<z.infer<typeof policyEffect>> =>
  rowOf(db, policyEffect, "select held, released, open_issues from ccx.policy_end_effect($1)", [id]);

/** Takes a planned policy back. */
export const withdrawPolicy = (db: Db, id: string, reason: string): Promise<void> =>
  call(db, "select withdraw_policy($1, $2)", [id, reason]);

const change = z.object({
  target: z.string(),
  component: z.string(),
  error_key: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  next_eligible: z.enum(["later", "sooner"]).nullable(),
  decisions: z.number(),
  clusters: z.number(),
  organizations: z.number(),
});

/**
 * How the open transaction, which changed the policy of this scope, changes decisions, counted by rule; what
 * happens most often first.
 */
export const diffByRule = (db: Db, { target, org, rule }: PolicyScope): Promise<z.infer<typeof change>[]> =>
  rowsOf(
    db,
    change,
    `select * from ccx.diff_by_rule($1, $2, $3)
     order by decisions desc, component, error_key, target, before, after, next_eligible`,
    [target, org, rule],
  );

const changedDecision = z.object({
  target: z.string(),
  org_id: z.string(),
  cluster: z.string(),
  component: z.string(),
  error_key: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  next_eligible_at_before: z.string().nullable(),
  next_eligible_at: z.string().nullable(),
  next_eligible: z.enum(["later", "sooner"]).nullable(),
  total_decisions: z.number(),
  total_notify_before: z.number(),
  total_notify: z.number(),
});

/** The first so many (null: all) decisions that it changes, each with the totals of all. */
export const changedDecisions = (
  db: Db,
  most: number | null,
  { target, org, rule }: PolicyScope,
): Promise<z.infer<typeof changedDecision>[]> =>
  rowsOf(db, changedDecision, "select * from ccx.changed_decisions($1, $2, $3, $4)", [
    ...[most, target, org, rule],
  ]);

const count = z.coerce.number();
const day = z.object({
  day: z.string(),
  issues: count,
  messages: count,
  clusters: count,
  organizations: count,
});

/** A stretch of time; without `to` until now, without `org` for all organizations. */
export type Stretch = {
  target: string;
  from: string;
  to?: string | undefined;
  org?: string | undefined;
};

/** What was sent to a target, day by day. */
export const backtest = (db: Db, { target, from, to, org }: Stretch): Promise<z.infer<typeof day>[]> =>
  rowsOf(
    db,
    day,
    `select day, issues, messages, clusters, organizations from backtest($1, $2, $3, org_id => $4)
     order by day`,
    given(target, from, to ?? "now", org),
  );

const comparedDay = z.object({
  day: z.string(),
  issues_before: count,
  issues: count,
  messages_before: count,
  messages: count,
  clusters_before: count,
  clusters: count,
  organizations_before: count,
  organizations: count,
});

/** What was sent to a target, day by day, beside what would have been with another policy (of `org`). */
export const compareBacktest = (
  db: Db,
  { target, from, to, org }: Stretch,
  change: AnyRow,
): Promise<z.infer<typeof comparedDay>[]> =>
  rowsOf(
    db,
    comparedDay,
    "select * from compare_backtest($1, $2, $3, $4, $5) order by day",
    given(target, from, to ?? "now", JSON.stringify(change), org),
  );

// --- delivery and circuit

export type Dead = {
  target?: string | undefined;
  org?: string | undefined;
  cluster?: string | undefined;
  failure?: string | undefined;
};

/** Messages that are neither sent nor given up. */
export const deliveryGap = (db: Db, { target, org, cluster }: Omit<Dead, "failure">): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from delivery_gap
     where ($1::text is null or target = $1) and ($2::bigint is null or org_id = $2)
       and ($3::text is null or cluster = lower($3))
     order by decided_at, notification_id`,
    given(target, org, cluster),
  );

/** Messages that were given up. */
export const deadLetter = (db: Db, { target, org, cluster, failure }: Dead): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from dead_letter
     where ($1::text is null or target = $1) and ($2::bigint is null or org_id = $2)
       and ($3::text is null or cluster = lower($3)) and ($4::text is null or failure = $4)
     order by ended_at, notification_id`,
    given(target, org, cluster, failure),
  );

const redrivableMessages = z.object({
  target: z.string(),
  failure: z.string(),
  refusal: z.string().nullable(),
  messages: z.number(),
  notification_ids: z.array(z.string()),
});

/** What a redrive would find, counted; those with a refusal cannot be redriven. */
export const redrivable = (
  db: Db,
  {
    target,
    org,
    cluster,
    failure,
    since,
    id,
  }: Dead & { since?: string | undefined; id?: string | undefined },
): Promise<z.infer<typeof redrivableMessages>[]> =>
  rowsOf(
    db,
    redrivableMessages,
    "select target, failure, refusal, messages, notification_ids from redrivable($1, $2, $3, $4, $5, $6)",
    given(target, org, cluster, failure, since, id),
  );

const redriven = z.object({
  target: z.string(),
  refusal: z.string().nullable(),
  messages: z.number(),
  issues: z.number(),
  left_out: z.number(),
});

/** Redrives these messages; returns how many were, and how many were refused, by target. */
export const redriveSummary = (db: Db, ids: readonly string[]): Promise<z.infer<typeof redriven>[]> =>
  rowsOf(db, redriven, "select target, refusal, messages, issues, left_out from ccx.redrive_summary($1)", [
    ids,
  ]);

export type Replay = {
  from: string;
  to: string;
  target?: string | undefined;
  org?: string | undefined;
  cluster?: string | undefined;
  rule?: string | undefined;
  again?: boolean | undefined;
};

const replayValues = ({ from, to, target, org, cluster, rule, again }: Replay) =>
  given(from, to, target, org, cluster, rule, again ?? false);

const counted = z.object({
  target: z.string(),
  messages: z.number(),
  issues: z.number(),
  clusters: z.number(),
});

/** What a replay would send again, by target and how it ended. */
export const replayable = (db: Db, what: Replay): Promise<z.infer<typeof counted>[]> =>
  rowsOf(
    db,
    z.object({ target: z.string(), state: z.string(), ...counted.omit({ target: true }).shape }),
    "select target, state, messages, issues, clusters from replayable($1, $2, $3, $4, $5, $6, $7)",
    replayValues(what),
  );

/** Sends it again; returns how much goes to each target. */
export const replay = (db: Db, what: Replay): Promise<z.infer<typeof counted>[]> =>
  rowsOf(
    db,
    counted,
    "select target_name as target, messages, issues, clusters from replay($1, $2, $3, $4, $5, $6, $7)",
    replayValues(what),
  );

const circuit = z.looseObject({ target: z.string(), state: z.enum(["closed", "open", "half-open"]) });

/** The circuits of one target or of all. */
export const deliveryCircuit = (db: Db, target: string | undefined): Promise<z.infer<typeof circuit>[]> =>
  rowsOf(
    db,
    circuit,
    "select * from delivery_circuit where ($1::text is null or target = $1) order by target",
    given(target),
  );

/** Closes the circuit of a target; false when it is closed already. */
export const closeCircuit = async (db: Db, target: string): Promise<boolean> =>
  (await rowOf(db, done, "select close_circuit($1) as done", [target])).done;

// --- rejected

/** The newest rejected messages that match; `stored`: also those that a retry has stored. */
export const rejectedMessages = (
  db: Db,
  filter: RejectedFilter,
  { stored, limit }: { stored: boolean; limit: string },
): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select * from rejected_messages($1, $2, $3, $4, $5, $6, $7, $8, $9)
     order by received_at desc, id desc limit $10`,
    [...valuesOf(filter), stored, limit],
  );

/**
 * The newest rejected message of this place (an id or TOPIC/PARTITION/OFFSET) with its bytes, if there is
 * one.
 */
export const matchingRejected = async (db: Db, place: string): Promise<RejectedMessage | undefined> => {
  const rows = await rowsOf(
    db,
    rejectedMessage,
    `select * from ccx.matching_rejected($1, $2, $3, $4, $5, $6, $7, $8)
     order by id desc limit 1`,
    valuesOf({ places: [place] }),
  );
  return rows[0];
};

const waiting = z.object({ reason: z.string(), messages: z.number() });

/** How many messages a retry would try, by reason, most first. */
export const rejectedToRetry = (db: Db, filter: RejectedFilter): Promise<z.infer<typeof waiting>[]> =>
  rowsOf(
    db,
    waiting,
    "select reason, messages from ccx.rejected_to_retry($1, $2, $3, $4, $5, $6, $7, $8)",
    valuesOf(filter),
  );

// --- retention

/** Every day that is stored, what is past, and what holds it. */
export const partitions = (db: Db): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from partitions order by parent, day nulls last");

const past = z.object({ days: z.number(), rows: z.number() });

/** How much of a table is past: days that would be dropped, rows that would be deleted. */
export const pastOf = (db: Db, table: string): Promise<z.infer<typeof past>> =>
  rowOf(db, past, "select days, rows from ccx.retention_past($1)", [table]);

/** Changes how long a table keeps its rows. */
export const setRetention = (db: Db, table: string, keep: string): Promise<void> =>
  call(db, "select set_retention($1, $2::interval)", [table, keep]);

/** What the next steps of retention would drop or delete. */
export const previewRetention = (db: Db): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from preview_retention()");

/** How the service is: one row for each thing that may be stuck. */
export const status = (db: Db): Promise<AnyRow[]> => rowsOf(db, anyRow, "select * from status");

/** Has the database say, as a NOTICE, which of these names nobody knows. */
export const noticeUnknownNames = (
  db: Db,
  { org, cluster, rule, errorKey, tag }: { [Name in keyof Matchers]?: string | undefined },
): Promise<void> =>
  call(db, "select ccx.notice_unknown_names($1, $2, $3, $4, $5)", given(org, cluster, rule, errorKey, tag));
// --- stuck

/** The clusters whose decision fails, the oldest first. */
export const stuckClusters = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    "select org_id, cluster, since, attempts, next_try_at, reason from stuck_cluster order by since, cluster",
  );

/** Decides again for those of an organization or a cluster, null: all; returns how many. */
export const retryStuck = async (db: Db, org: string | null, cluster: string | null): Promise<number> =>
  (
    await rowOf(db, z.object({ retried: z.number() }), "select retry_stuck($1::bigint, $2) as retried", [
      org,
      cluster,
    ])
  ).retried;

// --- storm

/** The storms in one of these states, the newest first. */
export const storms = (db: Db, states: string[]): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from storms where state = any ($1) order by began_at desc, id desc", [states]);

/** Ends a storm; what it held is decided anew. */
export const releaseStorm = (db: Db, id: string, reason: string): Promise<void> =>
  call(db, "select release_storm($1, $2)", [id, reason]);

/** Ends a storm; what it held stays held. */
export const dropStorm = (db: Db, id: string, reason: string): Promise<void> =>
  call(db, "select drop_storm($1, $2)", [id, reason]);

// --- uploads

export type UploadFilter = { org?: string; cluster?: string; state?: string; since?: string };

/** Where the newest uploads are, at most `limit`. */
export const uploads = (db: Db, filter: UploadFilter, limit: string): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select request_id, org_id_of as org_id, cluster_of as cluster, state_of as state, size, received_at,
       storing, announcing, waiting, processing, whole, failure
     from ccx.uploads_since($1, $2, $3, $4, $5)`,
    [...given(filter.org, filter.cluster, filter.state, filter.since), limit],
  );

/** Contents that are kept, the newest first, at most `limit`. */
export const uploadedArchives = (
  db: Db,
  filter: Omit<UploadFilter, "state">,
  limit: string,
): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select request_id, org_id_of as org_id, cluster_of as cluster, size, store, stored_at, kept_until,
       same_as, duplicates, sha256
     from ccx.kept_archives($1, $2, $3, $4)`,
    [...given(filter.org, filter.cluster, filter.since), limit],
  );

export const uploadStatus = async (db: Db, request: string): Promise<AnyRow | undefined> =>
  (await rowsOf(db, anyRow, "select * from upload_status where request_id = $1", [request]))[0];

/** What was said about an upload, the latest first. */
export const saidOfUpload = (db: Db, request: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select date, service, status, status_msg from track_upload($1)", [request]);

const announced = z.object({ redriven: z.number() });

/** Announces again what was given up: one upload, or (null) all whose archives are kept; says how many. */
export const redriveAnnouncements = async (db: Db, request: string | null): Promise<number> =>
  (await rowOf(db, announced, "select redrive_announcements($1) as redriven", [request])).redriven;

const archiveRoom = z
  .object({
    keep: z.string(),
    max_bytes: z.string().nullable(),
    past_archives: z.coerce.number(),
    past_bytes: z.coerce.number(),
  })
  .loose();

/**
 * How long and how much of the contents of archives is kept, how much that is now, and what of it goes next.
 */
export const archiveRoomNow = (db: Db): Promise<z.infer<typeof archiveRoom>> =>
  rowOf(
    db,
    archiveRoom,
    `select keep, max_bytes, kept_archives, kept_bytes, past_archives, past_bytes, changed_by, changed_at
     from ccx.archive_room()`,
  );

/** Changes how long (an interval) and how much (null: no limit) of the contents of archives is kept. */
export const setArchiveLimits = (db: Db, keep: string, maxBytes: string | null): Promise<void> =>
  call(db, "select set_archive_limits($1::interval, $2)", [keep, maxBytes]);

// --- analyze and trace

/** Replaces the SQL rules by those of a JSON array; says what became of each. */
export const loadRules = (db: Db, rules: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select rule, action from load_rules($1::jsonb) order by rule", [rules]);

export const sqlRules = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    "select name, component, reads, loaded_at, suspended_at, description from sql_rule order by name",
  );

export const failingRules = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select component, reason, archives, last_at, suspended_at, last_detail
     from failing_rules order by last_at desc, component`,
  );

export const keptArchives = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    "select id, org_id, cluster, announced_at, request_id from kept_archive order by id desc",
  );

export const deadAnalyses = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select analysis_id, org_id, cluster, failure, attempts, received_at, redrivable, request_id, place, error
     from dead_analysis order by ended_at desc, analysis_id desc limit 200`,
  );

const analysisId = z.object({ analysis_id: z.string() });

/** The numbers of all that can be redriven, or of those with one failure. */
export const redrivableAnalyses = (db: Db, failure: string | undefined) =>
  rowsOf(
    db,
    analysisId,
    `select analysis_id from dead_analysis
     where redrivable = $1 and ($2::text is null or failure = $2) order by analysis_id`,
    [true, failure ?? null],
  );

export const redriveAnalyses = (db: Db, ids: readonly string[]): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select analysis_id, refusal from redrive_analyses($1::bigint[])", [ids]);

/** The hits of a rule on a kept archive, or why it fails. */
export const tryRule = (db: Db, rule: string, archive: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select error_key, reason, detail, details from try_rule($1, $2)", [rule, archive]);

/** The same on all archives that were kept since a time; seven days unless given. */
export const backtestRule = (db: Db, rule: string, since: string | undefined): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select archive_id, org_id, cluster, announced_at, error_key, reason, detail, details
     from backtest_rule($1, $2::timestamptz)`,
    [rule, since ?? null],
  );

/** The steps of an upload, by its request id or its cluster. */
export const trace = (db: Db, what: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select at, step, took, request_id, detail from trace($1) order by place", [what]);

export type Forgotten = { org?: string; cluster?: string };

const rowsOfTable = z.object({ name: z.string(), row_count: z.coerce.number() });
export type RowsOf = z.infer<typeof rowsOfTable>;

/** How many rows of which table forget() would delete. Rejects with NTR05 when nothing is named. */
export const previewForget = (db: Db, { org, cluster }: Forgotten): Promise<RowsOf[]> =>
  rowsOf(db, rowsOfTable, "select name, row_count from preview_forget($1, $2)", given(org, cluster));

/** The next step of forget(); no row when nothing is left. Rejects with NTR05 when nothing is named. */
export const forget = (db: Db, { org, cluster }: Forgotten): Promise<RowsOf[]> =>
  rowsOf(db, rowsOfTable, "select name, row_count from forget($1, $2)", given(org, cluster));
