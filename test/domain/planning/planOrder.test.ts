import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Option, Result } from "effect"
import { InstrumentDetails } from "../../../src/domain/market/InstrumentDetails.ts"
import { noMargins } from "../../../src/domain/market/SessionMargins.ts"
import { Instrument, type SplittableOrder } from "../../../src/domain/model/Order.ts"
import {
  type InstrumentFacts,
  PlanCause,
  planOrder,
  type PlanningRules,
  planRequest,
  unknownInstrument
} from "../../../src/domain/planning/planOrder.ts"
import { unlimited } from "../../support/limits.ts"
import { anOrder, aRequest } from "../../support/orders.ts"

const noRules: PlanningRules = {
  maxSliceQuantity: null,
  leastGapMillis: 0,
  hiding: "tight",
  isFreezeLimited: false,
  calendar: null,
  margins: noMargins,
  completionLeadMillis: 60_000,
  rate: null,
  preTrade: unlimited
}
const start = DateTime.makeUnsafe("2026-11-24T04:00:00Z")

const future = Instrument.make("NFO:NIFTY26NOVFUT")
const detailsOfFuture = InstrumentDetails.make({
  instrument: future,
  name: "NIFTY",
  lotSize: 65,
  tickSize: BigDecimal.fromStringUnsafe("0.1"),
  instrumentType: "FUT",
  segment: "NFO-FUT",
  expiry: "2026-11-24",
  lastPrice: null,
  token: 1
})
const listed: InstrumentFacts = {
  volumeProfile: null,
  quote: null,
  freezes: [],
  listing: { _tag: "Listed", hasFutures: true, details: detailsOfFuture }
}

const plan = (
  changed: Partial<SplittableOrder>,
  {
    market = listed,
    rules = {},
    at = start
  }: { market?: InstrumentFacts; rules?: Partial<PlanningRules>; at?: DateTime.Utc } = {}
) => planOrder(anOrder({ instrument: future, ...changed }), { ...noRules, ...rules }, market, at)

const reasonOf = (...args: Parameters<typeof plan>) => {
  const planned = plan(...args)
  return Result.isFailure(planned) ? planned.failure : assert.fail("the order was planned")
}
const refusal = (...args: Parameters<typeof plan>) => reasonOf(...args).text

const limit = (price: string, side: "BUY" | "SELL") => {
  const planned = plan({
    totalQuantity: 650,
    side,
    orderType: "LIMIT",
    limitPrice: BigDecimal.fromStringUnsafe(price)
  })
  const { limitPrice } = Result.getOrThrow(planned)
  return limitPrice === null ? null : BigDecimal.format(limitPrice)
}

