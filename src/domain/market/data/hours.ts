import type { RegularHours } from "../Announcements.ts"

/**
 * Continuous trading on Mondays to Fridays. Pre-open sessions, closing auctions and post-close sessions are left out:
 * nothing is placed in them. Circulars were read in a public archive's summaries (rhnvrm/stock-market-circulars).
 *
 * - Since 2026-08-03 shares on which there are derivatives stop at 15:15, for a closing auction until 15:35, and equity
 *   derivatives go on until 15:40: NSE/CMTR/74466 and NSE/FAOP/74467 of 2026-05-29; BSE's notices of 2026-08-01. All other
 *   shares stay as they were (BSE's of 2026-06-10; it leaves out CDSL and BSE too, which close at 15:15 here all the same).
 * - MCX closes at 23:30 in the US summer and at 23:55 in its winter, from the Monday after the change: 2025-03-10 by MCX's
 *   circular in newspapers; 2026-03-09 to 2026-10-30 by NSE/COM/72699 and BSE's 20260209-18, whose commodities keep the
 *   same hours; the autumn of 2025 by the rule. So it is for goods with a price abroad (metals, energy). Farm goods close
 *   at 17:00 or 21:00 and are not told apart.
 * - Currency contracts with the rupee. NSE's page gives those between other currencies both 19:30 and 17:00: here 17:00.
 */
export const hours: ReadonlyArray<RegularHours> = [
  { market: "EQUITY", since: "2025-01-01", hours: ["09:15", "15:30"] },
  { market: "EQUITY_WITH_DERIVATIVES", since: "2025-01-01", hours: ["09:15", "15:30"] },
  { market: "EQUITY_WITH_DERIVATIVES", since: "2026-08-03", hours: ["09:15", "15:15"] },
  { market: "EQUITY_DERIVATIVES", since: "2025-01-01", hours: ["09:15", "15:30"] },
  { market: "EQUITY_DERIVATIVES", since: "2026-08-03", hours: ["09:15", "15:40"] },
  { market: "CURRENCY_DERIVATIVES", since: "2025-01-01", hours: ["09:00", "17:00"] },
  { market: "COMMODITIES", since: "2025-01-01", hours: ["09:00", "23:30"], closesInUsWinter: "23:55" }
]
