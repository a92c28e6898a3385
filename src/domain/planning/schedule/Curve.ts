import { Schema } from "effect"
import { Profile, RiskAversion } from "../../model/shape.ts"

/** The part of a shape that the window covers: 0 to 1 is the whole, 0.5 to 1 its second half. */
const part = (max: number) => {
  const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: max }))
  return { from: share, to: share }
}

/** How much of the order is to be done by each moment of its window. */
export const Curve = Schema.TaggedUnion({
  /** The straight line: TWAP. */
  Even: {},
  /** In proportion to a profile, of which the window covers a part; it repeats beyond 1. */
  InProportion: { profile: Profile, ...part(1000) },
  /** In proportion to the part of a day's profile that each session of the window covers, one after the other. */
  OverSessions: {
    profile: Profile,
    /** How much of the window each session takes, all together 1, and the part of the profile that it covers. */
    sessions: Schema.NonEmptyArray(Schema.Struct({ share: Schema.Finite, ...part(1) })),
    ...part(1)
  },
  /** Almgren and Chriss's optimal trajectory, or its reverse. */
  Trajectory: { riskAversion: RiskAversion, isBackwards: Schema.Boolean, ...part(1) }
})
export type Curve = typeof Curve.Type
type CurveOf<Tag extends Curve["_tag"]> = Extract<Curve, { readonly _tag: Tag }>

/** The curve as a function from the elapsed share of the window to the completed share of the order, both 0 to 1. */
export const shareOf = (curve: Curve): ((elapsed: number) => number) => {
  if (curve._tag === "Even") return (elapsed) => elapsed
  const { from, to } = curve
  const done = shapeOf(curve)
  const [start, whole] = [done(from), done(to) - done(from)]
  return (elapsed) => (whole > 0 ? (done(from + elapsed * (to - from)) - start) / whole : elapsed)
}

/** The rest of a curve after a share of its window. */
export const restOf = (curve: Curve, elapsed: number): Curve =>
  curve._tag === "Even" ? curve : { ...curve, from: curve.from + elapsed * (curve.to - curve.from) }

const shapeOf = (curve: Exclude<Curve, CurveOf<"Even">>): ((x: number) => number) => {
  if (curve._tag === "InProportion") return cumulativeOf(curve.profile)
  if (curve._tag === "OverSessions") return overSessions(curve)
  const { riskAversion, isBackwards } = curve
  return (x) => (isBackwards ? remaining(riskAversion, 1 - x) : 1 - remaining(riskAversion, x))
}

const overSessions = ({ profile, sessions }: CurveOf<"OverSessions">) => {
  const volume = cumulativeOf(profile)
  return (x: number): number => {
    let [left, done] = [x, 0]
    for (const { share, from, to } of sessions) {
      const within = Math.min(1, Math.max(0, share === 0 ? 1 : left / share))
      done += volume(from + within * (to - from)) - volume(from)
      left -= share
    }
    return done
  }
}

const cumulativeOf = (profile: Profile) => {
  const sums = [0]
  for (const volume of profile) sums.push((sums.at(-1) ?? 0) + volume)
  const sum = sums.at(-1) ?? 1
  return (x: number): number => {
    const day = Math.floor(x)
    const within = (x - day) * profile.length
    const index = Math.floor(within)
    return day * sum + (sums[index] ?? sum) + (within - index) * (profile[index] ?? 0)
  }
}

/**
 * The remaining share of the order: sinh κ(T − t) / sinh κT, with `elapsed` = t/T. Almgren and Chriss, "Optimal execution
 * of portfolio transactions", Journal of Risk 3 (2000), equation 17. Written with falling exponentials only, which no κT
 * overflows.
 */
const remaining = (riskAversion: number, elapsed: number): number =>
  riskAversion < 1e-6
    ? 1 - elapsed
    : (exponential(-riskAversion * elapsed) * (1 - exponential(-2 * riskAversion * (1 - elapsed)))) /
      (1 - exponential(-2 * riskAversion))

/** e^x for x ≤ 0, from additions and multiplications only, so that every machine gets the same result; Math.exp may differ. */
const exponential = (x: number): number => {
  if (x < -700) return 0
  const halvings = 12
  const small = x / 2 ** halvings
  let [term, sum] = [1, 1]
  for (let n = 1; n <= 12; n++) {
    term = (term * small) / n
    sum += term
  }
  for (let n = 0; n < halvings; n++) sum *= sum
  return sum
}

/**
 * The built-in volume profile of a trading day: 75 parts of the U-shape f(u) = 2/3 + 4(u − 1/2)², which gives the first and
 * the last hour of a day of six and a quarter about 21 % each. The shape is well known (Admati and Pfleiderer, "A theory of
 * intraday patterns", Review of Financial Studies 1 (1988)); its depth here is ours, and no instrument's in particular.
 */
export const uShapedDay: Profile = Array.from({ length: 75 }, (_, part) => {
  const cubed = (u: number) => (u - 0.5) * (u - 0.5) * (u - 0.5)
  return 2 / 3 / 75 + (4 / 3) * (cubed((part + 1) / 75) - cubed(part / 75))
})
