import { z } from "zod";
import { type AnyRow, anyRow, call, type Db, rowOf, rowsOf } from "../db/rows.ts";

const id = z.object({ id: z.string() });
const optionalId = z.object({ id: z.string().nullable() });

/** Asks what survey_schedule says, and deletes what is old. */
export const tendSurveys = (db: Db): Promise<void> => call(db, "select ccx.tend_surveys()");

/** Answers the next part of a survey, or of any; false: none waits. */
export const runSurveyPart = async (db: Db, survey?: string): Promise<boolean> =>
  (await rowOf(db, optionalId, "select run_survey_part($1) as id", [survey ?? null])).id !== null;

/** Asks about the whole fleet; returns the number of the survey, or of the same one if that is young. */
export const askSurvey = async (db: Db, kind: string, args: AnyRow, atMostOld: string): Promise<string> =>
  (await rowOf(db, id, "select ask_survey($1, $2::jsonb, $3) as id", [kind, JSON.stringify(args), atMostOld]))
    .id;

/** Ends a survey; false when it was over already. */
export const cancelSurvey = async (db: Db, survey: string): Promise<boolean> =>
  (await rowOf(db, z.object({ done: z.boolean() }), "select cancel_survey($1) as done", [survey])).done;

const survey = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  parts: z.number(),
  parts_done: z.number(),
  clusters: z.number(),
  clusters_done: z.number(),
  seconds_left: z.number().nullable(),
  problem: z.string().nullable(),
});

/** A question about the whole fleet, and how far it is. */
export type Survey = z.infer<typeof survey>;

/** One of them, if there is one of this number. */
export const surveyOf = async (db: Db, number: string): Promise<Survey | undefined> =>
  (await rowsOf(db, survey, "select * from surveys where id = $1", [number]))[0];

const estimate = z.object({ decisions: z.coerce.number().nullable(), seconds: z.number().nullable() });

/** About how many decisions a trial takes, and how many seconds; null: that is not known. */
export type Estimate = z.infer<typeof estimate>;

/**
 * How long it will take to try a change of policy on the decisions of now or, with `from`, on the past;
 * undefined: nothing was measured, as in a small fleet, or this role does not see it.
 */
export const trialEstimate = async (
  db: Db,
  {
    target,
    org,
    from,
    to,
  }: {
    target: string;
    org?: string | undefined;
    from?: string | undefined;
    to?: string | undefined;
  },
): Promise<Estimate | undefined> =>
  (
    await rowsOf(db, estimate, "select * from ccx.trial_estimate($1, $2, $3, $4)", [
      ...[target, org ?? null, from ?? null, to ?? "now"],
    ])
  )[0];

/** All of them, the newest first. */
export const surveys = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select id, kind, arguments, at, asked_by, state, parts, parts_done, clusters, seconds, seconds_left,
       ended_at, problem
     from surveys order by id desc`,
  );

/** What a backtest counted, day by day. */
export const surveyedDays = (db: Db, number: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from surveyed_days($1)", [number]);

/** What the newest survey of decisions counted, by reason, rule or organization, the most first. */
export const decisionSummary = (db: Db, groupedBy: string): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select at, target, decision, name, decisions, clusters, organizations from decision_summary
     where grouped_by = $1 order by target nulls first, decision desc, decisions desc, name`,
    [groupedBy],
  );

/** What the newest survey of noise counted, the loudest rules first. */
export const noiseSummary = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    "select * from noise_summary order by notified desc, open_issues desc, component, error_key, target",
  );
