import { type Freeze, wholeLots } from "../../domain/limits/freezeLimits.ts"

/** The freeze limit of an instrument, as `plan` and `freeze show` print it. */
export interface ShownFreeze {
  /** As published; null if none is known. */
  readonly quantity: number | null
  /** The largest quantity of one order: whole lots. */
  readonly usable: number | null
  readonly lotSize: number
  /** Null for shares, and if it is not known. */
  readonly underlying: string | null
  readonly since: string | null
  readonly source: string | null
}

export const shownFreeze = (freeze: Freeze, lotSize: number): ShownFreeze =>
  freeze._tag === "Unknown"
    ? { quantity: null, usable: null, lotSize, underlying: freeze.underlying, since: null, source: null }
    : {
        quantity: freeze.quantity,
        usable: wholeLots(freeze.quantity, lotSize),
        lotSize,
        underlying: freeze.underlying,
        since: freeze.underlying === null ? null : freeze.since,
        source: freeze.source
      }

export const freezeLine = ({ quantity, usable, lotSize, underlying, since, source }: ShownFreeze): string => {
  const ofWhat = underlying === null ? "" : ` of ${underlying}`
  if (quantity === null) {
    return `The freeze limit${ofWhat} is not known: a slice above it would be refused. "freeze import" and "freeze set" tell it.`
  }
  const inLots = usable === quantity ? "" : `, so ${usable} in whole lots of ${lotSize}`
  const from = since === null ? "" : `since ${since}, `
  return `The freeze limit of an order${ofWhat} is ${quantity}${inLots} (${from}source: ${source}).`
}
