import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { announced } from "../../../src/domain/market/data/announced.ts"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import {
  calendarEnds,
  calendarOf,
  describeEnds,
  endsOf,
  sessionAt,
  sessionsFrom
} from "../../../src/domain/market/TradingCalendar.ts"
import { Sessions } from "../../../src/domain/market/TradingSession.ts"
import { forEachVenue, type VenueId, venueOf, venueIds } from "../../../src/domain/market/Venue.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"

const ist = (text: string) => Date.parse(`${text}:00+05:30`)
const clock = (millis: number) => new Date(millis + 19_800_000).toISOString().slice(11, 16)

/** A day's sessions as text: 09:15-15:30. */
const dayOf = (market: VenueId, day: string, calendar = builtInCalendar) =>
  sessionsFrom(calendar, market, ist(`${day}T00:00`), 0)
    .map(({ opensMillis, closesMillis }) => `${clock(opensMillis)}-${clock(closesMillis)}`)
    .join(" ")

describe("venueOf", () => {
  for (const { name, hasDerivatives, market } of [
    { name: "NSE:INFY", hasDerivatives: true, market: "EQUITY_WITH_DERIVATIVES" },
    { name: "NSE:INFY", hasDerivatives: null, market: "EQUITY_WITH_DERIVATIVES" },
    { name: "BSE:SMALLCO", hasDerivatives: false, market: "EQUITY" },
    { name: "NFO:NIFTY26NOVFUT", hasDerivatives: null, market: "EQUITY_DERIVATIVES" },
    { name: "BFO:SENSEX26NOVFUT", hasDerivatives: false, market: "EQUITY_DERIVATIVES" },
    { name: "CDS:USDINR26NOVFUT", hasDerivatives: null, market: "CURRENCY_DERIVATIVES" },
    { name: "BCD:USDINR26NOVFUT", hasDerivatives: null, market: "CURRENCY_DERIVATIVES" },
    { name: "MCX:GOLD26DECFUT", hasDerivatives: null, market: "COMMODITIES" },
    { name: "NSEIX:GIFTNIFTY", hasDerivatives: null, market: null }
  ]) {
    it(`${name}, derivatives ${hasDerivatives}: ${market}`, () =>
      assert.strictEqual(venueOf(Instrument.make(name), hasDerivatives), market))
  }
})

describe("a day of the calendar", () => {
  const [share, farShare, future, currency, mcx] = [
    "EQUITY",
    "EQUITY_WITH_DERIVATIVES",
    "EQUITY_DERIVATIVES",
    "CURRENCY_DERIVATIVES",
    "COMMODITIES"
  ] as const
  for (const [day, market, hours] of [
    // New Year's Day, and the Budget's Saturday and Sunday.
    ["2025-01-01", share, "09:15-15:30"],
    ["2025-01-01", mcx, "09:00-17:00"],
    ["2025-02-01", share, "09:15-15:30"],
    ["2025-02-01", future, "09:15-15:30"],
    ["2025-02-01", mcx, "09:00-17:00"],
    ["2025-02-01", currency, ""],
    ["2026-02-01", farShare, "09:15-15:30"],
    ["2026-02-01", mcx, "09:00-17:00"],
    ["2026-02-01", currency, ""],
    // Holidays of all markets, of currencies only, and moved ones.
    ["2026-01-15", share, ""],
    ["2026-01-15", mcx, "17:00-23:55"],
    ["2026-01-26", mcx, ""],
    ["2025-02-19", currency, ""],
    ["2025-02-19", share, "09:15-15:30"],
    ["2025-09-05", currency, "09:00-17:00"],
    ["2025-09-08", currency, ""],
    ["2026-04-01", currency, ""],
    ["2026-04-01", future, "09:15-15:30"],
    // Diwali.
    ["2025-10-21", share, "13:45-14:45"],
    ["2025-10-21", currency, "13:45-14:45"],
    ["2025-10-21", mcx, "13:45-14:45"],
    ["2025-10-22", share, ""],
    ["2025-10-22", mcx, "17:00-23:30"],
    ["2026-11-08", share, ""],
    ["2026-11-10", mcx, "17:00-23:55"],
    // Daylight saving time in the US.
    ["2025-03-07", mcx, "09:00-23:55"],
    ["2025-03-10", mcx, "09:00-23:30"],
    ["2025-10-31", mcx, "09:00-23:30"],
    ["2025-11-03", mcx, "09:00-23:55"],
    ["2026-03-06", mcx, "09:00-23:55"],
    ["2026-03-09", mcx, "09:00-23:30"],
    ["2026-10-30", mcx, "09:00-23:30"],
    ["2026-11-02", mcx, "09:00-23:55"],
    // The closing auction begins.
    ["2026-07-31", farShare, "09:15-15:30"],
    ["2026-08-02", farShare, ""],
    ["2026-08-03", farShare, "09:15-15:15"],
    ["2026-08-03", share, "09:15-15:30"],
    ["2026-07-31", future, "09:15-15:30"],
    ["2026-08-03", future, "09:15-15:40"],
    ["2026-08-03", currency, "09:00-17:00"],
    // A monthly expiry is an ordinary day, and so is the last day of the year.
    ["2026-10-27", future, "09:15-15:40"],
    ["2026-12-31", mcx, "09:00-23:55"]
  ] as const) {
    it(`${day} ${market}: ${hours || "closed"}`, () => assert.strictEqual(dayOf(market, day), hours))
  }
})

