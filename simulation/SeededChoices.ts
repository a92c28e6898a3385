import type { SeededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"

/** Choices out of a stream of chance. */
export interface SeededChoices {
  readonly hits: (probability: number) => boolean
  readonly between: (min: number, max: number) => number
  /** Often at the far end, where limits are. */
  readonly upTo: (max: number) => number
  /** A whole number, both ends included. */
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
