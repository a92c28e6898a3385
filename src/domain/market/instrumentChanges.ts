import { BigDecimal, Schema } from "effect"
import type { InstrumentDetails } from "./InstrumentDetails.ts"

/** Something that differs between two lists of one broker. `before` and `after` are null where there is nothing. */
export const InstrumentChange = Schema.Struct({
  at: Schema.DateTimeUtcFromDate,
  instrument: Schema.String,
  what: Schema.Literals(["lot_size", "tick_size", "expiry", "instrument_type", "segment", "symbol"]),
  before: Schema.NullOr(Schema.String),
  /** Of a symbol that is gone: the one that has its token now. */
  after: Schema.NullOr(Schema.String)
})
export type InstrumentChange = typeof InstrumentChange.Type

/** The terms that an order was planned with. */
export interface PlannedTerms {
  readonly instrument: string
  /** Null if it is not known. */
  readonly lotSize: number | null
  /** Null for MARKET. */
  readonly limitPrice: BigDecimal.BigDecimal | null
  /** The last day in India of its window, YYYY-MM-DD. */
  readonly lastDay: string
}

/**
 * What of the list an order can no longer go on with, in words; empty if nothing. Another tick matters to an order with a limit that is
 * no multiple of it, and another expiry to an order whose window it cuts. `details` are null if the list lacks the instrument;
 * `successor` has its token then.
 */
export const outdatedTerms = (
  planned: PlannedTerms,
  details: Pick<InstrumentDetails, "lotSize" | "tickSize" | "expiry"> | null,
  successor: string | null
): ReadonlyArray<string> => {
  if (details === null) {
    const now = successor === null ? "" : `; its number is that of ${successor} now`
    return [`the broker's list has no ${planned.instrument} any more${now}`]
  }
  const { expiry, lotSize, tickSize } = details
  return [
    ...(planned.lotSize === null || planned.lotSize === lotSize
      ? []
      : [`its lot was ${planned.lotSize} and is ${lotSize}`]),
    ...(planned.limitPrice === null || isMultiple(planned.limitPrice, tickSize)
      ? []
      : [
          `its limit price ${BigDecimal.format(planned.limitPrice)} is no multiple of the tick, which is ${BigDecimal.format(tickSize)} now`
        ]),
    ...(expiry === null || expiry >= planned.lastDay
      ? []
      : [`it expires on ${expiry} now, before the order's window is over on ${planned.lastDay}`])
  ]
}

const isMultiple = (price: BigDecimal.BigDecimal, tick: BigDecimal.BigDecimal): boolean => {
  const scale = Math.max(price.scale, tick.scale)
  return BigDecimal.scale(price, scale).value % BigDecimal.scale(tick, scale).value === 0n
}

/** Why an order with outdated terms is on hold, and what a person can do. */
export const outdatedText = (outdated: ReadonlyArray<string>): string =>
  `the instrument has changed since the order was planned: ${outdated.join("; ")}. "order amend" plans the rest anew, before ` +
  '"order resume"; "order resume" alone goes on as planned, "order cancel" ends it'
