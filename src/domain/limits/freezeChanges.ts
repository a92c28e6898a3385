import type { FreezeQuantity } from "../market/FreezeQuantity.ts"
import { freezeInForce } from "./freezeLimits.ts"

/** A freeze quantity that is to be stored, and the one that would apply on its day without it. */
export interface FreezeChange extends FreezeQuantity {
  /** Null if none is known. */
  readonly before: number | null
}

/** More than ten times or less than a tenth is rather a wrong file than a new limit. */
const maxFactor = 10

export const freezeChanges = (
  given: ReadonlyArray<FreezeQuantity>,
  known: ReadonlyArray<FreezeQuantity>
): ReadonlyArray<FreezeChange> =>
  given.map((one) => ({ ...one, before: freezeInForce(one, known, one.since)?.quantity ?? null }))

/** Whether a quantity differs so much from the one before that a person has to confirm it. */
export const isSuspicious = ({ before, quantity }: FreezeChange): boolean =>
  before !== null && (quantity > before * maxFactor || quantity * maxFactor < before)
