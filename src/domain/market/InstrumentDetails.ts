import { BigDecimal, Schema } from "effect"
import { Instrument, type Side } from "../model/Order.ts"

const Day = Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\d$/, { message: "must be a day such as 2026-11-24" }))

/** An instrument as the broker lists it: its lot, its tick and its expiry. */
export const InstrumentDetails = Schema.Struct({
  instrument: Instrument,
  /** The name of the company or underlying; may be empty. */
  name: Schema.String,
  /** Quantities are multiples of it; 1 for shares. */
  lotSize: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 })),
  /** Prices are multiples of it; above 0. */
  tickSize: Schema.BigDecimalFromString,
  /** EQ, FUT, CE or PE; others may come. */
  instrumentType: Schema.String,
  /** Such as NSE or NFO-FUT. */
  segment: Schema.String,
  /** The last day in India, YYYY-MM-DD, on which it trades; null when it does not expire. */
  expiry: Schema.NullOr(Day),
  /** The last price when the list was made, which is hours old at best; null if the list has none. */
  lastPrice: Schema.NullOr(Schema.BigDecimalFromString),
  /** The broker's number for it. It may change, and is reused after an expiry. */
  token: Schema.Int
})
export type InstrumentDetails = typeof InstrumentDetails.Type

/**
 * Rounds a limit price to the tick, to the side that is not worse: down for a BUY, up for a SELL. Null if the result, the price or
 * the tick is not above 0.
 */
export const roundToTick = (
  price: BigDecimal.BigDecimal,
  tick: BigDecimal.BigDecimal,
  side: Side
): BigDecimal.BigDecimal | null => {
  if (!BigDecimal.isPositive(price) || !BigDecimal.isPositive(tick)) return null
  const scale = Math.max(price.scale, tick.scale)
  const [units, tickUnits] = [BigDecimal.scale(price, scale).value, BigDecimal.scale(tick, scale).value]
  const rest = units % tickUnits
  const rounded = side === "BUY" || rest === 0n ? units - rest : units - rest + tickUnits
  return rounded === 0n ? null : BigDecimal.normalize(BigDecimal.make(rounded, scale))
}

/** Whether an instrument has expired before a day, YYYY-MM-DD in India. It still trades on its expiry day. */
export const isExpired = ({ expiry }: Pick<InstrumentDetails, "expiry">, indianDay: string): boolean =>
  expiry !== null && expiry < indianDay

/**
 * The names that a person may have meant: those of the same exchange first, then by the number of typos. Names that continue the
 * wanted one count as one typo; names that differ too much are left out.
 */
export const nearestNames = <Name extends string>(
  wanted: string,
  all: ReadonlyArray<Name>,
  howMany = 3
): ReadonlyArray<Name> => {
  const [exchange, symbol] = partsOf(wanted)
  const farthest = Math.max(2, Math.floor(symbol.length / 3))
  return all
    .filter((name) => name !== wanted)
    .map((name) => {
      const [itsExchange, itsSymbol] = partsOf(name)
      return { name, isElsewhere: itsExchange === exchange ? 0 : 1, typos: typosBetween(symbol, itsSymbol, farthest) }
    })
    .filter(({ typos }) => typos <= farthest)
    .toSorted(
      (a, b) =>
        a.isElsewhere - b.isElsewhere ||
        a.typos - b.typos ||
        a.name.length - b.name.length ||
        (a.name < b.name ? -1 : 1)
    )
    .slice(0, howMany)
    .map(({ name }) => name)
}

const partsOf = (name: string): readonly [exchange: string, symbol: string] => {
  const colon = name.indexOf(":")
  return [name.slice(0, Math.max(0, colon)), name.slice(colon + 1)]
}

const typosBetween = (wanted: string, symbol: string, farthest: number): number => {
  if (wanted.length >= 2 && symbol.startsWith(wanted)) return Math.min(1, symbol.length - wanted.length)
  // The lengths alone differ by more typos than are allowed.
  if (Math.abs(wanted.length - symbol.length) > farthest) return Number.POSITIVE_INFINITY
  return editDistance(wanted, symbol)
}

/** Damerau-Levenshtein distance: insertions, deletions, replacements and swaps of neighbouring letters between two texts. */
export const editDistance = (a: string, b: string): number => {
  let twoBack: ReadonlyArray<number> = []
  let previous: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current.push(
        Math.min(
          at(previous, column) + 1,
          at(current, column - 1) + 1,
          at(previous, column - 1) + (isSame ? 0 : 1),
          isSwapped ? at(twoBack, column - 2) + 1 : Number.POSITIVE_INFINITY
        )
      )
    }
    twoBack = previous
    previous = current
  }
  return at(previous, b.length)
}

const at = (row: ReadonlyArray<number>, column: number): number => row[column] ?? Number.POSITIVE_INFINITY
