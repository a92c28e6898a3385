import { Clock, DateTime, Duration, Effect, Semaphore } from "effect"
import { BrokerNotSent } from "../../domain/model/BrokerError.ts"
import { type BudgetLimits, OrderBudget } from "../../stores/account/OrderBudget.ts"
import { PlacementGate } from "../PlacementGate.ts"

/** So far ahead a moment is reserved, and no further: a process that dies takes what it has reserved with it. */
const reservedAhead = Duration.millis(250)
/** A grant is good for so long: a request that leaves later would fall among those of later grants. */
const grantMillis = 100

/** Whether what is beyond the day's limit waits for the next day or is given up. */
export type DailyLimitPolicy = "wait" | "skip"

/**
 * Waits until one more order request of the account may leave, as counted in the database over all replicas; fails when
 * that is after `latest`, when the day is used up, or when the database cannot be asked.
 */
export const makeWaitForTurn = Effect.fnUntraced(function* (account: string, dailyLimitPolicy: DailyLimitPolicy) {
  const budget = yield* OrderBudget
  const onDayIsFull = yield* makeOnDayIsFull(dailyLimitPolicy)

  // Of the last reservation. While the database is slow a grant for now would be lost before it is here.
  let roundTripMillis = 0
  const leadMillis = () => (roundTripMillis > grantMillis / 2 ? 2 * roundTripMillis : 0)

  /** The next moment at which one more request may leave, in milliseconds since 1970; it is this request's alone. */
  const nextTurn = (limits: BudgetLimits, latest: DateTime.Utc): Effect.Effect<number, BrokerNotSent> =>
    Effect.gen(function* () {
      const now = yield* DateTime.now
      const from = DateTime.addDuration(now, Duration.millis(leadMillis()))
      const horizon = DateTime.min(latest, DateTime.addDuration(from, reservedAhead))
      const reserved = yield* Effect.mapError(budget.reserve(account, limits, from, horizon), (error) =>
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
  return waitForTurn
})

/** What becomes of a request beyond the day's limit: by the policy it is given up, or all wait for the next day. */
const makeOnDayIsFull = Effect.fnUntraced(function* (policy: DailyLimitPolicy) {
  const gate = yield* PlacementGate
  const scope = yield* Effect.scope
  const message = "the account's order requests of the day are used up"

  const closeUntil = Effect.fnUntraced(function* (now: DateTime.Utc, until: DateTime.Utc) {
    if ((yield* gate.current)?.kind === "limit") return
    yield* gate.close("limit", `${message}; the next one is tried at ${DateTime.formatIso(until)}`)
    yield* Effect.forkIn(Effect.andThen(Effect.sleep(DateTime.distance(now, until)), gate.open("limit")), scope)
  }, Effect.uninterruptible)

  return Effect.fnUntraced(function* (now: DateTime.Utc, until: DateTime.Utc) {
    if (policy === "skip") return yield* notSent("daily_limit", message, null)
    // The hold ends the wait of whoever sets it, too; its end must be arranged for all the same.
    yield* closeUntil(now, until)
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
