import type { Announcements } from "../Announcements.ts"
import { days2025 } from "./days2025.ts"
import { days2026 } from "./days2026.ts"
import { hours } from "./hours.ts"

/** Ends with 2026: exchanges publish the next year's holidays in December. */
export const announced: Announcements = { until: "2026-12-31", hours, days: [...days2025, ...days2026] }
