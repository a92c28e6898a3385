import { Clock, DateTime, Duration, Effect, Layer, Result, Semaphore } from "effect"
import { placementsPerDay } from "../../domain/limits/orderRate.ts"
import {
  dailyLimitCode,
  tooFastCode,
  type BrokerError,
  BrokerNotSent,
  BrokerTryLater
} from "../../domain/model/BrokerError.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import { type BudgetLimits, OrderBudget } from "../../stores/account/OrderBudget.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { Broker } from "../Broker.ts"
import { PlacementGate } from "../PlacementGate.ts"

export interface RateLimitOptions extends BudgetLimits {
  /** Whether what is beyond the day's limit waits for the next day or is given up. */
  readonly dailyLimitPolicy: "wait" | "skip"
  /** How long a cancel, which has no deadline of its own, may wait. */
  readonly maxWait: Duration.Duration
}

/** So far ahead a moment is reserved, and no further: a process that dies takes what it has reserved with it. */
const reservedAhead = Duration.millis(250)
/** A grant is good for so long: a request that leaves later would fall among those of later grants. */
const grantMillis = 100

/**
 * Keeps order requests (placements and cancels) within what the account may send, counted in the database over all
 * replicas. A request waits until it may leave, if that is before its deadline. Look-ups are not counted.
 */
export const withRateLimit = (
  options: RateLimitOptions
): Layer.Layer<Broker, never, Broker | PlacementGate | OrderBudget> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const budget = yield* OrderBudget
      const gate = yield* PlacementGate
      const telemetry = yield* Telemetry
      const onDayIsFull = yield* makeOnDayIsFull(options)

      // Of the last reservation. While the database is slow a grant for now would be lost before it is here.
      let roundTripMillis = 0
      const leadMillis = () => (roundTripMillis > grantMillis / 2 ? 2 * roundTripMillis : 0)

      /** The next moment at which one more request may leave, in milliseconds since 1970; it is this request's alone. */
      const nextTurn = (limits: BudgetLimits, latest: DateTime.Utc): Effect.Effect<number, BrokerNotSent> =>
        Effect.gen(function* () {
          const now = yield* DateTime.now
          const from = DateTime.addDuration(now, Duration.millis(leadMillis()))
          const horizon = DateTime.min(latest, DateTime.addDuration(from, reservedAhead))
          const reserved = yield* Effect.mapError(budget.reserve(below.name, limits, from, horizon), (error) =>
            notSent("rate_limit", `the limits are not known: ${error.message}`, DateTime.add(now, { seconds: 1 }))
          )
          roundTripMillis = (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(now)
          if (reserved._tag === "Granted") return reserved.atMillis
          if (reserved._tag === "DayIsFull") return yield* onDayIsFull(now, reserved.until)
          const { possibleAt } = reserved
          if (DateTime.isGreaterThan(possibleAt, latest)) {
            return yield* notSent("rate_limit", "too many orders are waiting for their turn", possibleAt)
          }
          yield* Effect.sleep(DateTime.distance(now, possibleAt))
          return yield* nextTurn(limits, latest)
        })

      // One request of this process waits at the database, the others behind it.
      const queue = yield* Semaphore.make(1)
      const waitForTurn = (
        limits: BudgetLimits,
        latest: DateTime.Utc,
        hasLostOne = false
      ): Effect.Effect<void, BrokerNotSent> =>
        Effect.gen(function* () {
          const atMillis = yield* Semaphore.withPermits(queue, 1, nextTurn(limits, latest))
          yield* sleepUntil(atMillis)
          const now = yield* DateTime.now
          if (DateTime.toEpochMillis(now) - atMillis <= grantMillis) return
          // Each lost grant is a request of the day less.
          if (hasLostOne) {
            const message = `the database took ${roundTripMillis} ms to grant a turn, which was over by then`
            return yield* notSent("rate_limit", message, DateTime.add(now, { seconds: 1 }))
          }
          yield* waitForTurn(limits, latest, true)
        })

      const measured = <E>(wait: Effect.Effect<void, E>) =>
        telemetry.isOn
          ? Effect.gen(function* () {
              const beganMillis = yield* nowMillis
              yield* wait
              telemetry.waitedForTurn({ beganMillis, endedMillis: yield* nowMillis })
            })
          : wait

      const pauseAfter = makeTooFast()

      /** What the broker says about its limits holds for every replica. */
      const tellOthers = (error: BrokerError): Effect.Effect<never, BrokerError> =>
        Effect.gen(function* () {
          if (error._tag !== "BrokerTryLater") return yield* error
          if (error.code !== tooFastCode && error.code !== dailyLimitCode) return yield* error
          const now = yield* DateTime.now
          const isCap = error.code === dailyLimitCode
          const until = isCap ? error.retryAt : pauseAfter.refused(error.retryAt, now)
          const told = yield* Effect.result(isCap ? budget.cap(below.name, until) : budget.block(below.name, until))
          if (Result.isFailure(told)) {
            yield* Effect.logWarning(
              `The other replicas do not know that the broker asked to wait: ${told.failure.message}`
            )
          }
          // Whoever tries again meets the full day as everybody does, and waits or is skipped by the policy.
          const { code, message } = error
          return yield* new BrokerTryLater({ code, message, retryAt: isCap ? now : until })
        })

      const sent = <A>(call: Effect.Effect<A, BrokerError>): Effect.Effect<A, BrokerError> =>
        call.pipe(
          Effect.tap(() => Effect.map(DateTime.now, pauseAfter.answered)),
          Effect.tapError((error) =>
            error._tag === "BrokerRefused" || error._tag === "BrokerOutcomeUnknown"
              ? Effect.map(DateTime.now, pauseAfter.answered)
              : Effect.void
          ),
          Effect.catch(tellOthers)
        )

      const placements = { ...options, perDay: placementsPerDay(options.perDay) }
      return Broker.of({
        ...below,
        // A hold that begins meanwhile ends the wait: halting, stopping or cancelling does not wait for turns.
        place: (placement) =>
          Effect.raceFirst(
            measured(waitForTurn(placements, placement.deadline)),
            gate.untilClosed(placement.sliceId)
          ).pipe(Effect.andThen(sent(below.place(placement)))),
        cancel: (brokerOrderId) =>
          Effect.gen(function* () {
            yield* measured(waitForTurn(options, DateTime.addDuration(yield* DateTime.now, options.maxWait)))
            yield* sent(below.cancel(brokerOrderId))
          })
      })
    })
  )

