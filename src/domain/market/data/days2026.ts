import type { SpecialDay } from "../Announcements.ts"
import { closed, commodities, currencies, days, morningOnly, stocks, summerEvening, winterEvening } from "./special.ts"

/**
 * 2026, without festivals on weekends. Circulars are named by number, but were read in a public archive's summaries of them
 * (rhnvrm/stock-market-circulars, to 2026-08-22), not in the original:
 *
 * - Shares: NSE/CMTR/71775 of 2025-12-12, derivatives FAOP/71777. A list that another project took from NSE's site on
 *   2026-09-23 has the same days.
 * - Currencies: NSE/CD/71962 and BSE's 20251223-12 of 2025-12-23, four days more. Nothing later than 08-22 was at hand.
 * - MCX: its list in newspapers (CNBC, Goldsilverreports), as BSE's 20251215-5 has it for commodities. The summary of
 *   NSE/COM/71784 closes 01-01, 06-26 and 11-24 all day and rupeezy.in lacks 03-26: neither is followed; newspapers had
 *   MCX open on the evening of 06-26.
 * - 01-15 (elections): NSE/CD/72233, CMTR/72260, FAOP/72262 and COM/72263; MCX's evening by newspapers.
 * - The Budget on Sunday 02-01: NSE/CMTR/72349, FAOP/72352 and COM/72351 of 2026-01-16; MCX's 09:00 to 17:00 by
 *   newspapers. No circular that was found spoke of currencies: closed.
 *
 * Muhurat trading was announced for Sunday 11-08, its hour "subsequently". That later circular was not at hand, so nothing
 * is placed on this day.
 */
export const days2026: ReadonlyArray<SpecialDay> = [
  ...days([...stocks, ...currencies], closed, {
    "2026-01-15": "Municipal Corporation Election - Maharashtra",
    "2026-01-26": "Republic Day",
    "2026-03-03": "Holi",
    "2026-03-26": "Shri Ram Navami",
    "2026-03-31": "Shri Mahavir Jayanti",
    "2026-04-03": "Good Friday",
    "2026-04-14": "Dr. Baba Saheb Ambedkar Jayanti",
    "2026-05-01": "Maharashtra Day",
    "2026-05-28": "Bakri Id",
    "2026-06-26": "Muharram",
    "2026-09-14": "Ganesh Chaturthi",
    "2026-10-02": "Mahatma Gandhi Jayanti",
    "2026-10-20": "Dussehra",
    "2026-11-10": "Diwali-Balipratipada",
    "2026-11-24": "Prakash Gurpurb Sri Guru Nanak Dev",
    "2026-12-25": "Christmas"
  }),
  ...days(currencies, closed, {
    "2026-02-19": "Chhatrapati Shivaji Maharaj Jayanti",
    "2026-03-19": "Gudi Padwa",
    "2026-04-01": "Annual Bank Closing",
    "2026-08-26": "Id-E-Milad"
  }),
  ...days(commodities, closed, {
    "2026-01-26": "Republic Day",
    "2026-04-03": "Good Friday",
    "2026-10-02": "Mahatma Gandhi Jayanti",
    "2026-12-25": "Christmas"
  }),
  ...days(commodities, morningOnly, { "2026-01-01": "New Year's Day", "2026-02-01": "Union Budget" }),
  ...days(commodities, winterEvening, {
    "2026-01-15": "Municipal Corporation Election - Maharashtra",
    "2026-03-03": "Holi",
    "2026-11-10": "Diwali-Balipratipada",
    "2026-11-24": "Prakash Gurpurb Sri Guru Nanak Dev"
  }),
  ...days(commodities, summerEvening, {
    "2026-03-26": "Shri Ram Navami",
    "2026-03-31": "Shri Mahavir Jayanti",
    "2026-04-14": "Dr. Baba Saheb Ambedkar Jayanti",
    "2026-05-01": "Maharashtra Day",
    "2026-05-28": "Bakri Id",
    "2026-06-26": "Muharram",
    "2026-09-14": "Ganesh Chaturthi",
    "2026-10-20": "Dussehra"
  }),
  ...days(stocks, [["09:15", "15:30"]], { "2026-02-01": "Union Budget" }),
  { day: "2026-11-08", markets: "all", sessions: closed, name: "Muhurat trading", hoursToCome: true }
]
