import type { Announcements } from "../Announcements.ts"
import { hours } from "./hours.ts"

/** No list for 2027 was out when this was written: exchanges publish the next year's in December. */
export const announced: Announcements = {
  until: "2026-12-31",
  hours,
  days: []
}
