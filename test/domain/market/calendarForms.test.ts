import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Announcements } from "../../../src/domain/market/Announcements.ts"
import { announced } from "../../../src/domain/market/data/announced.ts"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { hours } from "../../../src/domain/market/data/hours.ts"
import { readCalendarText } from "../../../src/domain/market/forms/readCalendarText.ts"
import { calendarOf, describeEnds, endsOf, hoursOn } from "../../../src/domain/market/TradingCalendar.ts"
import { forEachVenue, type VenueId, venueIds } from "../../../src/domain/market/Venue.ts"

/**
 * The published lists of 2026, typed from the exchanges' notices (BSE of 12, 15 and 23 December 2025, NSE/FAOP/71777, COM/71784 and
 * CD/71962, and the later ones on 15 January and 1 February), not from the service's data.
 */
const sharesClosed = "01-15 01-26 03-03 03-26 03-31 04-03 04-14 05-01 05-28 06-26 09-14 10-02 10-20 11-10 11-24 12-25"
const currenciesToo = "02-19 03-19 04-01 08-26"
const mcxClosed = "01-26 04-03 10-02 12-25"
const mcxEvening = "03-03 03-26 03-31 04-14 05-01 05-28 06-26 09-14 10-20 11-10 11-24 01-15"
const mcxMorning = "01-01"

/** NSE's list of 2025 for shares, typed anew; on 21 October was the Muhurat session. */
const sharesClosed2025 = "02-26 03-14 03-31 04-10 04-14 04-18 05-01 08-15 08-27 10-02 10-22 11-05 12-25"

const days = (list: string, year = 2026) => list.split(" ").map((day) => `${year}-${day}`)
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const nseDay = (day: string) => `${day.slice(8)}-${months[Number(day.slice(5, 7)) - 1]}-${day.slice(0, 4)}`
const weekday = (day: string) => new Date(day).toLocaleDateString("en", { weekday: "long", timeZone: "UTC" })

const nseRow = (day: string, more: Readonly<Record<string, unknown>> = {}) => ({
  tradingDate: nseDay(day),
  weekDay: weekday(day),
  description: "a holiday",
  morning_session: null,
  evening_session: null,
  Sr_no: 1,
  ...more
})

/** Sundays and a Saturday that are in the list as well. */
const weekends = days("02-15 08-15")
const diwali = nseRow("2026-11-08", { description: "Diwali Laxmi Pujan*" })
const rows = (list: ReadonlyArray<string>) => [...[...list, ...weekends].map((day) => nseRow(day)), diwali]

const nse2026 = {
  CM: rows(days(sharesClosed)),
  FO: rows(days(sharesClosed)),
  CD: rows(days(`${sharesClosed} ${currenciesToo}`)),
  COM: [
    ...days(mcxClosed).map((day) => nseRow(day, { morning_session: "Closed", evening_session: "Closed" })),
    ...days(mcxEvening).map((day) => nseRow(day, { morning_session: "Closed", evening_session: "Open" })),
    ...days(mcxMorning).map((day) => nseRow(day, { morning_session: "Open", evening_session: "Closed" })),
    ...weekends.map((day) => nseRow(day)),
    diwali
  ],
  MF: [{ anything: "else" }]
}

const at = (day: string, time: string) => Date.parse(`${day}T${time}:00+05:30`)
const open = (day: string, exchange: string, from: string, to: string) => ({
  exchange,
  start_time: at(day, from),
  end_time: at(day, to)
})
const stocks = ["NSE", "NFO", "BSE", "BFO"]
const currencies = ["CDS", "BCD"]

const brokerRow = (day: string) => {
  const isMcxEvening = days(mcxEvening).includes(day)
  const isMcxClosed = days(mcxClosed).includes(day)
  const winter = day < "2026-03-09" || day >= "2026-11-02"
  return {
    date: day,
    description: "a holiday",
    holiday_type: "TRADING_HOLIDAY",
    closed_exchanges: [
      ...(days(sharesClosed).includes(day) ? stocks : []),
      ...(days(`${sharesClosed} ${currenciesToo}`).includes(day) ? currencies : []),
      ...(isMcxClosed ? ["MCX"] : [])
    ],
    open_exchanges: isMcxEvening ? [open(day, "MCX", "17:00", winter ? "23:55" : "23:30")] : []
  }
}

