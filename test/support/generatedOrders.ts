import { BigDecimal, DateTime, Option } from "effect"
import { builtInCalendar } from "../../src/domain/market/data/builtInCalendar.ts"
import { InstrumentDetails } from "../../src/domain/market/InstrumentDetails.ts"
import { noMargins } from "../../src/domain/market/SessionMargins.ts"
import { venueIds, type VenueId } from "../../src/domain/market/Venue.ts"
import { OrderId } from "../../src/domain/model/Ids.ts"
import { Instrument, type SplittableOrder } from "../../src/domain/model/Order.ts"
import type { InstrumentFacts, PlanningRules } from "../../src/domain/planning/planOrder.ts"
import { minutesOfDay, yearStartMillis } from "./exchangeHours.ts"
import type { Choices } from "./generate.ts"
import { unlimited } from "./limits.ts"
import { anOrder } from "./orders.ts"

const instruments = {
  EQUITY: Instrument.make("BSE:SMALLCAP"),
  EQUITY_WITH_DERIVATIVES: Instrument.make("NSE:RELIANCE"),
  EQUITY_DERIVATIVES: Instrument.make("NFO:NIFTY26DECFUT"),
  CURRENCY_DERIVATIVES: Instrument.make("CDS:USDINR26DECFUT"),
  COMMODITIES: Instrument.make("MCX:GOLD26DECFUT")
} satisfies Record<VenueId, Instrument>

/** An instrument of this market. */
export const instrumentOf = (venueId: VenueId): Instrument => instruments[venueId]

/** An order, the moment it came in, and the rules and market facts of that moment. */
export interface GeneratedOrder {
  readonly order: SplittableOrder
  readonly rules: PlanningRules
  readonly market: InstrumentFacts
  readonly venueId: VenueId
  readonly at: DateTime.Utc
}