describe("planOrder", () => {
  it("splits into whole lots of the instrument, within the freeze limit", () => {
    const quantities = Result.getOrThrow(plan({ totalQuantity: 6500 })).slices.map(({ quantity }) => quantity)
    assert.isTrue(quantities.every((quantity) => quantity % 65 === 0))
    assert.strictEqual(
      refusal({ totalQuantity: 1000 }),
      "total_quantity: 1000 is not a multiple of the lot of 65; 975 or 1040 would fit"
    )
    // 1755 is 27 lots.
    const frozen = plan({ totalQuantity: 17_550, randomize: true }, { rules: { isFreezeLimited: true } })
    assert.isTrue(Result.getOrThrow(frozen).slices.every(({ quantity }) => quantity === 1755))
  })

  it("keeps to the freeze limit of the month, of the underlying that the list names, where one is known", () => {
    const of = (instrument: string, name: string, lotSize: number): InstrumentFacts => {
      const details = InstrumentDetails.make({
        ...detailsOfFuture,
        instrument: Instrument.make(instrument),
        name,
        lotSize
      })
      return { ...unknownInstrument, listing: { _tag: "Listed", hasFutures: true, details } }
    }
    const rules = { isFreezeLimited: true }
    const planned = (instrument: string, name: string, lotSize: number, changed: Partial<SplittableOrder>) =>
      plan({ instrument: Instrument.make(instrument), ...changed }, { market: of(instrument, name, lotSize), rules })
    const finnifty = planned("NFO:FINNIFTY26NOVFUT", "FINNIFTY", 60, { totalQuantity: 1800, numSplits: 1 })
    assert.deepStrictEqual(
      Result.getOrThrow(finnifty).slices.map(({ quantity }) => quantity),
      [1800]
    )
    const sensex50 = { totalQuantity: 2250, numSplits: 2 }
    assert.isTrue(Result.isSuccess(planned("BFO:SENSEX5026NOVFUT", "SENSEX50", 75, sensex50)))
    const sensex = planned("BFO:SENSEX26NOVFUT", "SENSEX", 75, sensex50)
    assert.include(
      Result.isFailure(sensex) ? sensex.failure.text : "",
      "(1000 is the exchange's freeze limit of an order of SENSEX (since 2026-01-01);"
    )
  })

  it("keeps the lot of each contract, where two of one underlying differ", () => {
    const trent = (month: string, lotSize: number) => {
      const instrument = Instrument.make(`NFO:TRENT26${month}FUT`)
      const details = InstrumentDetails.make({ ...detailsOfFuture, instrument, name: "TRENT", lotSize, expiry: null })
      const market: InstrumentFacts = { ...unknownInstrument, listing: { _tag: "Listed", hasFutures: true, details } }
      const planned = Result.getOrThrow(plan({ instrument, totalQuantity: 4500, numSplits: 4 }, { market }))
      return planned.slices.every(({ quantity }) => quantity % lotSize === 0)
    }
    assert.isTrue(trent("JUN", 150))
    assert.isTrue(trent("JUL", 225))
  })

  it("rounds a limit price to the tick, never to a worse price", () => {
    assert.strictEqual(limit("100.17", "BUY"), "100.1")
    assert.strictEqual(limit("100.11", "SELL"), "100.2")
    assert.strictEqual(limit("100.2", "SELL"), "100.2")
    const tooLow = { totalQuantity: 650, orderType: "LIMIT", limitPrice: BigDecimal.fromStringUnsafe("0.05") } as const
    assert.strictEqual(refusal(tooLow), "limit_price: is below the smallest price there is, the tick of 0.1")
  })

  it("refuses an unlisted instrument with the nearest names, and an expired one", () => {
    const market: InstrumentFacts = {
      quote: null,
      volumeProfile: null,
      freezes: [],
      listing: { _tag: "Unlisted", similar: ["NFO:NIFTY26DECFUT"] }
    }
    assert.strictEqual(
      refusal({}, { market }),
      "instrument: the broker's list has no NFO:NIFTY26NOVFUT; similar: NFO:NIFTY26DECFUT"
    )
    // Midnight in India is 18:30 UTC, and the order takes an hour.
    assert.isTrue(Result.isSuccess(plan({ totalQuantity: 650 }, { at: DateTime.makeUnsafe("2026-11-24T17:29:59Z") })))
    assert.strictEqual(
      refusal({ totalQuantity: 650 }, { at: DateTime.makeUnsafe("2026-11-24T17:30:00Z") }),
      "instrument: NFO:NIFTY26NOVFUT expires on 2026-11-24, before the order's window is over"
    )
    assert.strictEqual(
      refusal({ totalQuantity: 650 }, { at: DateTime.makeUnsafe("2026-11-24T18:30:00Z") }),
      "instrument: NFO:NIFTY26NOVFUT expired on 2026-11-24"
    )
  })

  it("accepts any instrument when there is no instrument list", () => {
    assert.isTrue(Result.isSuccess(plan({ totalQuantity: 1001 }, { market: unknownInstrument })))
  })

  it("applies the price collar to a new order, not to a carried quantity when the market has moved", () => {
    const order = anOrder({ orderType: "LIMIT", limitPrice: BigDecimal.fromStringUnsafe("105.01") })
    const rules = { ...noRules, preTrade: { ...unlimited, collarPercent: Option.some(BigDecimal.fromBigInt(5n)) } }
    const market = { ...unknownInstrument, quote: { lastPrice: BigDecimal.fromBigInt(100n), at: start } }
    const request = {
      ...aRequest(),
      revision: 2,
      startsAt: start,
      now: start,
      note: null
    }
    const isPlanned = (cause: PlanCause) => Result.isSuccess(planRequest({ ...request, cause }, order, rules, market))
    assert.deepStrictEqual(
      PlanCause.literals.filter((cause) => isPlanned(cause)),
      ["LATENESS", "CARRY", "COMPLETION", "VOLUME"]
    )
    assert.isTrue(Result.isFailure(planOrder(order, rules, market, start)))
    assert.isTrue(Result.isSuccess(planOrder(order, rules, market, DateTime.add(start, { seconds: 61 }))))
  })

  it("gives the code of the first of several reasons", () => {
    const unlisted: InstrumentFacts = { ...unknownInstrument, listing: { _tag: "Unlisted", similar: [] } }
    assert.strictEqual(reasonOf({}, { market: unlisted }).code, "instrument_unknown")
    const at = DateTime.makeUnsafe("2026-11-24T18:30:00Z")
    assert.strictEqual(reasonOf({ totalQuantity: 650 }, { at }).code, "instrument_expired")
    assert.strictEqual(reasonOf({ totalQuantity: 1000 }).code, "plan_infeasible")
    const tooMuch = { preTrade: { ...unlimited, orderQuantity: Option.some(649) } }
    assert.strictEqual(reasonOf({ totalQuantity: 650 }, { rules: tooMuch }).code, "pre_trade_limit")
    assert.strictEqual(reasonOf({ totalQuantity: 651 }, { rules: tooMuch }).code, "plan_infeasible")
  })

  it("values a MARKET order by the last known price, and refuses one without a price", () => {
    const decimal = BigDecimal.fromStringUnsafe
    const order = { totalQuantity: 650, numSplits: 10, randomize: false }
    const preTrade = {
      ...unlimited,
      orderValue: Option.some(decimal("65000")),
      sliceValue: Option.some(decimal("6500"))
    }
    const at = (price: string): InstrumentFacts => ({ ...listed, quote: { lastPrice: decimal(price), at: start } })
    assert.isTrue(Result.isSuccess(plan(order, { rules: { preTrade }, market: at("100") })))
    const tooDear = refusal(order, { rules: { preTrade }, market: at("100.1") })
    assert.include(tooDear, "10 slices of at most 64 do not hold 650")
    assert.include(tooDear, "LIMIT_SLICE_VALUE")
    assert.include(tooDear, "the order's value of 65065 is above LIMIT_ORDER_VALUE (65000)")
    const stale = { ...at("100"), quote: { lastPrice: decimal("100"), at: DateTime.subtract(start, { seconds: 61 }) } }
    assert.match(refusal(order, { rules: { preTrade }, market: stale }), /no price of its instrument is known to value/)
  })

  it("applies order limits to what a person asks for, not to catch-up plans", () => {
    const order = anOrder({ totalQuantity: 1000 })
    const rules = { ...noRules, preTrade: { ...unlimited, orderQuantity: Option.some(500) } }
    const request = { ...aRequest(), revision: 2, startsAt: start, now: start, note: null }
    const isPlanned = (cause: PlanCause) =>
      Result.isSuccess(planRequest({ ...request, cause }, order, rules, unknownInstrument))
    assert.deepStrictEqual(
      PlanCause.literals.filter((cause) => isPlanned(cause)),
      ["LATENESS", "CARRY", "COMPLETION", "VOLUME"]
    )
  })

  it("names every pre-trade limit that the order or its largest slice breaks", () => {
    const preTrade = { ...noRules.preTrade, orderQuantity: Option.some(600), sliceQuantity: Option.some(64) }
    assert.strictEqual(
      refusal({ totalQuantity: 650, randomize: false }, { rules: { preTrade } }),
      "num_splits: 10 slices of at most 64 do not hold 650; no slice of whole lots of 65 is that small " +
        "(64 is LIMIT_SLICE_QUANTITY; ORDER_MAX_SLICE_QUANTITY lets the service make more slices); " +
        "the order's quantity of 650 is above LIMIT_ORDER_QUANTITY (600)"
    )
  })

  it("refuses a plan whose slices would have numbers that no slice can have, whatever the plan is for", () => {
    const refusalOf = (cause: PlanCause, firstSequence: number) => {
      const request = { ...aRequest({ firstSequence }), revision: 2, startsAt: start, now: start, cause, note: null }
      const planned = planRequest(request, anOrder(), noRules, unknownInstrument)
      return Result.isFailure(planned) ? planned.failure : null
    }
    for (const cause of PlanCause.literals) {
      assert.isNull(refusalOf(cause, 1_048_566))
      assert.deepStrictEqual(refusalOf(cause, 1_048_567), {
        code: "plan_infeasible",
        text:
          "num_splits: 10 more slices need numbers above 1048575, the last that a slice of an order can have; " +
          "9 more would fit; or cancel the order, and submit its rest as a new one"
      })
    }
  })

  const share = { instrument: Instrument.make("NSE:RELIANCE") }
  const quoted: InstrumentFacts = { ...unknownInstrument, quote: { lastPrice: BigDecimal.fromBigInt(500n), at: start } }
  const maxSliceOf = (changed: Partial<SplittableOrder>, market: InstrumentFacts, rules: Partial<PlanningRules>) => {
    const { slices } = Result.getOrThrow(plan({ ...share, ...changed }, { market, rules }))
    return Math.max(...slices.map(({ quantity }) => quantity))
  }

  it("keeps each slice within the limits on quantity and value, for every seed", () => {
    const limited = (changed: Partial<PlanningRules["preTrade"]>) => ({ preTrade: { ...unlimited, ...changed } })
    const limitPrice = BigDecimal.fromBigInt(500n)
    for (let seed = 0; seed < 300; seed += 1) {
      const planSeed = String(seed)
      assert.isAtMost(maxSliceOf({ planSeed }, unknownInstrument, limited({ sliceQuantity: Option.some(120) })), 120)
      const value = limited({ sliceValue: Option.some(BigDecimal.fromBigInt(60_499n)) })
      assert.isAtMost(maxSliceOf({ planSeed, orderType: "LIMIT", limitPrice }, unknownInstrument, value), 120)
      assert.isAtMost(maxSliceOf({ planSeed }, quoted, value), 120)
    }
  })

  it("spreads late slices again within both limits, in more slices where needed", () => {
    const limits = { sliceQuantity: Option.some(110), sliceValue: Option.some(BigDecimal.fromBigInt(54_000n)) }
    const rules = { ...noRules, preTrade: { ...unlimited, ...limits } }
    for (let seed = 0; seed < 300; seed += 1) {
      for (const numSlices of [10, 5]) {
        const rest = { ...aRequest({ seed: String(seed), firstSequence: 6, numSlices }), startsAt: start, now: start }
        const request = { ...rest, revision: 2, cause: "LATENESS", note: null } as const
        const { slices } = Result.getOrThrow(planRequest(request, anOrder(), rules, quoted))
        assert.isAtMost(Math.max(...slices.map(({ quantity }) => quantity)), 108)
      }
    }
  })

  it("says what would fit the limit on a slice's value, and adds no slices unasked", () => {
    const preTrade = { ...unlimited, sliceValue: Option.some(BigDecimal.fromBigInt(40_499n)) }
    assert.strictEqual(
      refusal(share, { market: quoted, rules: { preTrade } }),
      "num_splits: 10 slices of at most 80 do not hold 1000; 13 slices or more would fit (80 is what LIMIT_SLICE_VALUE " +
        "(40499) allows at 500; ORDER_MAX_SLICE_QUANTITY lets the service make more slices)"
    )
    assert.isAtMost(maxSliceOf({}, quoted, { preTrade, maxSliceQuantity: 1000 }), 80)
  })

  it("keeps slices of shares within ten crore rupees where a price is known", () => {
    const order = { ...share, totalQuantity: 500_000, randomize: false, numSplits: 5 }
    const dear: InstrumentFacts = {
      ...unknownInstrument,
      quote: { lastPrice: BigDecimal.fromBigInt(1500n), at: start }
    }
    assert.strictEqual(maxSliceOf(order, unknownInstrument, { isFreezeLimited: true }), 100_000)
    assert.include(
      refusal(order, { market: dear, rules: { isFreezeLimited: true } }),
      "8 slices or more would fit (66666 is what the exchange's freeze limit of ten crore rupees an order allows at 1500;"
    )
  })

  it("refuses what the broker's rate cannot send in time, and says what it can send", () => {
    const rate = { perSecond: 10, perMinute: 400, perDay: 5000, marginMillis: 250 }
    const order = { ...share, totalQuantity: 100_000, numSplits: 1000, durationMinutes: 1 }
    const refused = refusal(order, { market: unknownInstrument, rules: { rate } })
    const [numSplits, durationMinutes] = [...refused.matchAll(/(\d+) (?:slices?,|minutes?,)/g)].map(([, n]) =>
      Number(n)
    )
    for (const changed of [{ numSplits: numSplits ?? 0 }, { durationMinutes: durationMinutes ?? 0 }]) {
      assert.isTrue(Result.isSuccess(plan({ ...order, ...changed }, { market: unknownInstrument, rules: { rate } })))
    }
  })
})
