import type { Task } from "graphile-worker";
import { deliverDue } from "../src/deliver/target.ts";
import { services } from "../src/ops/services.ts";

/** Sends what is due to platform.notifications.ingress. Payload: none. */
const deliverNotificationsBackend: Task = async (_payload, { abortSignal }) => {
  const { notificationsBackend, pool, log } = services();
  await deliverDue(notificationsBackend, pool, log, abortSignal);
};

export default deliverNotificationsBackend;
