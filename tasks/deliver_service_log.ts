import type { Task } from "graphile-worker";
import { deliverDue } from "../src/deliver/target.ts";
import { services } from "../src/ops/services.ts";

/** Posts what is due to the Service Log. Payload: none. */
const deliverServiceLog: Task = async (_payload, { abortSignal }) => {
  const { serviceLog, pool, log } = services();
  if (serviceLog) await deliverDue(serviceLog, pool, log, abortSignal);
  else log.warn("notifications for the service log wait: CCX_SERVICE_LOG_URL is not set in this process");
};

export default deliverServiceLog;
