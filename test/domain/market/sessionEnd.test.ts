import { assert, describe, it } from "@effect/vitest"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { mayEndByItself } from "../../../src/domain/market/sessionEnd.ts"
import type { VenueId } from "../../../src/domain/market/Venue.ts"

const at = (time: string, day = "2026-12-01") => Date.parse(`${day}T${time}+05:30`)

describe("an order that ends without a request", () => {
  const cases: ReadonlyArray<readonly [venue: VenueId, product: string, time: string, ends: boolean, day?: string]> = [
    ["EQUITY_WITH_DERIVATIVES", "CNC", "15:14:50", false],
    ["EQUITY_WITH_DERIVATIVES", "CNC", "15:14:56", true],
    ["EQUITY_WITH_DERIVATIVES", "CNC", "15:30:10", true],
    ["EQUITY_WITH_DERIVATIVES", "CNC", "15:20:00", false, "2026-07-31"],
    ["EQUITY", "CNC", "15:20:00", false],
    ["EQUITY", "CNC", "15:30:00", true],
    ["EQUITY", "MIS", "15:19:00", false],
    ["EQUITY", "MIS", "15:20:01", true],
    ["EQUITY_WITH_DERIVATIVES", "MIS", "15:04:00", false],
    ["EQUITY_WITH_DERIVATIVES", "MIS", "15:12:01", true],
    ["EQUITY_DERIVATIVES", "MIS", "15:24:00", false],
    ["EQUITY_DERIVATIVES", "MIS", "15:25:01", true],
    ["EQUITY_DERIVATIVES", "NRML", "15:25:01", false],
    ["CURRENCY_DERIVATIVES", "MIS", "16:45:01", true],
    ["COMMODITIES", "MIS", "23:29:00", false],
    ["COMMODITIES", "MIS", "23:30:01", true],
    ["COMMODITIES", "NRML", "23:30:01", false],
    ["EQUITY", "CNC", "11:00:00", true, "2026-12-25"]
  ]
  for (const [venue, product, time, ends, day] of cases) {
    it(`${ends ? "may be" : "is no"} ${product} order of ${venue} at ${time}${day === undefined ? "" : ` of ${day}`}`, () => {
      assert.strictEqual(mayEndByItself(builtInCalendar, venue, product, at(time, day)), ends)
    })
  }

  it("is not known without a calendar or a venue", () => {
    assert.isFalse(mayEndByItself(null, "EQUITY", "CNC", at("20:00:00")))
    assert.isFalse(mayEndByItself(builtInCalendar, null, "CNC", at("20:00:00")))
  })
})
