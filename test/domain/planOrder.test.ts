import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Option, Result } from "effect"
import { InstrumentDetails } from "../../src/domain/instruments/InstrumentDetails.ts"
import { Instrument, type SplittableOrder } from "../../src/domain/Order.ts"
import {
  type Market,
  PlanCause,
  planOrder,
  type PlanningRules,
  planRequest,
  unknownMarket
} from "../../src/domain/planOrder.ts"
import { unlimited } from "../support/limits.ts"
import { anOrder, aRequest } from "../support/orders.ts"

const noRules: PlanningRules = {
  maxSliceQuantity: null,
  leastGapMillis: 0,
  isFreezeLimited: false,
  calendar: null,
  completionLeadMillis: 60_000,
  rate: null,
  preTrade: unlimited
}
const start = DateTime.makeUnsafe("2026-11-24T04:00:00Z")

const future = Instrument.make("NFO:NIFTY26NOVFUT")
const listed: Market = {
  volumeProfile: null,
  quote: null,
  listing: {
    _tag: "Listed",
    hasFutures: true,
    details: InstrumentDetails.make({
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
  }
}

const plan = (
  changed: Partial<SplittableOrder>,
  {
    market = listed,
    rules = {},
    at = start
  }: { market?: Market; rules?: Partial<PlanningRules>; at?: DateTime.Utc } = {}
) => planOrder(anOrder({ instrument: future, ...changed }), { ...noRules, ...rules }, market, at)

const refusal = (...args: Parameters<typeof plan>) => {
  const planned = plan(...args)
  return Result.isFailure(planned) ? planned.failure : assert.fail("the order was planned")
}

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
  it("splits into the instrument's lots, also below the freeze limit", () => {
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

  it("rounds a limit price to the tick, never to the worse", () => {
    assert.strictEqual(limit("100.17", "BUY"), "100.1")
    assert.strictEqual(limit("100.11", "SELL"), "100.2")
    assert.strictEqual(limit("100.2", "SELL"), "100.2")
    const tooLow = { totalQuantity: 650, orderType: "LIMIT", limitPrice: BigDecimal.fromStringUnsafe("0.05") } as const
    assert.strictEqual(refusal(tooLow), "limit_price: is below the smallest price there is, the tick of 0.1")
  })

  it("refuses what the broker does not list, with the nearest names, and what has expired", () => {
    const market: Market = {
      quote: null,
      volumeProfile: null,
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

  it("holds nothing against a list that is not there", () => {
    assert.isTrue(Result.isSuccess(plan({ totalQuantity: 1001 }, { market: unknownMarket })))
  })

  it("refuses a limit price outside the collar when it is new, not when what was carried meets another market", () => {
    const order = anOrder({ orderType: "LIMIT", limitPrice: BigDecimal.fromStringUnsafe("105.01") })
    const rules = { ...noRules, preTrade: { ...unlimited, collarPercent: Option.some(BigDecimal.fromBigInt(5n)) } }
    const market = { ...unknownMarket, quote: { lastPrice: BigDecimal.fromBigInt(100n), at: start } }
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
      ["LATENESS", "CARRY", "COMPLETION"]
    )
    assert.isTrue(Result.isFailure(planOrder(order, rules, market, start)))
    assert.isTrue(Result.isSuccess(planOrder(order, rules, market, DateTime.add(start, { seconds: 61 }))))
  })

  it("values a MARKET order by the last price that is known, and refuses one without", () => {
    const decimal = BigDecimal.fromStringUnsafe
    const order = { totalQuantity: 650, numSplits: 10, randomize: false }
    const preTrade = {
      ...unlimited,
      orderValue: Option.some(decimal("65000")),
      sliceValue: Option.some(decimal("6500"))
    }
    const at = (price: string): Market => ({ ...listed, quote: { lastPrice: decimal(price), at: start } })
    assert.isTrue(Result.isSuccess(plan(order, { rules: { preTrade }, market: at("100") })))
    assert.strictEqual(
      refusal(order, { rules: { preTrade }, market: at("100.1") }),
      "the order's value of 65065 is above LIMIT_ORDER_VALUE (65000); " +
        "the slice's value of 6506.5 is above LIMIT_SLICE_VALUE (6500)"
    )
    const stale = { ...at("100"), quote: { lastPrice: decimal("100"), at: DateTime.subtract(start, { seconds: 61 }) } }
    assert.match(refusal(order, { rules: { preTrade }, market: stale }), /no price of its instrument is known to value/)
  })

  it("names every pre-trade limit that the order or its largest slice breaks", () => {
    const preTrade = { ...noRules.preTrade, orderQuantity: Option.some(600), sliceQuantity: Option.some(64) }
    assert.strictEqual(
      refusal({ totalQuantity: 650, randomize: false }, { rules: { preTrade } }),
      "the order's quantity of 650 is above LIMIT_ORDER_QUANTITY (600); the slice's quantity of 65 is above LIMIT_SLICE_QUANTITY (64)"
    )
  })
})