const broker2026 = {
  status: "success",
  data: [
    // Nothing is closed: all have their hours, MCX only the morning's.
    {
      date: "2026-01-01",
      description: "New Year Day",
      holiday_type: "TRADING_HOLIDAY",
      closed_exchanges: [],
      open_exchanges: [
        open("2026-01-01", "NSE", "09:15", "15:30"),
        open("2026-01-01", "BSE", "09:15", "15:30"),
        open("2026-01-01", "NFO", "09:15", "15:30"),
        open("2026-01-01", "CDS", "09:00", "17:00"),
        open("2026-01-01", "MCX", "09:00", "17:00")
      ]
    },
    ...days(`${sharesClosed} ${currenciesToo}`).map(brokerRow),
    {
      date: "2026-02-01",
      description: "Union Budget",
      holiday_type: "SPECIAL_TIMING",
      closed_exchanges: currencies,
      open_exchanges: [
        ...stocks.map((exchange) => open("2026-02-01", exchange, "09:15", "15:30")),
        open("2026-02-01", "MCX", "09:00", "17:00")
      ]
    },
    {
      date: "2026-11-08",
      description: "Diwali Laxmi Pujan",
      holiday_type: "SPECIAL_TIMING",
      closed_exchanges: [],
      open_exchanges: []
    },
    // Banks are closed, exchanges are not.
    {
      date: "2026-07-15",
      description: "Settlement only",
      holiday_type: "SETTLEMENT_HOLIDAY",
      closed_exchanges: [],
      open_exchanges: []
    }
  ]
}

const own2026 = {
  until: "2026-12-31",
  days: [
    ...days(sharesClosed).map((day) => ({
      day,
      markets: ["EQUITY", "EQUITY_WITH_DERIVATIVES", "EQUITY_DERIVATIVES"],
      sessions: [],
      name: "a holiday"
    })),
    ...days(`${sharesClosed} ${currenciesToo}`).map((day) => ({
      day,
      markets: ["CURRENCY_DERIVATIVES"],
      sessions: [],
      name: "a holiday"
    })),
    ...days(mcxClosed).map((day) => ({ day, markets: ["COMMODITIES"], sessions: [], name: "a holiday" })),
    ...days(mcxEvening).map((day) => ({
      day,
      markets: ["COMMODITIES"],
      sessions: [["17:00", day < "2026-03-09" || day >= "2026-11-02" ? "23:55" : "23:30"]],
      name: "a holiday"
    })),
    ...days(mcxMorning).map((day) => ({
      day,
      markets: ["COMMODITIES"],
      sessions: [["09:00", "17:00"]],
      name: "a holiday"
    }))
  ]
}

/** Only the regular hours are known before a list is read. */
const before = (end: string): Announcements => ({ until: forEachVenue(() => end), hours, days: [] })

const reading = (content: unknown, known: ReadonlyArray<Announcements> = [before("2025-12-31")]) => {
  const read = readCalendarText(typeof content === "string" ? content : JSON.stringify(content), known)
  if (Result.isFailure(read)) throw new Error(read.failure.join("\n"))
  return read.success
}

const problems = (content: unknown) => {
  const read = readCalendarText(typeof content === "string" ? content : JSON.stringify(content), [announced])
  return Result.isFailure(read) ? read.failure : assert.fail("it was read")
}

const everyDay = (year: number) =>
  Array.from({ length: year % 4 === 0 ? 366 : 365 }, (_, index) =>
    new Date(Date.UTC(year, 0, 1 + index)).toISOString().slice(0, 10)
  )

/** The days of a year on which a list, with the regular hours alone, has not the hours of the built-in calendar. */
const differences = (content: unknown, year: number, markets: ReadonlyArray<VenueId> = venueIds) => {
  const known = before(`${year - 1}-12-31`)
  const calendar = calendarOf([known, reading(content, [known]).announcements])
  return markets.flatMap((market) =>
    everyDay(year)
      .filter((day) => hoursOn(calendar, market, day) !== hoursOn(builtInCalendar, market, day))
      .map((day) => `${day} ${market}: ${hoursOn(calendar, market, day)}, not ${hoursOn(builtInCalendar, market, day)}`)
  )
}

describe("every day of 2026 in every market is the built-in calendar's", () => {
  const budget = [
    "2026-02-01 EQUITY: closed, not 09:15–15:30",
    "2026-02-01 EQUITY_WITH_DERIVATIVES: closed, not 09:15–15:30",
    "2026-02-01 EQUITY_DERIVATIVES: closed, not 09:15–15:30",
    "2026-02-01 COMMODITIES: closed, not 09:00–17:00"
  ]
  it("by NSE's holiday-master, but for the Budget's Sunday, which a list of holidays has not", () =>
    assert.deepStrictEqual(differences(nse2026, 2026), budget))

  it("by a broker's list", () => assert.deepStrictEqual(differences(broker2026, 2026), []))

  it("by our own form", () => assert.deepStrictEqual(differences(own2026, 2026), budget))
})

