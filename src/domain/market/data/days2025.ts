import type { SpecialDay } from "../Announcements.ts"
import { closed, commodities, currencies, days, morningOnly, stocks, summerEvening, winterEvening } from "./special.ts"

/**
 * 2025, without festivals on weekends. No circular was at hand in the original:
 *
 * - Shares and derivatives: NSE's list as many pages repeat it.
 * - Currencies: those days, and four more. 02-19, 04-01 and 05-12 by newspapers; Id-E-Milad, moved from 09-05 to 09-08, by
 *   a summary of NSE/CD/70033 of 2025-09-04 and by the Reserve Bank in newspapers. No full list was found.
 * - MCX: its list of sessions as rupeezy.in repeats it.
 * - The Budget on Saturday 02-01: NSE, BSE and MCX in newspapers. None spoke of currencies: closed.
 * - Muhurat trading: newspapers, for all of these markets.
 */
export const days2025: ReadonlyArray<SpecialDay> = [
  ...days([...stocks, ...currencies], closed, {
    "2025-02-26": "Mahashivratri",
    "2025-03-14": "Holi",
    "2025-03-31": "Id-Ul-Fitr",
    "2025-04-10": "Shri Mahavir Jayanti",
    "2025-04-14": "Dr. Baba Saheb Ambedkar Jayanti",
    "2025-04-18": "Good Friday",
    "2025-05-01": "Maharashtra Day",
    "2025-08-15": "Independence Day",
    "2025-08-27": "Ganesh Chaturthi",
    "2025-10-02": "Mahatma Gandhi Jayanti",
    "2025-10-22": "Diwali-Balipratipada",
    "2025-11-05": "Prakash Gurpurb Sri Guru Nanak Dev",
    "2025-12-25": "Christmas"
  }),
  ...days(currencies, closed, {
    "2025-02-19": "Chhatrapati Shivaji Maharaj Jayanti",
    "2025-04-01": "Annual Bank Closing",
    "2025-05-12": "Buddha Pournima",
    "2025-09-08": "Id-E-Milad"
  }),
  ...days(commodities, closed, {
    "2025-04-18": "Good Friday",
    "2025-08-15": "Independence Day",
    "2025-10-02": "Mahatma Gandhi Jayanti",
    "2025-12-25": "Christmas"
  }),
  ...days(commodities, morningOnly, { "2025-01-01": "New Year's Day", "2025-02-01": "Union Budget" }),
  ...days(commodities, winterEvening, {
    "2025-02-26": "Mahashivratri",
    "2025-11-05": "Prakash Gurpurb Sri Guru Nanak Dev"
  }),
  ...days(commodities, summerEvening, {
    "2025-03-14": "Holi",
    "2025-03-31": "Id-Ul-Fitr",
    "2025-04-10": "Shri Mahavir Jayanti",
    "2025-04-14": "Dr. Baba Saheb Ambedkar Jayanti",
    "2025-05-01": "Maharashtra Day",
    "2025-08-27": "Ganesh Chaturthi",
    "2025-10-22": "Diwali-Balipratipada"
  }),
  ...days(stocks, [["09:15", "15:30"]], { "2025-02-01": "Union Budget" }),
  ...days([...stocks, ...currencies, ...commodities], [["13:45", "14:45"]], { "2025-10-21": "Muhurat trading" })
]
