import { seededRandom } from "../../src/domain/planning/schedule/SeededRandom.ts"

/** Choices that depend on a seed alone: a failure names its seed, which reproduces the case. */
export interface Choices {
  readonly int: (from: number, to: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <const A>(options: readonly [A, ...ReadonlyArray<A>]) => A
}

export const choicesOf = (seed: string): Choices => {
  const random = seededRandom(seed)
  const int = (from: number, to: number) => from + Math.floor(random() * (to - from + 1))
  return {
    int,
    chance: (probability) => random() < probability,
    pick: (options) => options[int(0, options.length - 1)] ?? options[0]
  }
}

/** The number of cases that a test generates: the variable PROPERTY_CASES, or what the suite has time for. */
export const casesOr = (few: number): number => Number(process.env["PROPERTY_CASES"] ?? few)