it("NSE's list of 2025 has the built-in calendar's days of shares, but for the Muhurat session's hours", () =>
  assert.deepStrictEqual(
    differences(
      {
        CM: [
          ...days(sharesClosed2025, 2025).map((day) => nseRow(day)),
          nseRow("2025-10-21", { description: "Diwali Laxmi Pujan*" })
        ]
      },
      2025,
      ["EQUITY"]
    ),
    ["2025-02-01 EQUITY: closed, not 09:15–15:30", "2025-10-21 EQUITY: closed, not 13:45–14:45"]
  ))

describe("NSE's holiday-master", () => {
  it("is the end of its year for the segments that it has, and the others keep theirs", () => {
    const next = { CM: days(sharesClosed, 2027).map((day) => nseRow(day)) }
    const { announcements, form, remarks } = reading(next, [announced])
    assert.strictEqual(form, "nse")
    assert.deepStrictEqual(endsOf(calendarOf([announced, announcements])), {
      ...endsOf(builtInCalendar),
      EQUITY: "2027-12-31",
      EQUITY_WITH_DERIVATIVES: "2027-12-31"
    })
    assert.include(remarks.join("\n"), "COMMODITIES: this is not taken for the whole list of 2027, and its end stays")
  })

  it("is no whole list without the national holidays, or with a few days only", () => {
    const some = { FO: days("01-26 10-02", 2027).map((day) => nseRow(day)) }
    const { announcements, remarks } = reading(some, [announced])
    assert.strictEqual(describeEnds(endsOf(calendarOf([announced, announcements]))), "2026-12-31")
    assert.include(remarks.join("\n"), "EQUITY_DERIVATIVES: this is not taken for the whole list of 2027")
    const shifted = { FO: days(sharesClosed.replace("01-26 ", ""), 2027).map((day) => nseRow(day)) }
    assert.include(reading(shifted, [announced]).remarks.join("\n"), "2027-01-26 is not in it")
  })

  it("leaves the hours of a Muhurat session open, and says so", () => {
    const { announcements, remarks } = reading({ CM: [nseRow("2027-10-29", { description: "Diwali-Laxmi Pujan" })] })
    assert.deepInclude(announcements.days[0], { day: "2027-10-29", sessions: [], hoursToCome: true })
    assert.include(remarks.join("\n"), "2027-10-29 (Diwali-Laxmi Pujan) trades at hours that are not in the list")
  })

  it("says for whom NSE's commodities stand", () =>
    assert.include(reading(nse2026).remarks[0], "COM is NSE's own list for commodities, taken for MCX"))

  for (const [morning, evening, hours] of [
    ["Closed", "6:15 PM to 7:15 PM", [["18:15", "19:15"]]],
    ["", "18:15 to 19:15", [["18:15", "19:15"]]],
    [
      "9:00 AM to 12:00 PM",
      "Open",
      [
        ["09:00", "12:00"],
        ["17:00", "23:30"]
      ]
    ],
    [null, "open", [["17:00", "23:30"]]],
    ["CLOSED", "-", []],
    [null, null, []]
  ] as const) {
    it(`reads the sessions ${morning} and ${evening} of COM`, () => {
      const row = nseRow("2026-05-04", { morning_session: morning, evening_session: evening })
      assert.deepStrictEqual(
        reading({ COM: [row] }).announcements.days.map(({ sessions }) => sessions),
        [hours.map((one) => [...one] as [string, string])]
      )
    })
  }

  it("has no special day where both of MCX's halves are open", () => {
    const row = nseRow("2026-05-04", { morning_session: "Open", evening_session: "Open" })
    assert.deepStrictEqual(reading({ COM: [row] }).announcements.days, [])
  })

  it("names every problem with its entry", () =>
    assert.deepStrictEqual(
      problems({
        CM: [nseRow("2026-05-01"), nseRow("2026-05-01"), nseRow("2026-05-04", { weekDay: "Sunday" })],
        COM: [
          nseRow("2026-05-05", { morning_session: "Half" }),
          nseRow("2026-05-06", { evening_session: "7:15 PM to 6:15 PM" })
        ],
        FO: [nseRow("2027-01-26"), nseRow("2027-01-27", { morning_session: "Open" })]
      }),
      [
        'CM, entry 3 (04-May-2026): weekDay: 2026-05-04 is a Monday, not a "Sunday"',
        "FO, entry 2 (27-Jan-2027): only COM has halves of a day that are open, not FO",
        'COM, entry 1 (05-May-2026): morning_session: must be Closed, Open or a time such as 6:15 PM to 7:15 PM, not "Half"',
        'COM, entry 2 (06-May-2026): evening_session: must be Closed, Open or a time such as 6:15 PM to 7:15 PM, not "7:15 PM to 6:15 PM"',
        "CM, entry 2 (01-May-2026): says again of CM on 2026-05-01 what CM, entry 1 (01-May-2026) has said",
        "must have the days of one calendar year, not of 2026, 2027"
      ]
    ))

  it("refuses days that do not exist, and rows without a name", () =>
    assert.deepStrictEqual(
      problems({ CD: [{ ...nseRow("2026-03-03"), tradingDate: "31-Feb-2026", description: " " }] }),
      [
        'CD, entry 1 (31-Feb-2026): tradingDate: must be a day such as 26-Jan-2026, not "31-Feb-2026"',
        "CD, entry 1 (31-Feb-2026): description: must have 1 to 200 characters"
      ]
    ))
})

