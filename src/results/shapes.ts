import { z } from "zod";

/**
 * What goes in and out of the results API. Each schema is the check, the type and the OpenAPI schema of what
 * it describes; what goes out is only checked in tests, since SQL makes it.
 */

const uuidForms = [
  /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i,
  /^urn:uuid:([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i,
  /^\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}$/i,
  /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/i,
];

/** A cluster in the spelling that we store; undefined for what is no UUID. */
export function clusterOf(text: string): string | undefined {
  const parts = uuidForms.map((form) => form.exec(text)).find((found) => found !== null);
  return parts?.slice(1).join("-").toLowerCase();
}

/** What is wrong with a text that should be a UUID. */
const uuidProblem = (text: string): string =>
  [32, 36, 38, 45].includes(Buffer.byteLength(text))
    ? "invalid UUID format"
    : `invalid UUID length: ${Buffer.byteLength(text)}`;

const stored = (value: string): boolean => value.isWellFormed() && !value.includes("\0");

/** A UUID in any spelling; read into ours. */
export const cluster = z
  .string()
  .meta({ description: "A cluster: its UUID", examples: ["11111111-1111-4111-8111-111111111101"] })
  .transform((text, context) => {
    const found = clusterOf(text);
    if (found !== undefined) return found;
    context.addIssue({ code: "custom", message: uuidProblem(text) });
    return z.NEVER;
  });

const ruleRule = "invalid rule ID, it must contain only from latin characters, number, underscores or dots";
export const rule = z
  .string()
  .max(255, "it is longer than 255 characters")
  .regex(/^[a-zA-Z_0-9.]+$/, ruleRule)
  .meta({ description: "A rule: its module", examples: ["ccx_rules_ocp.external.rules.alpha.report"] });

export const errorKey = z
  .string()
  .max(255, "it is longer than 255 characters")
  .regex(
    /^[a-zA-Z_0-9.]+$/,
    "invalid error key, it must contain only from latin characters, number, underscores or dots",
  )
  .meta({ description: "Which of the rule's problems", examples: ["ALPHA_ONE"] });

const selectorRule = "invalid rule ID, it must contain only rule ID and error key separated by |";

/** `module|KEY`. */
export const ruleAndKey = z
  .string()
  .max(511, "it is longer than 511 characters")
  .regex(/^[a-zA-Z_0-9.]{1,255}[|][a-zA-Z_0-9.]{1,255}$/, selectorRule)
  .meta({
    description: "A rule and an error key",
    examples: ["ccx_rules_ocp.external.rules.alpha|ALPHA_ONE"],
  });

/** Takes `module|KEY` apart. */
export function partsOf(text: string): { module: string; key: string } {
  const [module = "", key = ""] = text.split("|");
  return { module, key };
}

export const requestId = z
  .string()
  .regex(/^[a-zA-Z0-9]{1,255}$/, "invalid request ID, it must contain only latin characters and numbers")
  .meta({ description: "An upload", examples: ["7af5f522a60fc459126372e0cc811d93"] });

export const namespace = z
  .string()
  .min(1)
  .max(256, "it is longer than 256 characters")
  .refine(stored, "it has a character that cannot be stored")
  .meta({ description: "A namespace of a cluster", examples: ["default"] });

export const organization = z
  .string()
  .meta({ description: "An organization: its number", examples: ["11"] })
  .transform((text, context) => {
    const problem = !/^\d{1,20}$/.test(text)
      ? "unsigned integer expected"
      : BigInt(text) === 0n
        ? "positive value expected"
        : BigInt(text) > 4_294_967_295n
          ? `value ${text} out of range for uint32`
          : undefined;
    if (problem === undefined) return String(BigInt(text));
    context.addIssue({ code: "custom", message: problem });
    return z.NEVER;
  });

export const userId = z
  .string()
  .min(1)
  .max(255, "it is longer than 255 characters")
  .refine(stored, "it has a character that cannot be stored")
  .meta({ description: "A user", examples: ["u-1"] });

/** Most clusters that one request may name. */
const mostClusters = 10_000;

/** Most whole reports in one answer. */
const mostReports = 1_000;

const listOf = (most: number) => z.array(cluster).max(most, `at most ${most} clusters can be named at once`);

export const clusterList = listOf(mostClusters);
export const clustersBody = z.object({ clusters: clusterList });
export const reportsBody = z.object({ clusters: listOf(mostReports) });

/** Clusters with commas in between. */
export const clustersInPath = z
  .string()
  .meta({ description: "Clusters, separated by commas", examples: ["11111111-1111-4111-8111-111111111101"] })
  .transform((text, context) => {
    const names = text.split(",");
    const wrong = names.find((name) => clusterOf(name) === undefined);
    const problem =
      names.length > mostReports
        ? `at most ${mostReports} clusters can be named at once`
        : wrong !== undefined
          ? `invalid cluster ID: '${wrong.slice(0, 100)}'. Error: ${uuidProblem(wrong)}`
          : undefined;
    if (problem === undefined) return names.map((name) => clusterOf(name) as string);
    context.addIssue({ code: "custom", message: problem });
    return z.NEVER;
  });

const longestText = 255;

/** A text of a user: at most 255 bytes. */
export const textOf = (what: string) =>
  z
    .string()
    .refine((text) => Buffer.byteLength(text) <= longestText, `${what} is longer than ${longestText} bytes`)
    .refine(stored, `${what} has a character that cannot be stored`)
    .meta({ examples: ["accepted risk"] });

/** A flag as Go reads it. */
export const flag = z
  .enum(
    ["1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"],
    "has to be true or false",
  )
  .transform((text) => /^[1tT]/.test(text));

// --- answers

const count = z.int();
const text = z.string();
/** UTC, whole seconds, Z. */
const seconds = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
const secondsOrNone = z.union([seconds, z.literal("")]);
const exact = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/);
const risk = z.int().min(1).max(4);
const uuid = z.string().regex(/^[0-9a-f-]{36}$/);
const anyCluster = z.string();
const ok = z.literal("ok");

