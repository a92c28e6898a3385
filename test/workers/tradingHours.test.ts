import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import { TradingHours } from "../../src/config/TradingHours.ts"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import type { TradingCalendar } from "../../src/domain/market/TradingCalendar.ts"
import { forEachVenue } from "../../src/domain/market/Venue.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, orderRow, serviceLayer, setClock } from "../support/service.ts"

const session = (day: string, opens: string, closes: string) => ({
  opensMillis: Date.parse(`${day}T${opens}:00+05:30`),
  closesMillis: Date.parse(`${day}T${closes}:00+05:30`)
})

/** TestClock begins on a Thursday at 05:30 in India. The Friday is a holiday. */
const days = {
  until: "1970-01-05",
  sessions: [
    session("1969-12-31", "09:15", "15:15"),
    session("1970-01-01", "09:15", "15:15"),
    session("1970-01-05", "09:15", "15:15")
  ],
  whyClosed: new Map([
    ["1970-01-01", "outside 09:15–15:15 IST"],
    ["1970-01-02", "the exchange is closed: Diwali"]
  ]),
  regular: []
}
const calendar: TradingCalendar = { from: "1969-12-31", markets: forEachVenue(() => days) }

const service = Layer.mergeAll(
  serviceLayer({ broker: scriptedBroker }),
  Layer.succeed(TradingHours, TradingHours.fixed(calendar))
)

/** Splits an order of one hour that was created at a time in India. */
const split = (created: string, changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    yield* setClock()
    const createdAt = DateTime.makeUnsafe(`${created}+05:30`)
    yield* insertOrder("o1", { duration_minutes: 60, created_at: instant(createdAt), ...changed })
    yield* Effect.flatten(makeSplitPending)
    return yield* orderRow("o1")
  })

const dues = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.dues",
    Schema.Struct({ due: Schema.String, notAfter: Schema.String, market: Schema.String }),
    sql`
      SELECT to_char(scheduled_at AT TIME ZONE 'Asia/Kolkata', 'DD HH24:MI:SS.MS') AS due, market,
        to_char(not_after AT TIME ZONE 'Asia/Kolkata', 'DD HH24:MI') AS not_after
      FROM order_slices ORDER BY sequence_number`
  )
)

describe("OrderSplitter with a trading calendar", () => {
  it.effect("starts an order that was created before the open at the open", () =>
    Effect.gen(function* () {
      yield* split("1970-01-01T07:00:00.123")
      const rows = yield* dues
      assert.deepStrictEqual(
        rows.map(({ due }) => due),
        ["01 09:15:05.000", "01 09:30:03.750", "01 09:45:02.500", "01 10:00:01.250", "01 10:14:59.999"]
      )
      assert.deepInclude(rows[0], { notAfter: "01 10:25", market: "EQUITY_WITH_DERIVATIVES" })
    }).pipe(Effect.provide(service))
  )

  it.effect("refuses an order that does not fit before the close, and says what would fit", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* split("1970-01-01T15:00:00"), {
        orderQueueStatus: "FAILED",
        statusReason:
          "duration_minutes: 60 minutes do not fit before NSE:RELIANCE closes at 1970-01-01 15:15 IST; 15 minutes would fit, or session_policy NEXT_SESSION"
      })
    }).pipe(Effect.provide(service))
  )

  it.effect("continues an order in the next session if allowed, across a holiday and a weekend", () =>
    Effect.gen(function* () {
      yield* split("1970-01-01T14:45:00", { session_policy: "NEXT_SESSION" })
      assert.deepStrictEqual(
        (yield* dues).map(({ due }) => due),
        ["01 14:45:00.000", "01 14:59:55.000", "05 09:15:10.000", "05 09:30:05.000", "05 09:44:59.999"]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("has the last slice of an order to the close due with a margin before it", () =>
    Effect.gen(function* () {
      yield* split("1970-01-01T14:15:00")
      assert.deepStrictEqual(
        (yield* dues).map(({ due }) => due),
        ["01 14:15:00.000", "01 14:29:56.250", "01 14:44:52.500", "01 14:59:48.750", "01 15:14:44.999"]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("refuses an order for the day that comes within the margin before the close", () =>
    Effect.gen(function* () {
      const { statusReason } = yield* split("1970-01-01T15:14:50", { duration_minutes: 0 })
      assert.include(
        statusReason,
        "nothing is due in the last 15 s before the close (SESSION_CLOSE_MARGIN_SECONDS); with NEXT_SESSION it would start on 1970-01-05 09:15 IST"
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("refuses an order for the day on a holiday, with the holiday's name", () =>
    Effect.gen(function* () {
      const { statusReason } = yield* split("1970-01-02T10:00:00")
      assert.include(statusReason, "the exchange is closed: Diwali")
      assert.include(statusReason, "with NEXT_SESSION it would start on 1970-01-05 09:15 IST")
    }).pipe(Effect.provide(service))
  )

  it.effect("skips an order whose window was over before it was split", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* split("1969-12-31T10:00:00"), {
        orderQueueStatus: "SKIPPED",
        statusReason: "the order's window and its grace were over before the split"
      })
    }).pipe(Effect.provide(service))
  )

  it.effect("splits no order beyond the end of the calendar", () =>
    Effect.gen(function* () {
      const { statusReason } = yield* split("1970-01-05T15:00:00", { session_policy: "NEXT_SESSION" })
      assert.include(statusReason, 'known until 1970-01-05; "calendar import FILE" adds later ones')
    }).pipe(Effect.provide(service))
  )
})