describe("sessionAt", () => {
  const at = (market: VenueId, moment: string) => sessionAt(builtInCalendar, market, ist(moment))

  it("is open from the opening to just before the close", () => {
    const open = ist("2026-11-25T09:15")
    const session = { opensMillis: open, closesMillis: ist("2026-11-25T15:15") }
    const market = "EQUITY_WITH_DERIVATIVES"
    assert.deepStrictEqual(sessionAt(builtInCalendar, market, open), { _tag: "Open", session })
    assert.deepStrictEqual(sessionAt(builtInCalendar, market, session.closesMillis - 1), { _tag: "Open", session })
    assert.deepInclude(sessionAt(builtInCalendar, market, open - 1), { _tag: "Closed", next: session })
    assert.deepInclude(sessionAt(builtInCalendar, market, session.closesMillis), { _tag: "Closed" })
  })

  for (const [moment, market, reason, next] of [
    ["2026-11-25T08:00", "EQUITY_WITH_DERIVATIVES", "outside 09:15–15:15 IST", "2026-11-25T09:15"],
    ["2026-11-25T15:15", "EQUITY_WITH_DERIVATIVES", "outside 09:15–15:15 IST", "2026-11-26T09:15"],
    ["2026-11-21T12:00", "EQUITY", "weekend", "2026-11-23T09:15"],
    ["2026-11-10T12:00", "EQUITY", "the exchange is closed: Diwali-Balipratipada", "2026-11-11T09:15"],
    ["2026-11-10T12:00", "COMMODITIES", "outside 17:00–23:55 IST: Diwali-Balipratipada", "2026-11-10T17:00"],
    ["2025-10-21T10:00", "EQUITY", "outside 13:45–14:45 IST: Muhurat trading", "2025-10-21T13:45"],
    ["2020-01-01T12:00", "EQUITY", "the trading calendar begins on 2025-01-01", "2025-01-01T09:15"],
    ["2026-12-31T15:30", "EQUITY", "outside 09:15–15:30 IST", null],
    ["2027-01-04T10:00", "EQUITY", "the trading calendar of EQUITY ends on 2026-12-31", null]
  ] as const) {
    it(`${moment} ${market}: ${reason}`, () => {
      const found = at(market, moment)
      assert.strictEqual(found._tag, "Closed")
      if (found._tag !== "Closed") return
      assert.strictEqual(found.reason, reason)
      assert.strictEqual(found.next?.opensMillis ?? null, next === null ? null : ist(next))
    })
  }

  it("says where the calendar ends", () => {
    assert.strictEqual(
      calendarEnds(builtInCalendar, "EQUITY").message,
      'the trading days of EQUITY are known until 2026-12-31; "calendar import FILE" adds later ones'
    )
  })
})

describe("sessionsFrom", () => {
  it("has the current session and those of the given number of days after it", () => {
    const sessions = (moment: string, days: number) =>
      sessionsFrom(builtInCalendar, "EQUITY", ist(moment), days).map(({ opensMillis }) => opensMillis)
    assert.deepStrictEqual(sessions("2026-11-20T15:29", 0), [ist("2026-11-20T09:15")])
    assert.deepStrictEqual(sessions("2026-11-20T15:30", 0), [])
    assert.deepStrictEqual(sessions("2026-11-20T15:29", 2), [ist("2026-11-20T09:15")])
    assert.deepStrictEqual(sessions("2026-11-20T15:30", 3), [ist("2026-11-23T09:15")])
    assert.deepStrictEqual(sessions("2026-11-20T00:00", 5), [
      ist("2026-11-20T09:15"),
      ist("2026-11-23T09:15"),
      ist("2026-11-25T09:15")
    ])
  })

  it("has fewer sessions at the calendar's end, and always in order", () => {
    for (const market of venueIds) {
      const all = sessionsFrom(builtInCalendar, market, ist("2024-06-01T00:00"), 100_000)
      Schema.decodeUnknownSync(Sessions)(JSON.parse(JSON.stringify(all)))
      assert.isBelow(all.at(-1)?.closesMillis ?? Infinity, ist("2027-01-01T00:00"))
      assert.deepStrictEqual(sessionsFrom(builtInCalendar, market, ist("2027-01-01T00:00"), 30), [])
    }
  })
})

