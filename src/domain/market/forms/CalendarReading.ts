import type { Announcements } from "../Announcements.ts"

/** The forms in which calendars are read: our own, NSE's holiday-master, and the public holidays of Indian broker APIs. */
export type CalendarForm = "own" | "nse" | "broker"

/** What a file says. */
export interface CalendarReading {
  readonly form: CalendarForm
  readonly announcements: Announcements
  /** What the file leaves open or was taken to mean, for people to check. */
  readonly remarks: ReadonlyArray<string>
}
