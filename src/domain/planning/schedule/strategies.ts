import { Schema } from "effect"
import { type Curve, type Profile, uShapedDay } from "./Curve.ts"

/** The shape in which an order is worked through its window. */
export const Strategy = Schema.Literals(["TWAP", "VWAP", "FRONT_LOADED", "BACK_LOADED", "WEIGHTS"])
export type Strategy = typeof Strategy.Type

/** κT of front- and back-loaded orders that do not say: two thirds are done by half of the window. */
const defaultRiskAversion = 2

export interface Shape {
  readonly strategy: Strategy
  readonly riskAversion: number | null
  readonly weights: Profile | null
}

/** The instrument's volume profile, if it has one, and which part of the trading day the window is: 0 to 1 is all of it. */
export interface MarketDay {
  readonly volumeProfile: Profile | null
  readonly from: number
  readonly to: number
}

/** The window taken as a whole day of no known instrument. */
export const unknownDay: MarketDay = { volumeProfile: null, from: 0, to: 1 }

export const curveOf = ({ strategy, riskAversion, weights }: Shape, day: MarketDay): Curve => {
  switch (strategy) {
    case "TWAP":
      return { _tag: "Even" }
    case "VWAP":
      return { _tag: "InProportion", profile: day.volumeProfile ?? uShapedDay, from: day.from, to: day.to }
    case "FRONT_LOADED":
    case "BACK_LOADED":
      return {
        _tag: "Trajectory",
        riskAversion: riskAversion ?? defaultRiskAversion,
        isBackwards: strategy === "BACK_LOADED",
        from: 0,
        to: 1
      }
    case "WEIGHTS":
      return { _tag: "InProportion", profile: weights ?? [1], from: 0, to: 1 }
  }
}
