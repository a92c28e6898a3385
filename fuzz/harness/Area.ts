import type { Effect, Scope } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import type { FuzzRun } from "./FuzzRun.ts"

/** One input, and its place in the sequence of its area and seed; a case that is replayed has a negative index. */
export interface Sample<Input> {
  readonly index: number
  readonly input: Input
}

/** What is wrong with the service's behaviour on one input, in words. */
export interface Finding {
  readonly index: number
  readonly what: string
}

/** Judges a batch of inputs: the service reads them, and an independent oracle says what is wrong with what it did. */
export type Judge<Input> = (
  samples: ReadonlyArray<Sample<Input>>
) => Effect.Effect<ReadonlyArray<Finding>, never, FuzzRun>

/**
 * One boundary of the service: a generator of inputs for it, and a judge. The same seed and index always give the same
 * input, whatever is generated beside it.
 */
export interface Area<Input> {
  readonly name: string
  /** How many inputs are judged together, and how many such batches at a time. */
  readonly batchSize: number
  readonly inFlight: number
  /** The share of the inputs of a run over all areas. */
  readonly weight: number
  readonly generate: (choices: SeededChoices) => Input
  /** An input as text, for reports. */
  readonly shown: (input: Input) => string
  /** Opens whatever the area needs, such as a server, until the scope closes. */
  readonly open: Effect.Effect<Judge<Input>, unknown, FuzzRun | Scope.Scope>
}
