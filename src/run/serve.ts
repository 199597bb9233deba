import type { HttpRoom } from "../http/server.ts";
import type { Parts } from "./parts.ts";

/** What this process serves beside its metrics and health: the rooms that answer HTTP. */
export function servedRooms(_parts: Omit<Parts, "kafka">): readonly HttpRoom[] {
  return [];
}
