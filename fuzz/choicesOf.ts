import { type SeededChoices, seededChoices } from "../simulation/SeededChoices.ts"
import { seededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"

/** The choices that make one input: they depend on the area, the seed and the index alone. */
export const choicesOf = (area: string, seed: number, index: number): SeededChoices =>
  seededChoices(seededRandom(`fuzz ${area} ${seed} ${index}`))
