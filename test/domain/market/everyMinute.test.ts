import { assert, describe, it } from "@effect/vitest"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { sessionAt } from "../../../src/domain/market/TradingCalendar.ts"
import { venueIds } from "../../../src/domain/market/Venue.ts"
import { isOpen, minutesOfDay, yearStartMillis } from "../../support/exchangeHours.ts"

describe("every minute of 2026", () => {
  for (const market of venueIds) {
    it(`is open or closed as the exchange's rules say, with the right next session: ${market}`, () => {
      let nextOpen: number | null = null
      for (let index = 365 * minutesOfDay - 1; index >= 0; index -= 1) {
        const millis = yearStartMillis + index * 60_000
        const expected = isOpen(market, Math.floor(index / minutesOfDay), index % minutesOfDay)
        if (expected) nextOpen = millis
        const found = sessionAt(builtInCalendar, market, millis)
        // Only differences are asserted, because half a million assertions are slow.
        if ((found._tag === "Open") !== expected) assert.fail(`${new Date(millis).toISOString()} ${found._tag}`)
        if (found._tag === "Closed" && (found.next?.opensMillis ?? null) !== nextOpen) {
          assert.fail(`${new Date(millis).toISOString()} next ${JSON.stringify(found.next)}`)
        }
      }
    })
  }
})
