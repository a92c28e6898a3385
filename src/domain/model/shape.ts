import { Schema } from "effect"

/** The most numbers of a profile. */
export const maxWeights = 1000

const isProfile = (values: ReadonlyArray<unknown>): values is ReadonlyArray<number> =>
  values.length >= 1 && values.length <= maxWeights && values.every(isVolume)

const isVolume = (value: unknown): boolean => typeof value === "number" && value >= 0.001 && value <= 1_000_000_000_000

/**
 * Relative volumes or weights of equal parts of a day or a window; only their ratios matter. It is checked as a whole: one
 * problem for each part would quote a list of a million wrong ones a million times.
 */
export const Profile = Schema.Array(Schema.Unknown).pipe(
  Schema.refine(isProfile, { message: `must be 1 to ${maxWeights} numbers from 0.001 to 10^12` })
)
export type Profile = typeof Profile.Type

/** κT, the urgency over the whole window: price risk in relation to market impact. */
export const RiskAversion = Schema.Finite.check(
  Schema.isGreaterThan(0, { message: "must be greater than 0" }),
  Schema.isLessThanOrEqualTo(100, { message: "must be at most 100" })
)

/** How an order is distributed over its window. */
export const Strategy = Schema.Literals(["TWAP", "VWAP", "FRONT_LOADED", "BACK_LOADED", "WEIGHTS"])
export type Strategy = typeof Strategy.Type

export interface Shape {
  readonly strategy: Strategy
  readonly riskAversion: number | null
  readonly weights: Profile | null
}
