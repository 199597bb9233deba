import type { Task } from "graphile-worker";
import { deliverDue } from "../src/deliver/deliver_due.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import { services } from "../src/worker/services.ts";

/** Posts what is due to the Service Log. Payload: none. Only processes that are configured for it take this task. */
const deliverServiceLog: Task = async (_payload, { abortSignal }) => {
  const { serviceLog, pool, contentTexts, log } = services();
  if (!serviceLog) throw new Error("the Service Log is not configured in this process");
  await oneAtATime("deliver_service_log", () => deliverDue(serviceLog, pool, contentTexts, log, abortSignal));
};

export default deliverServiceLog;
