import type { Task } from "graphile-worker";
import { deliverDue } from "../src/deliver/deliver_due.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { ServicesWith } from "../src/worker/services.ts";

/** Posts what is due to the Service Log. Payload: none. */
export default function deliverServiceLog({
  serviceLog,
  pool,
  contentTexts,
  log,
}: ServicesWith<"serviceLog">): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("deliver_service_log", () => deliverDue(serviceLog, pool, contentTexts, log, abortSignal));
}
