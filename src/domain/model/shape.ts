import { Schema } from "effect"

const volume = Schema.Finite.check(
  Schema.isBetween({ minimum: 0.001, maximum: 1_000_000_000_000 }, { message: "must be a number from 0.001 to 10^12" })
)

/** Relative volumes or weights of equal parts of a day or a window; only their ratios matter. */
export const Profile = Schema.Array(volume).check(
  Schema.isMinLength(1, { message: "must have at least one number" }),
  Schema.isMaxLength(1000, { message: "must have at most 1000 numbers" })
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