describe("a broker's list of holidays", () => {
  const day = "2026-05-04"
  const row = (closed: ReadonlyArray<string>, opened: ReadonlyArray<ReturnType<typeof open>>) => ({
    status: "success",
    data: [{ date: day, description: "a holiday", closed_exchanges: closed, open_exchanges: opened }]
  })

  it("has shares of a closing auction stop before it in a special session", () => {
    const budget = "2027-02-06"
    const { announcements } = reading({
      data: [
        {
          date: budget,
          description: "Budget",
          closed_exchanges: [],
          open_exchanges: ["NSE", "BSE", "NFO"].map((exchange) => open(budget, exchange, "09:15", "15:30"))
        }
      ]
    })
    const calendar = calendarOf([before("2026-12-31"), { ...announcements, until: forEachVenue(() => budget) }])
    assert.deepStrictEqual(
      venueIds.map((market) => hoursOn(calendar, market, budget)),
      ["09:15–15:30", "09:15–15:15", "09:15–15:30", "closed", "closed"]
    )
  })

  it("closes a market of which one exchange is closed, or open for shorter, and says so", () => {
    const closed = reading({
      data: [
        { date: day, description: "a holiday", closed_exchanges: ["NSE"], open_exchanges: [] },
        {
          date: "2026-05-05",
          description: "late",
          closed_exchanges: [],
          open_exchanges: [open("2026-05-05", "BSE", "10:15", "15:30")]
        }
      ]
    })
    assert.deepStrictEqual(
      closed.announcements.days.map(({ day, markets, sessions }) => [day, markets, sessions]),
      [
        [day, ["EQUITY", "EQUITY_WITH_DERIVATIVES"], []],
        ["2026-05-05", ["EQUITY", "EQUITY_WITH_DERIVATIVES"], [["10:15", "15:30"]]]
      ]
    )
    assert.include(
      closed.remarks[0],
      `data, entry 1 (${day}): NSE and BSE differ: EQUITY is taken to trade only when both do`
    )
  })

  it("names every problem with its entry", () => {
    const wrong = row([], [open("2026-05-05", "NSE", "09:15", "15:30"), open(day, "MCX", "17:00", "09:00")])
    assert.deepStrictEqual(
      problems({ ...wrong, data: [...wrong.data, ...wrong.data.map((one) => ({ ...one, open_exchanges: [] }))] }),
      [
        `data, entry 1 (${day}): open_exchanges, entry 1: NSE must open and close on ${day} in India`,
        `data, entry 1 (${day}): open_exchanges, entry 2: MCX must open before it closes`,
        `data, entry 2 (${day}): says again of ${day} what data, entry 1 (${day}) has said`
      ]
    )
    assert.deepStrictEqual(problems({ data: [] }), ["must have the days of one calendar year, not of none"])
    assert.deepStrictEqual(problems({ status: "error", data: [{ date: "2026-02-30" }] }).length, 5)
  })
})

it("what is in no known form is refused, with the forms that are", () => {
  for (const content of ["[]", "null", "3", "{}", '{"status":"error"}', '{"CM":{}}']) {
    assert.include(problems(content)[0], "is in none of the forms that are known")
  }
  assert.match(problems("<html><body>Access denied</body></html>")[0] ?? "", /^is not JSON: /)
  assert.match(problems('{"CM":[')[0] ?? "", /^is not JSON: /)
})
