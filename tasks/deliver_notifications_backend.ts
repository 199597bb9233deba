import type { Task } from "graphile-worker";
import { deliverDue } from "../src/deliver/deliver_due.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { Services } from "../src/worker/services.ts";

/** Sends what is due to platform.notifications.ingress. Payload: none. */
export default function deliverNotificationsBackend({
  notificationsBackend,
  pool,
  contentTexts,
  log,
}: Services): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("deliver_notifications_backend", () =>
      deliverDue(notificationsBackend, pool, contentTexts, log, abortSignal),
    );
}
