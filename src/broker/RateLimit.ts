import { Clock, DateTime, Duration, Effect, Layer, Result, Semaphore } from "effect"
import { nextIndianHour } from "../domain/indianTime.ts"
import { type BudgetLimits, OrderBudget } from "../stores/OrderBudget.ts"
import { Broker, type BrokerError, BrokerNotSent, BrokerTryLater } from "./Broker.ts"
import { Holds } from "./Holds.ts"

export interface RateLimitOptions extends BudgetLimits {
  /** Whether what is beyond the day's limit waits for the next day or is given up. */
  readonly dailyLimitPolicy: "wait" | "skip"
  /** How long a cancel, which has no deadline of its own, may wait. */
  readonly longestWait: Duration.Duration
}

/** The code of a BrokerTryLater by which the broker says that the day's limit is used up. */
export const dailyLimitCode = "daily_limit"
/** And that requests come too fast. */
export const tooFastCode = "429"

/** So far ahead a moment is reserved, and no further: a process that dies takes what it has reserved with it. */
const reservedAhead = Duration.millis(250)
/** A grant is good for so long: a request that leaves later would fall among those of later grants. */
const grantMillis = 100

/**
 * Keeps order requests (placements and cancels) within what the account may send, counted in the database over all
 * replicas. A request waits until it may leave, if that is before its deadline. Look-ups are not counted.
 */
export const withRateLimit = (options: RateLimitOptions): Layer.Layer<Broker, never, Broker | Holds | OrderBudget> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const budget = yield* OrderBudget
      const holds = yield* Holds
      const onDayIsFull = yield* makeOnDayIsFull(options)

      /** The next moment at which one more request may leave, in milliseconds since 1970; it is this request's alone. */
      const nextTurn = (latest: DateTime.Utc): Effect.Effect<number, BrokerNotSent> =>
        Effect.gen(function* () {
          const now = yield* DateTime.now
          const horizon = DateTime.min(latest, DateTime.addDuration(now, reservedAhead))
          const reserved = yield* Effect.mapError(budget.reserve(below.name, options, now, horizon), (error) =>
            notSent("rate_limit", `the limits are not known: ${error.message}`, DateTime.add(now, { seconds: 1 }))
          )
          if (reserved._tag === "Granted") return reserved.atMillis
          if (reserved._tag === "DayIsFull") return yield* onDayIsFull(now)
          const { possibleAt } = reserved
          if (DateTime.isGreaterThanOrEqualTo(possibleAt, nextIndianHour(now, 0))) return yield* onDayIsFull(now)
          if (DateTime.isGreaterThan(possibleAt, latest)) {
            return yield* notSent("rate_limit", "too many orders are waiting for their turn", possibleAt)
          }
          yield* Effect.sleep(DateTime.distance(now, possibleAt))
          return yield* nextTurn(latest)
        })

      // One request of this process waits at the database, the others behind it.
      const queue = yield* Semaphore.make(1)
      const waitForTurn = (latest: DateTime.Utc): Effect.Effect<void, BrokerNotSent> =>
        Effect.gen(function* () {
          const atMillis = yield* Semaphore.withPermits(queue, 1, nextTurn(latest))
          yield* sleepUntil(atMillis)
          const late = (yield* Clock.currentTimeMillis) - atMillis
          if (late > grantMillis) return yield* waitForTurn(latest)
        })

      /** What the broker says about its limits holds for every replica. */
      const tellOthers = (error: BrokerError): Effect.Effect<never, BrokerError> =>
        Effect.gen(function* () {
          if (error._tag !== "BrokerTryLater") return yield* error
          if (error.code !== tooFastCode && error.code !== dailyLimitCode) return yield* error
          const told = yield* Effect.result(budget.block(below.name, error.retryAt))
          if (Result.isFailure(told)) {
            yield* Effect.logWarning(
              `The other replicas do not know that the broker asked to wait: ${told.failure.message}`
            )
          }
          // Whoever tries again meets the full day as everybody does, and waits or is skipped by the policy.
          return yield* error.code === dailyLimitCode
            ? new BrokerTryLater({ code: error.code, message: error.message, retryAt: yield* DateTime.now })
            : error
        })

      return Broker.of({
        ...below,
        // A hold that begins meanwhile ends the wait: halting, stopping or cancelling does not wait for turns.
        place: (placement) =>
          Effect.raceFirst(waitForTurn(placement.deadline), holds.untilHeld(placement.sliceId)).pipe(
            Effect.andThen(below.place(placement).pipe(Effect.catch(tellOthers)))
          ),
        cancel: (brokerOrderId) =>
          Effect.gen(function* () {
            yield* waitForTurn(DateTime.addDuration(yield* DateTime.now, options.longestWait))
            yield* below.cancel(brokerOrderId).pipe(Effect.catch(tellOthers))
          })
      })
    })
  )

/** What becomes of a request beyond the day's limit: by the policy it is given up, or all wait for the next day. */
const makeOnDayIsFull = Effect.fnUntraced(function* (options: RateLimitOptions) {
  const holds = yield* Holds
  const scope = yield* Effect.scope
  const message = "the account's order requests of the day are used up"

  const hold = Effect.fnUntraced(function* (now: DateTime.Utc) {
    const tomorrow = nextIndianHour(now, 0)
    if ((yield* holds.current)?.kind === "limit") return
    yield* holds.set("limit", `${message}; they begin anew at ${DateTime.formatIso(tomorrow)}`)
    yield* Effect.forkIn(Effect.andThen(Effect.sleep(DateTime.distance(now, tomorrow)), holds.clear("limit")), scope)
  }, Effect.uninterruptible)

  return Effect.fnUntraced(function* (now: DateTime.Utc) {
    if (options.dailyLimitPolicy === "skip") return yield* notSent("daily_limit", message, null)
    // The hold ends the wait of whoever sets it, too; its end must be arranged for all the same.
    yield* hold(now)
    return yield* notSent("daily_limit", message, now)
  })
})

const notSent = (code: "rate_limit" | "daily_limit", message: string, retryAt: DateTime.Utc | null) =>
  new BrokerNotSent({ code, message: `Not sent: ${message}`, retryAt })

/** Timers may fire early: never before the moment. */
const sleepUntil = (atMillis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (;;) {
      const wait = atMillis - (yield* Clock.currentTimeMillis)
      if (wait <= 0) return
      yield* Effect.sleep(wait)
    }
  })
