import { z } from "zod";
import type { RejectReason } from "./reject_reasons.ts";

/** What the checks below have established about a parsed message, whatever it carries. */
export interface Message {
  OrgID: number;
  AccountNumber?: number | null;
  ClusterName: string;
  LastChecked: string;
  Version?: number | null;
}

export interface FieldProblem {
  reason: RejectReason;
  text: string;
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null;
/** Characters as PostgreSQL counts them: a pair of surrogates is one. */
const isName = (text: string): boolean =>
  text.length > 0 && (text.length <= 255 || (text.length <= 510 && [...text].length <= 255));

const nameRule = "has to be a text of 1 to 255 characters";
const name = z.string(nameRule).refine(isName, nameRule);
const hit = z.object({ component: name, key: name }, "has to be an object");

/**
 * Checks one after the other up to the first bad one, so that a message with a million of them costs one
 * issue, not a million.
 */
const arrayOf = (one: z.ZodType) =>
  z
    .custom<unknown[]>(Array.isArray, { error: "has to be an array", abort: true })
    .check(({ value, issues }) => {
      for (const [index, candidate] of value.entries()) {
        const issue = one.safeParse(candidate).error?.issues[0];
        if (issue === undefined) continue;
        issues.push({ code: "custom", message: issue.message, path: [index, ...issue.path], input: value });
        return;
      }
    });

const textRule = "has to be a text";
const text = z.string(textRule).nullish();
const namespaceRule = "has to be a text of at most 256 characters";
const objectRule = "has to be an object";
const workload = z.object(
  {
    namespace: text,
    // what a path of the results API can name
    namespace_uid: z.string(namespaceRule).max(256, namespaceRule).nullish(),
    kind: text,
    name: text,
    uid: text,
  },
  objectRule,
);
const isObject = (value: unknown): boolean =>
  !isPresent(value) || (typeof value === "object" && !Array.isArray(value));
const recommendation = z.object(
  {
    component: name,
    key: name,
    details: z.unknown().refine(isObject, objectRule).optional(),
    workloads: arrayOf(workload).nullish(),
  },
  objectRule,
);

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const orgRule = "has to be a positive whole number";
const accountRule = "has to be a whole number, 0 or more";
const clusterRule = "has to be a UUID such as 5d5892d3-1f74-4ccf-91af-548dfc9767aa";
const versionRule = "has to be a whole number from 0 to 255";

const owner = {
  OrgID: z.int(orgRule).positive(orgRule),
  AccountNumber: z.int(accountRule).min(0, accountRule).nullish(),
  ClusterName: z.string(clusterRule).regex(uuid, clusterRule),
};
const lastChecked = z.string("has to be a time such as 2026-01-31T23:59:59.123456Z");

/**
 * In the order in which problems are reported. Only validates: nothing uses its output, so unknown keys stay
 * unread.
 */
const beforeTime = {
  Report: z.object({
    ...owner,
    Report: z.object(
      {
        system: z.unknown().refine(isPresent, "is missing"),
        fingerprints: z.unknown().refine(isPresent, "is missing"),
        reports: arrayOf(hit),
      },
      objectRule,
    ),
    LastChecked: lastChecked,
  }),
  Metrics: z.object({
    ...owner,
    Metrics: z.object({ workload_recommendations: arrayOf(recommendation) }, objectRule),
    LastChecked: lastChecked,
  }),
};
const version = z.object({ Version: z.int(versionRule).min(0, versionRule).max(255, versionRule).nullish() });

/** What carries what was found: of the results, and of the workloads. */
export type BodyField = keyof typeof beforeTime;

type Field = keyof Message | BodyField;
const invalid = {
  OrgID: "invalid_org_id",
  AccountNumber: "invalid_account_number",
  ClusterName: "invalid_cluster_name",
  Report: "invalid_report",
  Metrics: "invalid_report",
  LastChecked: "invalid_last_checked",
  Version: "invalid_version",
} as const satisfies Record<Field, RejectReason>;
const missing: Partial<Record<Field, RejectReason>> = {
  OrgID: "missing_org_id",
  ClusterName: "missing_cluster_name",
  Report: "missing_report",
  Metrics: "missing_report",
  LastChecked: "missing_last_checked",
};

/**
 * The first problem of OrgID, AccountNumber, ClusterName, the body, or LastChecked (only that it is a text).
 * `fractional` names the fields whose number was written as 1.0 or 1e3: equal to a whole number, but not one.
 */
export function checkBeforeTime(
  message: object,
  body: BodyField,
  fractional: ReadonlySet<string> | undefined,
): FieldProblem | undefined {
  const issue = beforeTime[body].safeParse(message).error?.issues[0];
  if (fractional?.has("OrgID") && (issue === undefined || issue.path[0] !== "OrgID")) {
    return {
      reason: "invalid_org_id",
      text: `OrgID ${orgRule}, but was written with a fraction or exponent.`,
    };
  }
  if (fractional?.has("AccountNumber") && issue?.path[0] !== "OrgID" && issue?.path[0] !== "AccountNumber") {
    return {
      reason: "invalid_account_number",
      text: `AccountNumber ${accountRule}, but was written with a fraction or exponent.`,
    };
  }
  return issue && problemOf(message, issue);
}

/** The problem of Version, the last field to be looked at. */
export function checkVersion(
  message: Message,
  fractional: ReadonlySet<string> | undefined,
): FieldProblem | undefined {
  const issue = version.safeParse(message).error?.issues[0];
  if (issue !== undefined) return problemOf(message, issue);
  if (!fractional?.has("Version")) return undefined;
  return {
    reason: "invalid_version",
    text: `Version ${versionRule}, but was written with a fraction or exponent.`,
  };
}

/** Whose a message is that was refused: what of OrgID and ClusterName is as it should be. */
export function ownerOf(
  message: object,
  fractional: ReadonlySet<string> | undefined,
): { orgId: number | undefined; cluster: string | undefined } {
  const { OrgID, ClusterName } = message as Record<string, unknown>;
  const hasOrg = Number.isSafeInteger(OrgID) && Number(OrgID) > 0 && !fractional?.has("OrgID");
  return {
    orgId: hasOrg ? Number(OrgID) : undefined,
    cluster:
      typeof ClusterName === "string" && uuid.test(ClusterName) ? ClusterName.toLowerCase() : undefined,
  };
}

function problemOf(message: object, issue: z.core.$ZodIssue): FieldProblem {
  const field = issue.path[0] as Field;
  let value: unknown = message;
  let place = "";
  for (const step of issue.path) {
    value = (value as Record<PropertyKey, unknown>)[step];
    place += typeof step === "number" ? `[${step}]` : `${place && "."}${String(step)}`;
  }
  const isMissing = !isPresent(value);
  return {
    reason: (isMissing && issue.path.length === 1 && missing[field]) || invalid[field],
    text: isMissing ? `${place} is missing.` : `${place} ${issue.message}, but is ${describe(value)}.`,
  };
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (value === "") return "an empty text";
  if (typeof value !== "string") return String(value);
  // stringify escapes what a cut through a surrogate pair leaves
  return value.length > 40
    ? `${JSON.stringify(value.slice(0, 40))}… (${value.length} characters)`
    : JSON.stringify(value);
}
