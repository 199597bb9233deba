import type { Task } from "graphile-worker";
import { announceUploads as announce } from "../src/upload/announce.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { ServicesWith } from "../src/worker/services.ts";

/** Sends announcements and statuses of uploads. Payload: none. */
export default function announceUploads({ uploads, pool, log }: ServicesWith<"uploads">): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("announce_uploads", () => announce(pool, uploads, log, abortSignal));
}
