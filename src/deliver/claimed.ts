import { z } from "zod";
import type { Doubt } from "../content/render/doubts.ts";

/** The one form of time the receivers accept: UTC, `T` and `Z`, at most nanoseconds (anchors §2.2). */
const utcTimestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

const timestamp = z.string().regex(utcTimestamp);
const digits = z.string().regex(/^\d+$/);

export const claimedIssueSchema = z.object({
  issue_id: digits,
  /** Full component, with its trailing `.report`. */
  component: z.string(),
  error_key: z.string(),
  total_risk: z.number().int().nullable(),
  /** What the target calls that risk: a row of the table `severity`. */
  severity: z.string(),
  /** Version of the content that was decided by: its templates make the texts. */
  content_id: digits,
  /** Details of the hit, any JSON; null when the report does not have it any more. */
  details: z.unknown(),
  /** The policy does not let a text out that lacks a value. */
  hold_doubtful: z.boolean().optional(),
});

/** A row of SQL's `claim_notifications(...)`, as `pg` hands it over: bigint as string, json parsed. */
export const claimedNotificationSchema = z.object({
  id: digits,
  /** The same on every try of one notification: what receivers recognise a repetition by. */
  message_id: z.uuidv4(),
  /** Counts from 1. */
  attempt: z.number().int().positive(),
  org_id: digits,
  /** "0" when unknown. */
  account_number: digits,
  /** Any name: other writers use such that are no UUID. Only the Service Log's contract insists on one. */
  cluster: z.string().min(1),
  /** Time of the report. */
  updated_at: timestamp,
  decided_at: timestamp,
  /**
   * Time of the first try that may have reached the receiver, this one or an earlier one; from then on it
   * never moves, so that a repetition has the same bytes.
   */
  first_tried_at: timestamp,
  /** The issues are gone, and that is what it notifies of. */
  resolved: z.boolean(),
  issues: z.array(claimedIssueSchema).min(1),
  /** The trace of the report that it was decided on, and then of the delivery itself. */
  traceparent: z.string().nullable(),
});

export type ClaimedNotification = z.infer<typeof claimedNotificationSchema>;
export type ClaimedIssue = z.infer<typeof claimedIssueSchema>;

/** The texts that targets use. */
export type TextName = "description" | "reason";

/** An issue with its texts; those that the target does not use are empty. */
export type RenderedIssue = Omit<ClaimedIssue, "issue_id"> & Record<TextName, string>;

/** A claimed notification whose issues have their texts. */
export type RenderedNotification = Omit<ClaimedNotification, "issues"> & { issues: RenderedIssue[] };

/** A value that a text of an issue lacks (SQL doubtful_text). */
export type Doubtful = Doubt & { issue_id: string };

/** An issue that is left out of its message, and why. */
export type Unrendered = { issue_id: string; error: string };
