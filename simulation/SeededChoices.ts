import type { SeededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"

/** Choices out of a stream of chance. */
export interface SeededChoices {
  readonly hits: (probability: number) => boolean
  readonly between: (least: number, most: number) => number
  /** Often at the far end, where limits are. */
  readonly upTo: (most: number) => number
  /** A whole number, both ends included. */
  readonly whole: (least: number, most: number) => number
  readonly oneOf: <A>(choices: readonly [A, ...ReadonlyArray<A>]) => A
}

export const seededChoices = (random: SeededRandom): SeededChoices => {
  const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
  return {
    hits: (probability) => random() < probability,
    between: (least, most) => least + random() * (most - least),
    upTo: (most) => most * (random() < 0.4 ? 0.95 + 0.05 * random() : random()),
    whole,
    oneOf: (choices) => choices[whole(0, choices.length - 1)] ?? choices[0]
  }
}
