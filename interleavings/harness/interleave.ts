import { Effect, Fiber } from "effect"
import type { DbError } from "../../src/db/DbError.ts"
import { type Step, Turns } from "./Turns.ts"

/** The connections that wait for a lock, each with those that it waits for. */
export type LockWaits = ReadonlyMap<number, ReadonlyArray<number>>

/** Chooses one of the steps that could be made next; returns its index. */
export type Choose = (ready: ReadonlyArray<Step>) => number

export interface Interleaving {
  /** The steps in the order in which they were begun. */
  readonly steps: ReadonlyArray<Step>
  /** The steps that had to wait for a lock. */
  readonly waits: ReadonlyArray<Step>
}

/** An actor's statements; `reach` waits at each boundary for its turn. */
export type Acting = (reach: (label: string) => Effect.Effect<void>) => Effect.Effect<void>

/** How long an actor may take to its next boundary before the database is asked whether it waits for a lock. */
const usualStep = "3 millis"
const retryInterval = "5 millis"

/**
 * Runs actors against each other on the database, one step at a time: at each statement boundary `choose` picks the actor
 * that makes the next step. The next choice is made only when every other actor waits at a boundary, waits for a lock, or
 * has ended, so the choices alone decide the run. PostgreSQL resolves a deadlock, which fails one of the actors.
 */
export const interleave = (
  actors: ReadonlyArray<Acting>,
  choose: Choose,
  lockWaits: Effect.Effect<LockWaits, DbError>
): Effect.Effect<Interleaving, DbError> =>
  Effect.gen(function* () {
    const turns = new Turns(actors.length)
    const steps: Array<Step> = []
    const waits: Array<Step> = []
    const fibers = yield* Effect.forEach(actors, (actor, number) =>
      actor((label) => turns.reach(number, label)).pipe(
        Effect.ensuring(Effect.sync(() => turns.ended(number))),
        Effect.forkChild({ startImmediately: true })
      )
    )
    for (;;) {
      for (const blocked of yield* untilQuiet(turns, lockWaits)) {
        if (!waits.some((wait) => wait.actor === blocked.actor && wait.label === blocked.label)) waits.push(blocked)
      }
      const { ready } = turns
      const next = ready[ready.length > 1 ? choose(ready) : 0]
      if (next === undefined && turns.moving.length === 0) break
      if (next === undefined) {
        yield* Effect.sleep(retryInterval)
        continue
      }
      steps.push(next)
      turns.go(next)
    }
    yield* Effect.forEach(fibers, Fiber.await, { discard: true })
    return { steps, waits }
  })

/** Waits until no actor is on the way but those that wait for a lock, and returns the steps of these. */
const untilQuiet = (
  turns: Turns,
  lockWaits: Effect.Effect<LockWaits, DbError>
): Effect.Effect<ReadonlyArray<Step>, DbError> =>
  Effect.gen(function* () {
    for (;;) {
      const { moving, version } = turns
      if (moving.length === 0) return []
      // Those that waited before may still wait, so that no change is to be expected.
      yield* Effect.raceFirst(turns.after(version), Effect.sleep(usualStep))
      const { version: asked, moving: rest } = turns
      if (rest.length === 0) return []
      const waits = yield* lockWaits
      if (turns.version !== asked) continue
      if (hasCircle(waits)) yield* Effect.sleep(retryInterval)
      else if (waits.size === rest.length) return rest
    }
  })

/** Whether connections wait for each other: PostgreSQL is about to end one of them. */
const hasCircle = (waits: LockWaits): boolean => {
  const reaches = (from: number, to: number, seen: ReadonlySet<number>): boolean =>
    (waits.get(from) ?? []).some(
      (next) => next === to || (!seen.has(next) && reaches(next, to, new Set([...seen, next])))
    )
  return [...waits.keys()].some((pid) => reaches(pid, pid, new Set()))
}
