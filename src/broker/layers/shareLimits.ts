import { DateTime, Effect, Result } from "effect"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import type { RequestKind } from "../../domain/limits/requestShares.ts"
import { type BrokerError, BrokerTryLater, dailyLimitCode, tooFastCode } from "../../domain/model/BrokerError.ts"
import { OrderBudget } from "../../stores/account/OrderBudget.ts"

/** Wraps an account's order requests, each of a kind: what the broker says about its limits is stored for all replicas. */
export const makeShareLimits = Effect.fnUntraced(function* (account: string) {
  const budget = yield* OrderBudget
  const pauseAfter = makeTooFast()

  /** Stores "too fast" and "day used up" in the database; other errors pass unchanged. */
  const storeForAll =
    (kind: RequestKind) =>
    (error: BrokerError): Effect.Effect<never, BrokerError> =>
      Effect.gen(function* () {
        if (error._tag !== "BrokerTryLater") return yield* error
        if (error.code !== tooFastCode && error.code !== dailyLimitCode) return yield* error
        const now = yield* DateTime.now
        const isCap = error.code === dailyLimitCode
        const until = isCap ? error.retryAt : pauseAfter.refused(error.retryAt, now)
        const stored = yield* Effect.result(isCap ? budget.cap(account, kind, until) : budget.block(account, until))
        if (Result.isFailure(stored)) {
          yield* Effect.logWarning(
            `The other replicas do not know that the broker asked to wait: ${stored.failure.message}`
          )
        }
        // After a cap a retry at once meets the full day in the database, and waits or is skipped by the policy.
        const { code, message } = error
        return yield* new BrokerTryLater({ code, message, retryAt: isCap ? now : until })
      })

  const sharing = <A>(kind: RequestKind, call: Effect.Effect<A, BrokerError>): Effect.Effect<A, BrokerError> =>
    call.pipe(
      Effect.tap(() => Effect.map(DateTime.now, pauseAfter.answered)),
      Effect.tapError((error) =>
        error._tag === "BrokerRefused" || error._tag === "BrokerOutcomeUnknown"
          ? Effect.map(DateTime.now, pauseAfter.answered)
          : Effect.void
      ),
      Effect.catch(storeForAll(kind))
    )
  return sharing
})

/** A broker asks to wait for a second, and until the next minute it is a minute at most. */
const longestWaitMillis = 60_000

/** How long to wait after "too fast": as long as the broker says, and if that was not enough, until the next minute. */
const makeTooFast = () => {
  let refusals = 0
  let waitsUntil = DateTime.makeUnsafe(0)
  const isWaiting = (now: DateTime.Utc) =>
    isPausedUntil(DateTime.toEpochMillis(now), DateTime.toEpochMillis(waitsUntil), longestWaitMillis)
  return {
    /** Refusals during one wait count as one. */
    refused: (retryAt: DateTime.Utc, now: DateTime.Utc): DateTime.Utc => {
      if (isWaiting(now)) return waitsUntil
      refusals++
      const nextMinute = DateTime.makeUnsafe((Math.floor(DateTime.toEpochMillis(now) / 60_000) + 1) * 60_000)
      waitsUntil = refusals > 1 ? DateTime.max(retryAt, nextMinute) : retryAt
      return waitsUntil
    },
    /** An answer other than "too fast". */
    answered: (now: DateTime.Utc): void => {
      if (!isWaiting(now)) refusals = 0
    }
  }
}