/** An answer in its envelope. */
export const enveloped = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject({ status: ok, ...shape });

export const failure = z.strictObject({ status: text }).meta({ description: "What is wrong" });

export const hit = z
  .strictObject({
    rule_id: text,
    created_at: seconds.optional(),
    description: text,
    details: text,
    reason: text,
    resolution: text,
    more_info: text,
    total_risk: risk,
    disabled: z.boolean(),
    disable_feedback: text,
    disabled_at: secondsOrNone,
    internal: z.boolean(),
    user_vote: z.int().min(-1).max(1),
    extra_data: z.looseObject({ error_key: z.unknown() }),
    tags: z.array(text),
    impacted: seconds.optional(),
  })
  .meta({ description: "One hit of a report with what its rule says" });

export const report = enveloped({
  report: z.strictObject({
    meta: z.strictObject({
      cluster_name: text,
      managed: z.boolean(),
      count,
      last_checked_at: seconds,
      gathered_at: seconds.optional(),
    }),
    data: z.array(hit),
  }),
});
export const reportV1 = enveloped({
  report: z.strictObject({ meta: z.strictObject({ count, last_checked_at: seconds }), data: z.array(hit) }),
});
export const oneHit = enveloped({ report: hit });
export const reportInfo = enveloped({
  metainfo: z.strictObject({ count, last_checked_at: seconds, stored_at: seconds }),
});
export const reports = enveloped({
  clusters: z.array(anyCluster).nullable(),
  errors: z.array(anyCluster).nullable(),
  reports: z.record(anyCluster, z.looseObject({})),
  generated_at: z.literal(""),
});
export const clusterInfo = enveloped({
  cluster: z.strictObject({ cluster_id: anyCluster, display_name: text, managed: z.boolean(), status: text }),
});
const oneRequest = z.strictObject({
  requestID: text,
  valid: z.boolean(),
  received: secondsOrNone,
  processed: z.union([exact, z.literal("")]),
});
export const requests = enveloped({ cluster: uuid, requests: z.array(oneRequest).nullable() });
export const requestStatus = z.strictObject({
  cluster: uuid,
  requestID: text,
  status: z.enum(["processed", "failed"]),
});
export const requestReport = z.strictObject({
  cluster: uuid,
  requestID: text,
  status: z.literal("processed"),
  report: z.array(z.strictObject({ rule_fqdn: text, error_key: text, description: text, total_risk: risk })),
});
export const clusters = enveloped({
  data: z.array(
    z.strictObject({
      cluster_id: anyCluster,
      cluster_name: text,
      managed: z.boolean(),
      last_checked_at: seconds.optional(),
      total_hit_count: count,
      hits_by_total_risk: z.record(z.string().regex(/^[1-4]$/), count),
      cluster_version: text.optional(),
    }),
  ),
  meta: z.strictObject({ count }),
});
const ruleMembers = {
  rule_id: text,
  description: text,
  generic: text,
  total_risk: risk,
  impact: risk,
  likelihood: risk,
  publish_date: seconds.optional(),
  tags: z.array(text),
};
const resolutionRisk = z.int().min(0).max(4);
export const rules = enveloped({
  recommendations: z.array(
    z.strictObject({
      ...ruleMembers,
      resolution_risk: resolutionRisk,
      disabled: z.boolean(),
      impacted_clusters_count: count,
    }),
  ),
});
const group = z.strictObject({ title: text, description: text, tags: z.array(text) });
const ruleTexts = { ...ruleMembers, reason: text, resolution: text, more_info: text };
export const oneRule = enveloped({
  content: z.strictObject({
    ...ruleTexts,
    resolution_risk: resolutionRisk,
    rating: z.int().min(-1).max(1),
    hosts_acked_count: z.literal(0),
    disabled: z.boolean(),
  }),
  groups: z.array(group),
});
export const oneRuleContent = enveloped({ content: z.strictObject(ruleTexts), groups: z.array(group) });
export const groups = enveloped({ groups: z.array(group) });
export const ruleClusters = enveloped({
  data: z.strictObject({
    enabled: z.array(
      z.strictObject({
        cluster: anyCluster,
        cluster_name: text,
        last_checked_at: seconds,
        impacted: seconds,
        meta: z.strictObject({ cluster_version: text }),
      }),
    ),
    disabled: z.array(
      z.strictObject({
        cluster_id: anyCluster,
        cluster_name: text,
        disabled_at: seconds,
        justification: text,
      }),
    ),
  }),
});
export const ack = z.strictObject({
  rule: text,
  justification: text,
  created_by: text,
  created_at: seconds,
  updated_at: secondsOrNone,
});
export const acks = z.strictObject({ meta: z.strictObject({ count }), data: z.array(ack) });
export const ackBody = z.object({ rule_id: ruleAndKey, justification: textOf("justification").default("") });
export const justificationBody = z.object({ justification: textOf("justification") });
export const messageBody = z.object({ message: textOf("feedback message") });
export const rating = z.object({ rule: ruleAndKey, rating: z.int().min(-1).max(1) });
export const done = z.strictObject({ status: ok });
export const message = enveloped({ message: text });

