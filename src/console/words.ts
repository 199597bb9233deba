/** What a machine calls each reason, as a person says it. */
export const reasonsInWords: Record<string, string> = {
  target_disabled: "the target is switched off",
  policy_disabled: "the policy switches it off",
  no_content: "nothing is known about the rule",
  inactive: "the rule is not active",
  below_threshold: "total risk is below the threshold",
  filtered: "the filter of the policy holds it",
  missing_tag: "the rule lacks a tag that is required",
  render_failed: "its texts cannot be made",
  cluster_not_allowed: "the policy does not allow the cluster",
  cluster_blocked: "the policy blocks the cluster",
  silenced: "a silence holds it",
  acked: "the customer has acknowledged it",
  disabled: "the customer has disabled the rule",
  cooldown: "it was notified lately",
  spacing: "the cluster was notified lately",
  flapping: "it comes and goes",
  stale_report: "the cluster has not reported for long",
  storm: "too many clusters at once: the brake holds it",
};

/** What became of a report, as the table reported calls it. */
const outcomesInWords: Record<string, string> = {
  same: "all of it is held",
  lower: "nothing qualifies",
};

/** A value that people choose among: in words, and as the database calls it. */
export const valueInWords = (value: string): string => {
  const words = reasonsInWords[value] ?? outcomesInWords[value];
  return words === undefined ? value : `${words} (${value})`;
};
