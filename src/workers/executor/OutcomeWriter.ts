import { Cause, DateTime, Effect, Fiber, Option, Queue, Schedule, type Scope } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import type { OrderId } from "../../domain/model/Ids.ts"
import type { SliceTransition } from "../../domain/model/OrderSlice.ts"
import { annotateSlice } from "../../runtime/annotate.ts"
import { logAndContinue, summary } from "../../runtime/logAndContinue.ts"
import type { HistoryStore } from "../../stores/operations/HistoryStore.ts"
import type { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import type { OrderStore } from "../../stores/orders/OrderStore.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import type { BrokerEvent } from "../../stores/sql/insertEvents.ts"
import { Lookout } from "../supervision/Lookout.ts"
import { makeHoldRefused } from "./holdRefused.ts"
import { makeLogTried, type Tried } from "./logTried.ts"
import { makeReportFenced } from "./reportFenced.ts"

/** The outcome of a claimed slice, and the audit row of the broker call behind it; null when there was no call. */
export interface SliceOutcome {
  readonly transition: SliceTransition
  readonly event: BrokerEvent | null
  /** The placement, for the log; null if none was tried. */
  readonly tried: Tried | null
}

export interface OutcomeWriter {
  readonly write: (outcome: SliceOutcome) => void
}

const maxGroup = 500
/** Retries go on until the database is back or the process ends. */
const retrySchedule = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/**
 * Writes outcomes in groups, two groups at a time; outcomes that arrive meanwhile form the next group. A group is retried
 * until the database accepts it; orders that the broker keeps refusing are put on hold after it. When the scope closes, the rest is written first; an outcome that cannot be written within
 * SHUTDOWN_GRACE_SECONDS is not lost: reconciliation finds its slice by the tag.
 */
export const makeOutcomeWriter: Effect.Effect<
  OutcomeWriter,
  never,
  Configuration | HistoryStore | OrderCommands | OrderStore | SliceStore | Scope.Scope
> = Effect.gen(function* () {
  const config = yield* Configuration
  const outcomes = yield* Queue.unbounded<SliceOutcome, Cause.Done>()

  const finishGroup = yield* makeFinishGroup
  const writeAll = Queue.takeBetween(outcomes, 1, maxGroup).pipe(
    Effect.flatMap(finishGroup),
    Effect.forever,
    Effect.catchTag("Done", () => Effect.void)
  )
  yield* Effect.acquireRelease(
    Effect.all([writeAll, writeAll], { concurrency: 2, discard: true }).pipe(Effect.interruptible, Effect.forkDetach),
    (fiber) =>
      Effect.gen(function* () {
        yield* Queue.end(outcomes)
        const written = yield* Effect.timeoutOption(Fiber.await(fiber), config.shutdownGrace)
        if (Option.isSome(written)) return
        yield* Effect.logError(
          "Outcomes could not be written before the end; their slices are reconciled by their tags"
        )
        yield* Fiber.interrupt(fiber)
      })
  )

  return {
    write: (outcome) => {
      Queue.offerUnsafe(outcomes, outcome)
    }
  }
})

/** Makes the function that logs, writes and follows up one group of outcomes. */
const makeFinishGroup = Effect.gen(function* () {
  const store = yield* SliceStore
  const holdRefused = yield* makeHoldRefused
  const logTried = yield* makeLogTried
  const lookout = yield* Lookout
  const followUpFenced = yield* makeReportFenced

  const attempt = (group: ReadonlyArray<SliceOutcome>) =>
    DateTime.now.pipe(
      Effect.flatMap((now) =>
        store.transition(
          group.map((outcome) => outcome.transition),
          group.flatMap((outcome) => (outcome.event === null ? [] : [outcome.event])),
          now
        )
      ),
      Effect.tapError((error) =>
        Effect.logError(`${group.length} outcomes are not written yet and kept to try again: ${error.message}`)
      ),
      Effect.retry(($) => $(retrySchedule).pipe(Schedule.while(({ input }) => input.isTransient))),
      Effect.tap((moved) => reportFenced(group, new Set(moved.map((slice) => slice.id))))
    )

  const reportFenced = (group: ReadonlyArray<SliceOutcome>, moved: ReadonlySet<string>) =>
    Effect.forEach(
      group.filter(({ transition }) => !moved.has(transition.slice.id)),
      ({ transition: { slice, next }, tried }) =>
        Effect.logWarning(`The slice had another owner before its outcome (${next._tag}) was written`).pipe(
          annotateSlice(slice),
          Effect.andThen(
            tried !== null && next._tag === "Processed" ? followUpFenced(tried.slice, next.brokerOrderId) : Effect.void
          )
        ),
      { discard: true }
    )

  /**
   * Writes a group; if the database refuses it, each outcome alone. An outcome that is refused alone is logged, and its slice
   * is reconciled when its lease ends.
   */
  const writeGroup = (group: ReadonlyArray<SliceOutcome>): Effect.Effect<void> =>
    attempt(group).pipe(
      Effect.as(true),
      Effect.catchCause((cause) => {
        if (Cause.hasInterrupts(cause)) return Effect.failCause(Cause.interrupt())
        const apart =
          group.length > 1
            ? Effect.forEach(group, (outcome) => writeGroup([outcome]), { discard: true })
            : Effect.forEach(group, (outcome) => reportLost(outcome, summary(cause)), { discard: true })
        return Effect.as(apart, false)
      }),
      Effect.flatMap((isWritten) => (isWritten ? holdRefused(ordersRefusedIn(group)) : Effect.void))
    )

  const orLog = logAndContinue("Around the writing of outcomes something met a bug")
  /** Whatever happens to one group, the next ones are written. */
  return (group: ReadonlyArray<SliceOutcome>): Effect.Effect<void> =>
    orLog(logTried(group.flatMap(({ tried }) => tried ?? []))).pipe(
      Effect.andThen(orLog(writeGroup(group))),
      Effect.andThen(group.some(comesBack) ? lookout.note("slices") : Effect.void)
    )
})

const comesBack = ({ transition }: SliceOutcome): boolean => transition.next._tag === "Rescheduled"

const ordersRefusedIn = (group: ReadonlyArray<SliceOutcome>): ReadonlySet<OrderId> =>
  new Set(
    group.flatMap(({ transition: { slice, next } }) =>
      next._tag === "Failed" && next.code === "broker_refused" ? [slice.orderId] : []
    )
  )

const reportLost = ({ transition }: SliceOutcome, why: string) =>
  Effect.logError(
    `The outcome (${transition.next._tag}) cannot be written; the slice is reconciled when its lease ends: ${why}`
  ).pipe(annotateSlice(transition.slice))
