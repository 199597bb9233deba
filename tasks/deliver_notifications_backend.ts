import type { Task } from "graphile-worker";
import { deliverDue } from "../src/deliver/deliver_due.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import { services } from "../src/worker/services.ts";

/** Sends what is due to platform.notifications.ingress. Payload: none. */
const deliverNotificationsBackend: Task = async (_payload, { abortSignal }) => {
  const { notificationsBackend, pool, contentTexts, log } = services();
  await oneAtATime("deliver_notifications_backend", () =>
    deliverDue(notificationsBackend, pool, contentTexts, log, abortSignal),
  );
};

export default deliverNotificationsBackend;
