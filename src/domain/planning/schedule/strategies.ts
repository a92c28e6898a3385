import type { Shape } from "../../model/shape.ts"
import { type Profile } from "../../model/shape.ts"
import { type Curve, uShapedDay } from "./Curve.ts"

/** κT of front- and back-loaded orders that do not say: two thirds are done by half of the window. */
const defaultRiskAversion = 2

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