const contentTexts = { generic: text, summary: text, resolution: text, more_info: text, reason: text };
const contentOf = (impact: z.ZodType) =>
  z.strictObject({
    plugin: z.strictObject({ name: text, node_id: text, product_code: text, python_module: text }),
    error_keys: z.record(
      text,
      z.strictObject({
        metadata: z.strictObject({
          description: text,
          impact,
          likelihood: risk,
          publish_date: secondsOrNone,
          status: z.enum(["active", "inactive"]),
          tags: z.array(text),
        }),
        total_risk: risk,
        HasReason: z.boolean(),
        ...contentTexts,
      }),
    ),
    HasReason: z.boolean(),
    ...contentTexts,
  });
export const content = enveloped({ content: z.array(contentOf(risk)) });
export const contentV1 = enveloped({ content: z.array(contentOf(text)) });
export const moduleContent = enveloped({ content: contentOf(text) });
export const ruleIds = enveloped({ rules: z.array(text) });
export const overview = enveloped({
  overview: z.strictObject({
    clusters_hit: count,
    hit_by_risk: z.record(z.string().regex(/^[1-4]$/), count),
    hit_by_tag: z.record(text, count),
  }),
});
export const orgClusters = enveloped({ clusters: z.array(anyCluster) });
const severity = z.int().min(0).max(4);
/** A namespace of a cluster, counted. */
const namespaceOf = (hitsBySeverity: z.ZodType) => ({
  cluster: z.strictObject({ uuid, display_name: text }),
  namespace: z.strictObject({ uuid: text, name: text }),
  metadata: z.strictObject({
    recommendations: count,
    objects: count,
    reported_at: seconds,
    last_checked_at: seconds,
    highest_severity: severity,
    hits_by_severity: hitsBySeverity,
  }),
});
const object = z.strictObject({ kind: text, uid: text, display_name: text });
const countedNamespace = namespaceOf(z.record(z.string().regex(/^[1-4]$/), count));
const bareNamespace = namespaceOf(z.null());
export const workloads = enveloped({ workloads: z.array(z.strictObject(countedNamespace)) });
export const workload = enveloped({
  ...countedNamespace,
  recommendations: z.array(
    z.strictObject({
      check: text,
      details: text,
      resolution: text,
      modified: seconds.optional(),
      more_info: text,
      reason: text,
      total_risk: risk,
      extra_data: z.looseObject({}),
      objects: z.array(object),
    }),
  ),
});
export const aggregatorWorkloads = enveloped({
  workloads: z
    .array(z.strictObject({ ...bareNamespace, recommendations_hit_count: z.record(text, count) }))
    .nullable(),
});
const none = z.literal("");
export const aggregatorWorkload = enveloped({
  workloads: z.strictObject({
    status: none,
    ...bareNamespace,
    recommendations: z.array(
      z.strictObject({
        check: text,
        ...{ details: none, resolution: none, modified: none, more_info: none },
        extra_data: z.looseObject({}).nullable(),
        objects: z.array(object),
      }),
    ),
  }),
});
export const info = enveloped({ info: z.record(text, z.record(text, text)) });
