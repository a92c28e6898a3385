import type { Shape } from "../../model/shape.ts"
import { type Profile } from "../../model/shape.ts"
import { type Curve, uShapedDay } from "./Curve.ts"

/** The default κT of front- and back-loaded orders: a front-loaded one has done two thirds at half of the window. */
const defaultRiskAversion = 2

/** The instrument's volume profile, null for the built-in one, and the parts of the trading day in the window: 0 to 1 is all. */
export interface MarketDay {
  readonly volumeProfile: Profile | null
  readonly sessions: readonly [SessionPart, ...ReadonlyArray<SessionPart>]
}

/** How long the window is in a session, and which part of the profile that is. */
interface SessionPart {
  readonly millis: number
  readonly from: number
  readonly to: number
}

/** A window that counts as a whole day, with the built-in profile. */
export const unknownDay: MarketDay = { volumeProfile: null, sessions: [{ millis: 1, from: 0, to: 1 }] }

export const curveOf = ({ strategy, riskAversion, weights }: Shape, day: MarketDay): Curve => {
  switch (strategy) {
    case "TWAP":
      return { _tag: "Even" }
    case "VWAP":
      return alongDay(day)
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

const alongDay = ({ volumeProfile, sessions }: MarketDay): Curve => {
  const profile = volumeProfile ?? uShapedDay
  const [first, ...others] = sessions
  if (others.length === 0) return { _tag: "InProportion", profile, from: first.from, to: first.to }
  const all = sessions.reduce((sum, { millis }) => sum + millis, 0)
  const shared = ({ millis, from, to }: SessionPart) => ({ share: millis / all, from, to })
  return { _tag: "OverSessions", profile, sessions: [shared(first), ...others.map(shared)], from: 0, to: 1 }
}
