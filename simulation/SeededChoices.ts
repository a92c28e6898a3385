import type { SeededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"

/** Random choices from one seeded stream. The order of the calls is part of a seed. */
export interface SeededChoices {
  readonly hits: (probability: number) => boolean
  readonly between: (min: number, max: number) => number
  /** A number from 0 to `max`; in two of five cases from its last twentieth, because faults hide at limits. */
  readonly upTo: (max: number) => number
  /** An integer from `min` to `max`, both included. */
  readonly whole: (min: number, max: number) => number
  readonly oneOf: <A>(choices: readonly [A, ...ReadonlyArray<A>]) => A
}

export const seededChoices = (random: SeededRandom): SeededChoices => {
  const whole = (min: number, max: number) => min + Math.floor(random() * (max - min + 1))
  return {
    hits: (probability) => random() < probability,
    between: (min, max) => min + random() * (max - min),
    upTo: (max) => max * (random() < 0.4 ? 0.95 + 0.05 * random() : random()),
    whole,
    oneOf: (choices) => choices[whole(0, choices.length - 1)] ?? choices[0]
  }
}
