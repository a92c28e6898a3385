import { Cause, Effect } from "effect"
import { DbError } from "../../src/db/DbError.ts"
import type { Services } from "./Session.ts"

interface Conduct<E> {
  /** True: a wait for a lock is a finding, because the actor promises that it waits for nobody. */
  readonly neverWaits?: boolean
  /** The failures that are answers. Every other failure is a finding, a deadlock too. */
  readonly mayFail?: (error: E) => boolean
}

/** One of those that act at the same time, on a connection of its own. */
export interface Actor<A = unknown> {
  readonly name: string
  readonly neverWaits: boolean
  /** Acts, and keeps what came of it. */
  readonly run: Effect.Effect<void, never, Services>
  /** What the actor was answered; null if it failed. */
  readonly result: A | null
  /** What is wrong with its end; null if nothing is. */
  readonly failure: string | null
}

export const actor = <A, E>(
  name: string,
  act: Effect.Effect<A, E, Services>,
  { neverWaits = false, mayFail = () => false }: Conduct<E> = {}
): Actor<A> => {
  let result: A | null = null
  let failure: string | null = null
  const run = Effect.matchCauseEffect(act, {
    onSuccess: (value) => Effect.sync(() => void (result = value)),
    onFailure: (cause) =>
      Effect.sync(() => {
        const [reason] = cause.reasons
        if (reason?._tag === "Fail" && mayFail(reason.error)) return
        failure = `${name} failed: ${reason?._tag === "Fail" ? messageOf(reason.error) : Cause.pretty(cause)}`
      })
  })
  return {
    name,
    neverWaits,
    run,
    get result() {
      return result
    },
    get failure() {
      return failure
    }
  }
}

const messageOf = (error: unknown): string =>
  error instanceof DbError
    ? `${error.message} (${error.sqlState ?? "no SQLSTATE"})`
    : error instanceof Error
      ? error.message
      : JSON.stringify(error)

/** One run of a case: its actors, and what must hold when all have ended, as a list of what does not. */
export interface Play {
  readonly actors: ReadonlyArray<Actor>
  readonly problems: Effect.Effect<ReadonlyArray<string>, unknown, Services>
}

/** Two to four actors in a small world. */
export interface Case {
  readonly name: string
  /**
   * The seeds that the tests run, besides new ones, where there are too many interleavings to run them all: without each of
   * the locks and conditions that the case is for, at least one of them finds it out.
   */
  readonly seeds?: ReadonlyArray<number>
  /** Builds the world, and returns the play for one run in it. */
  readonly prepare: Effect.Effect<() => Play, unknown, Services>
}