describe("later announcements", () => {
  const later = calendarOf([
    announced,
    {
      until: "2027-12-31",
      hours: [{ market: "EQUITY", since: "2027-06-01", hours: ["09:00", "16:00"] }],
      days: [
        { day: "2026-11-08", markets: "all", sessions: [["18:00", "19:00"]], name: "Muhurat trading" },
        { day: "2026-12-25", markets: ["EQUITY"], sessions: [["09:15", "15:30"]], name: "no holiday after all" },
        { day: "2027-01-26", markets: "all", sessions: [], name: "Republic Day" }
      ]
    }
  ])

  it("add days, and replace the entry of the same market and day", () => {
    assert.deepStrictEqual(
      endsOf(later),
      forEachVenue(() => "2027-12-31")
    )
    for (const market of venueIds) {
      assert.strictEqual(dayOf(market, "2026-11-08", later), "18:00-19:00")
      assert.strictEqual(dayOf(market, "2027-01-26", later), "")
    }
    assert.strictEqual(dayOf("EQUITY", "2026-12-25", later), "09:15-15:30")
    assert.strictEqual(dayOf("COMMODITIES", "2026-12-25", later), "")
    assert.strictEqual(dayOf("EQUITY", "2027-05-31", later), "09:15-15:30")
    assert.strictEqual(dayOf("EQUITY", "2027-06-01", later), "09:00-16:00")
  })

  it("leave a market of which they say nothing with the end that it had", () => {
    const shares = calendarOf([
      announced,
      {
        until: "2027-12-31",
        days: [
          { day: "2026-12-24", markets: ["COMMODITIES"], sessions: [], name: "a late holiday" },
          { day: "2027-01-26", markets: ["EQUITY"], sessions: [], name: "Republic Day" }
        ]
      }
    ])
    assert.deepStrictEqual(endsOf(shares), { ...endsOf(builtInCalendar), EQUITY: "2027-12-31" })
    assert.strictEqual(dayOf("EQUITY", "2027-01-27", shares), "09:15-15:30")
    assert.strictEqual(dayOf("COMMODITIES", "2026-12-24", shares), "")
    const closed = sessionAt(shares, "COMMODITIES", ist("2027-01-26T10:00"))
    assert.deepStrictEqual(closed, {
      _tag: "Closed",
      next: null,
      reason: "the trading calendar of COMMODITIES ends on 2026-12-31"
    })
    assert.strictEqual(calendarEnds(shares, "COMMODITIES").until, "2026-12-31")
    assert.strictEqual(calendarEnds(shares, "EQUITY").until, "2027-12-31")
  })

  it("may give each market an end of its own", () => {
    const until = { EQUITY: "2027-03-31", COMMODITIES: "2027-12-31", CURRENCY_DERIVATIVES: "2026-01-31" }
    assert.strictEqual(
      describeEnds(endsOf(calendarOf([announced, { until, days: [] }]))),
      "2026-12-31 (EQUITY_WITH_DERIVATIVES, EQUITY_DERIVATIVES, CURRENCY_DERIVATIVES), " +
        "2027-03-31 (EQUITY), 2027-12-31 (COMMODITIES)"
    )
  })

  it("need not say when daylight saving time changes in the US", () => {
    const closes = ["2027-03-12", "2027-03-15", "2027-11-05", "2027-11-08"].map((day) =>
      dayOf("COMMODITIES", day, later)
    )
    assert.deepStrictEqual(closes, ["09:00-23:55", "09:00-23:30", "09:00-23:30", "09:00-23:55"])
  })

  it("never remove known days", () => {
    assert.strictEqual(describeEnds(endsOf(calendarOf([announced, { until: "2025-06-30", days: [] }]))), "2026-12-31")
  })
})
