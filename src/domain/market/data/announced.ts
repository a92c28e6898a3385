import type { Announcements } from "../Announcements.ts"
import { days2025 } from "./days2025.ts"
import { days2026 } from "./days2026.ts"
import { hours } from "./hours.ts"

/** No list for 2027 was out when this was written: exchanges publish the next year's in December. */
export const announced: Announcements = { until: "2026-12-31", hours, days: [...days2025, ...days2026] }
