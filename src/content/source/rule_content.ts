import { ContentError } from "./error.ts";
import type { Problems } from "./problems.ts";
import { type Metadata, oneToFour, type Plugin } from "./shapes.ts";

/**
 * What one error key of one rule says, as SQL's `load_content(jsonb)` takes it (member = column).
 * `impact` and `likelihood` are 1 to 4; `publish_date` is ISO 8601 in UTC with `Z`; the texts are
 * Markdown, possibly doT templates, exactly as in the files.
 */
export type RuleContent = {
  rule_name: string;
  python_module: string;
  error_key: string;
  description: string;
  generic: string;
  summary: string;
  reason: string;
  resolution: string;
  more_info: string;
  impact: number;
  likelihood: number;
  status: "active" | "inactive";
  publish_date: string | null;
  tags: string[];
  /** What only the results API shows: how the source calls the impact, … */
  impact_name: string;
  /** … how risky the resolution is, 1 to 4 (0: not known), … */
  resolution_risk: number;
  /** … what plugin.yaml says of the rule, … */
  plugin_name: string;
  node_id: string;
  product_code: string;
  /** … and the rule's own texts; null: the same as the error key's. */
  rule_texts: Partial<Record<TextName, string | null>>;
};

export const textNames = ["generic", "summary", "reason", "resolution", "more_info"] as const;
export type TextName = (typeof textNames)[number];
const mandatoryTexts = ["generic", "reason"] as const;

/** The texts of a rule or an error key; `path` is what an error names. Undefined: it could not be read. */
export type Texts = Partial<Record<TextName, { path: string; text: string | undefined }>>;

/**
 * A rule's name is its folder's, and the last part of its module: hits name the module, so both have to
 * agree.
 */
export type Rule = {
  name: string;
  pythonModule: string;
  plugin?: Plugin | undefined;
  texts?: Texts;
};

/** Throws ContentError, naming `path`, when module and folder do not agree. */
export function checkModule({ name, pythonModule }: Rule, path: string): void {
  const last = pythonModule.split(".").at(-1);
  if (last !== name)
    throw new ContentError(path, `python_module ends in ${last}, but the rule's folder is ${name}`);
}

/** Behind the names of impacts, as config.yaml or the answer has them: numbers, or anything else. */
export type Impacts = ReadonlyMap<string, unknown>;

/**
 * The number of a risk of a resolution; 0 where the source has none that makes sense: nothing is decided by
 * it.
 */
export function resolutionRiskOf(risk: unknown): number {
  const number = oneToFour.safeParse(risk);
  return number.success ? number.data : 0;
}

/** Throws ContentError unless a number from 1 to 4 stands behind the name of this impact. */
export function impactNamed(name: string, impacts: Impacts, path: string): number {
  if (!impacts.has(name)) throw new ContentError(path, `impact "${name}" is not in config.yaml`);
  const impact = oneToFour.safeParse(impacts.get(name));
  if (impact.success) return impact.data;
  throw new ContentError(path, `impact "${name}" is not 1, 2, 3 or 4 in config.yaml`);
}

/**
 * What an error key says, put together by the rules of the content service: the rule's text stands where the
 * error key has none of its own. `texts` are the rule's, overlaid with the error key's; `path` is the error
 * key's. Undefined where anything is missing: `problems` then says what, generic and reason included, which
 * must not be empty.
 */
export function errorKeyContent(
  rule: Rule,
  errorKey: { name: string; path: string },
  metadata: Omit<Metadata, "impact" | "resolution_risk"> | undefined,
  impact: { name: string; number: number; resolutionRisk: number } | undefined,
  texts: Texts,
  problems: Problems,
): RuleContent | undefined {
  for (const name of mandatoryTexts) {
    const found = texts[name];
    if (!found) problems.add(errorKey.path, `has no ${name}.md, and neither has its rule`);
    else if (found.text?.trim() === "") problems.add(found.path, "is empty");
  }
  if (!metadata || impact === undefined || !problems.none) return undefined;
  const textOf = (name: TextName): string => texts[name]?.text ?? "";
  return {
    rule_name: rule.name,
    python_module: rule.pythonModule,
    error_key: errorKey.name,
    description: metadata.description,
    generic: textOf("generic"),
    summary: textOf("summary"),
    reason: textOf("reason"),
    resolution: textOf("resolution"),
    more_info: textOf("more_info"),
    impact: impact.number,
    likelihood: metadata.likelihood,
    status: metadata.status,
    publish_date: metadata.publish_date,
    tags: metadata.tags,
    impact_name: impact.name,
    resolution_risk: impact.resolutionRisk,
    plugin_name: rule.plugin?.name ?? "",
    node_id: String(rule.plugin?.node_id ?? ""),
    product_code: rule.plugin?.product_code ?? "",
    rule_texts: ownTexts(rule.texts ?? {}, textOf),
  };
}

function ownTexts(texts: Texts, ofKey: (name: TextName) => string): RuleContent["rule_texts"] {
  const own = textNames.map((name) => [name, texts[name]?.text] as const).filter(([, text]) => text);
  return Object.fromEntries(own.map(([name, text = ""]) => [name, text === ofKey(name) ? null : text]));
}

/** Entries in the order of their names, the same on every machine. */
export function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}