/** How long to wait after "too fast": as long as the broker says; when that was not enough, until the next minute. */
const makeTooFast = () => {
  let refusals = 0
  let waitsUntil = DateTime.makeUnsafe(0)
  return {
    /** All that are refused in the same wait are one refusal. */
    refused: (retryAt: DateTime.Utc, now: DateTime.Utc): DateTime.Utc => {
      if (DateTime.isLessThan(now, waitsUntil)) return waitsUntil
      refusals++
      const nextMinute = DateTime.makeUnsafe((Math.floor(DateTime.toEpochMillis(now) / 60_000) + 1) * 60_000)
      waitsUntil = refusals > 1 ? DateTime.max(retryAt, nextMinute) : retryAt
      return waitsUntil
    },
    /** Something else than "too fast". */
    answered: (now: DateTime.Utc): void => {
      if (DateTime.isGreaterThanOrEqualTo(now, waitsUntil)) refusals = 0
    }
  }
}

/** What becomes of a request beyond the day's limit: by the policy it is given up, or all wait for the next day. */
const makeOnDayIsFull = Effect.fnUntraced(function* (options: RateLimitOptions) {
  const gate = yield* PlacementGate
  const scope = yield* Effect.scope
  const message = "the account's order requests of the day are used up"

  const hold = Effect.fnUntraced(function* (now: DateTime.Utc, until: DateTime.Utc) {
    if ((yield* gate.current)?.kind === "limit") return
    yield* gate.close("limit", `${message}; the next one is tried at ${DateTime.formatIso(until)}`)
    yield* Effect.forkIn(Effect.andThen(Effect.sleep(DateTime.distance(now, until)), gate.open("limit")), scope)
  }, Effect.uninterruptible)

  return Effect.fnUntraced(function* (now: DateTime.Utc, until: DateTime.Utc) {
    if (options.dailyLimitPolicy === "skip") return yield* notSent("daily_limit", message, null)
    // The hold ends the wait of whoever sets it, too; its end must be arranged for all the same.
    yield* hold(now, until)
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
