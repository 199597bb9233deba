import { parseReportTime } from "./report_time.ts";

/** What a message says beside its hits. None of it is needed, so none of it makes a message wrong. */
export type Facts = {
  /** The upload that the report was made from. */
  requestId?: string | undefined;
  /** When the cluster gathered that, as RFC 3339 in UTC. */
  gatheredAt?: string | undefined;
  /** Its OpenShift version. */
  clusterVersion?: string | undefined;
};

const versionItem = "version_info|CLUSTER_VERSION_INFO";
const longestName = 255;

/** What of a message's facts can be read. */
export function factsOf(message: object): Facts {
  const { Metadata, Report } = message as Record<string, unknown>;
  const gathered = memberOf(Metadata, "gathering_time");
  return {
    requestId: requestIdOf(message),
    gatheredAt: typeof gathered === "string" ? parseReportTime(gathered)?.text : undefined,
    clusterVersion: versionOf(memberOf(Report, "info")),
  };
}

/** The upload that a message is about, whatever else is wrong with it. */
export const requestIdOf = (message: object): string | undefined => nameIn(message, "RequestId");

function versionOf(info: unknown): string | undefined {
  if (!Array.isArray(info)) return undefined;
  const item = info.find((one) => memberOf(one, "info_id") === versionItem);
  return nameIn(memberOf(item, "details"), "version");
}

function nameIn(value: unknown, member: string): string | undefined {
  const found = memberOf(value, member);
  return typeof found === "string" && found !== "" && found.length <= longestName ? found : undefined;
}

function memberOf(value: unknown, member: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[member] : undefined;
}
