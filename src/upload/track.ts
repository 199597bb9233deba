import type { Tracked } from "./sql.ts";

/**
 * The answer to a question where an upload is, in the form of a payload tracker: all that was said, or the
 * latest.
 */
export function tracked(requestId: string, said: readonly Tracked[], all: boolean): object {
  const data = said.map(({ service, status, status_msg, date, org_id, account_number }) => ({
    service,
    account: account_number,
    org_id: org_id ?? "",
    request_id: requestId,
    status,
    status_msg: status_msg ?? "",
    date: date.toISOString(),
    inventory_id: "",
  }));
  if (all) return { data, duration: durations(said) };
  const [latest] = data;
  return {
    status_msg: latest?.status_msg,
    date: latest?.date,
    inventory_id: latest?.inventory_id,
    service: latest?.service,
    status: latest?.status,
  };
}

/**
 * How long each service took from the first to the last that it said, and all of them together, in seconds.
 */
function durations(said: readonly Tracked[]): Record<string, number> {
  const between = (group: readonly Tracked[]) => {
    const times = group.map(({ date }) => date.getTime());
    return (Math.max(...times) - Math.min(...times)) / 1_000;
  };
  const byService = Map.groupBy(said, ({ service }) => service);
  return {
    ...Object.fromEntries([...byService].map(([service, group]) => [service, between(group)])),
    total_time: between(said),
  };
}
