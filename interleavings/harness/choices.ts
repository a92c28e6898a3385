import { seededRandom } from "../../src/domain/planning/schedule/SeededRandom.ts"
import type { Choose } from "./interleave.ts"

/** A choice of a run: which of how many actors made the next step. */
interface Choice {
  readonly of: number
  readonly chosen: number
}

/** Chooses along a path, then always the first; keeps the choices that it made. */
export class Path {
  readonly choices: Array<Choice> = []
  private readonly given: ReadonlyArray<number>

  constructor(given: ReadonlyArray<number>) {
    this.given = given
  }

  readonly choose: Choose = ({ length: of }) => {
    const chosen = this.given[this.choices.length] ?? 0
    if (chosen >= of) throw new Error(`A run did not repeat itself: choice ${chosen} of ${of}`)
    this.choices.push({ of, chosen })
    return chosen
  }

  /** The next path of a search of all of them, depth first; null after the last. */
  get next(): Path | null {
    const last = this.choices.findLastIndex(({ of, chosen }) => chosen + 1 < of)
    const before = this.choices.slice(0, last).map(({ chosen }) => chosen)
    const turning = this.choices[last]
    return turning === undefined ? null : new Path([...before, turning.chosen + 1])
  }
}

/**
 * Chooses by a seed. It stays with one actor for a while, for how long depends on the seed: so short actors come at every
 * point of long ones, and long ones interleave finely, too.
 */
export const seededChoice = (seed: string): Choose => {
  const random = seededRandom(seed)
  const steadiness = random()
  let last = -1
  return (ready) => {
    const same = ready.findIndex(({ actor }) => actor === last)
    const chosen = same === -1 || random() > steadiness ? Math.floor(random() * ready.length) : same
    last = ready[chosen]?.actor ?? -1
    return chosen
  }
}
