import { calendarOf, type TradingCalendar } from "../TradingCalendar.ts"
import { announced } from "./announced.ts"

/** The built-in calendar; TRADING_CALENDAR_FILE adds to it. */
export const builtInCalendar: TradingCalendar = calendarOf([announced])
