import { ContentError } from "./error.ts";
import type { Metadata } from "./shapes.ts";

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
};

export const textNames = ["generic", "summary", "reason", "resolution", "more_info"] as const;
export type TextName = (typeof textNames)[number];
const mandatoryTexts: ReadonlySet<TextName> = new Set(["generic", "reason"]);

/** The texts of a rule or an error key; `path` is what an error names. */
export type Texts = Partial<Record<TextName, { path: string; text: string }>>;

/**
 * A rule's name is its folder's, and the last part of its module: hits name the module, so both have to
 * agree.
 */
export type Rule = { name: string; pythonModule: string };

/** Throws ContentError, naming `path`, when module and folder do not agree. */
export function checkModule({ name, pythonModule }: Rule, path: string): void {
  const last = pythonModule.split(".").at(-1);
  if (last !== name)
    throw new ContentError(path, `python_module ends in ${last}, but the rule's folder is ${name}`);
}

/**
 * What an error key says, put together by the rules of the content service: the impact's number by its name,
 * and the rule's text where the error key has none of its own. `texts` are the rule's, overlaid with the
 * error key's. Throws ContentError for an impact that has no number, and where generic or reason is missing
 * or empty.
 */
export function errorKeyContent(
  rule: Rule,
  errorKey: { name: string; path: string; metadataPath: string },
  metadata: Omit<Metadata, "resolution_risk">,
  impacts: ReadonlyMap<string, number>,
  texts: Texts,
): RuleContent {
  const impact = impacts.get(metadata.impact);
  if (impact === undefined)
    throw new ContentError(errorKey.metadataPath, `impact "${metadata.impact}" is not in config.yaml`);
  const textOf = (name: TextName): string => {
    const found = texts[name];
    if (mandatoryTexts.has(name)) {
      if (!found) throw new ContentError(errorKey.path, `has no ${name}.md, and neither has its rule`);
      if (found.text.trim() === "") throw new ContentError(found.path, "is empty");
    }
    return found?.text ?? "";
  };
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
    impact,
    likelihood: metadata.likelihood,
    status: metadata.status,
    publish_date: metadata.publish_date,
    tags: metadata.tags,
  };
}

/** Entries in the order of their names, the same on every machine. */
export function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}