export const noLimits: PlanningRules = {
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

/** Market facts of an instrument that is listed with a lot size. */
export const marketWith = (
  venueId: VenueId,
  lotSize: number,
  volumeProfile: ReadonlyArray<number> | null
): InstrumentFacts => ({
  volumeProfile,
  quote: null,
  freezes: [],
  listing: {
    _tag: "Listed",
    hasFutures: venueId !== "EQUITY",
    details: InstrumentDetails.make({
      instrument: instruments[venueId],
      name: "",
      lotSize,
      tickSize: BigDecimal.fromStringUnsafe("0.05"),
      instrumentType: "EQ",
      segment: "NSE",
      expiry: null,
      lastPrice: null,
      token: 1
    })
  }
})

/** A generated order of any market at any moment of 2026, with generated rules. */
export const anyOrder = (id: string, choices: Choices): GeneratedOrder => {
  const { int, chance, pick } = choices
  const venueId = pick(["EQUITY", ...venueIds])
  const lotSize = pick([1, 1, 15, 65, 75, 1000])
  const numSplits = pick([1, 2, int(1, 10), int(1, 10), int(1, 50), int(1, 50), int(1, 1000)])
  // Quantities are mostly whole lots, and mostly enough of them.
  const lots = pick([numSplits, numSplits + int(0, 3), numSplits * int(1, 100), int(1, 2000)])
  const totalQuantity = Math.max(numSplits, lots * lotSize + (chance(0.05) ? int(1, lotSize) : 0))
  const durationMinutes = pick([0, 1, int(1, 60), int(1, 375), int(1, 1440), 1440])
  const tightGap = Math.floor((durationMinutes * 60_000) / Math.max(1, numSplits - int(0, 1)))
  const strategy = pick(["TWAP", "VWAP", "FRONT_LOADED", "BACK_LOADED", "WEIGHTS"])
  const isLimit = chance(0.5)
  const volumes = (): ReadonlyArray<number> =>
    Array.from({ length: int(1, 20) }, () => pick([1, int(1, 100) / 7, 0.001, 1_000_000]))
  const withRisk = strategy === "FRONT_LOADED" || strategy === "BACK_LOADED"
  return {
    venueId,
    order: anOrder({
      id: OrderId.make(id),
      instrument: instruments[venueId],
      side: pick(["BUY", "SELL"]),
      orderType: isLimit ? "LIMIT" : "MARKET",
      limitPrice: isLimit ? BigDecimal.fromStringUnsafe("100.05") : null,
      totalQuantity,
      numSplits,
      durationMinutes,
      randomize: chance(0.5),
      strategy,
      riskAversion: withRisk && chance(0.5) ? pick([1e-9, 0.5, 2, 10, 100]) : null,
      weights: strategy === "WEIGHTS" ? volumes() : null,
      planSeed: chance(0.5) ? `seed of ${id}` : null,
      latenessPolicy: pick(["SEND", "SKIP", "RESPREAD"]),
      maxLatenessSeconds: pick([null, 1, int(1, 600)]),
      carryUnfilled: chance(0.5),
      carryRejected: chance(0.5),
      completion: pick(["REPORT", "CROSS"]),
      sessionPolicy: pick(["SAME_DAY", "NEXT_SESSION"])
    }),
    rules: {
      ...noLimits,
      maxSliceQuantity: pick([null, null, int(1, 10) * lotSize, int(1, 5000)]),
      leastGapMillis: Math.min(3_600_000, pick([0, 0, 1, 1000, int(1, 60_000), tightGap])),
      isFreezeLimited: chance(0.5),
      completionLeadMillis: pick([0, 60_000, int(0, 3600) * 1000]),
      calendar: chance(0.8) ? builtInCalendar : null,
      margins: pick([
        noMargins,
        { openMillis: 5000, closeMillis: 15_000 },
        { openMillis: 45_000, closeMillis: 300_000 }
      ])
    },
    market: marketWith(venueId, lotSize, chance(0.3) ? volumes() : null),
    at: DateTime.makeUnsafe(anyMoment(choices))
  }
}

/** The same order with limits on slices and orders, a broker's rate limit, and possibly a known price. */
export const limited = (generated: GeneratedOrder, { int, chance, pick }: Choices): GeneratedOrder => {
  const { order, market, rules, at } = generated
  const lotSize = market.listing?._tag === "Listed" ? market.listing.details.lotSize : 1
  const average = order.totalQuantity / order.numSplits
  const near = (quantity: number) => Math.max(lotSize, Math.round((quantity * int(30, 300)) / 100))
  const maybe = <A>(value: A) => (chance(0.4) ? Option.some(value) : Option.none<A>())
  const isQuoted = chance(0.7)
  const lastPrice = BigDecimal.fromStringUnsafe(isQuoted ? pick(["0.05", "99.99", "100.05", "2500"]) : "100.05")
  const valueOf = (quantity: number) =>
    BigDecimal.multiply(order.limitPrice ?? lastPrice, BigDecimal.fromBigInt(BigInt(quantity)))
  return {
    ...generated,
    market: { ...market, quote: isQuoted ? { lastPrice, at } : null },
    rules: {
      ...rules,
      rate: pick([
        null,
        { perSecond: 10, perMinute: 400, perDay: 5000, marginMillis: 250 },
        { perSecond: int(1, 10), perMinute: int(1, 60), perDay: 5000, marginMillis: int(0, 500) }
      ]),
      preTrade: {
        ...unlimited,
        sliceQuantity: maybe(near(average)),
        sliceValue: maybe(valueOf(near(average))),
        orderQuantity: maybe(near(order.totalQuantity)),
        orderValue: maybe(valueOf(near(order.totalQuantity)))
      }
    }
  }
}

/** Any moment of 2026, often at the edge of a session. */
export const anyMoment = ({ int, pick }: Choices): number => {
  const day = yearStartMillis + int(0, 364) * minutesOfDay * 60_000
  const clock = (hour: number, minute: number) => day + (hour * 60 + minute) * 60_000
  const close = pick([clock(15, 15), clock(15, 30), clock(15, 40), clock(17, 0), clock(23, 30), clock(23, 55)])
  return pick([
    day + int(0, 86_399_999),
    clock(9, 0) + int(0, 8 * 3_600_000),
    pick([clock(9, 0), clock(9, 15), clock(17, 0)]) + pick([-1, 0, 1]),
    close + pick([-60_000, -1, -0.5, 0, 1])
  ])
}
