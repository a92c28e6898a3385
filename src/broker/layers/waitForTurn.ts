import { Clock, DateTime, Duration, Effect, Semaphore } from "effect"
import { BrokerNotSent } from "../../domain/model/BrokerError.ts"
import { type BudgetLimits, OrderBudget } from "../../stores/account/OrderBudget.ts"
import { PlacementGate } from "../PlacementGate.ts"

/** How far ahead a turn is reserved. The turns that a process has reserved are lost when it dies. */
const reservedAhead = Duration.millis(250)
/** How long a grant is valid. A request that leaves later would fall into the window of later grants. */
const grantMillis = 100

/** Whether a request beyond the day's limit waits for the next day or is given up. */
export type DailyLimitPolicy = "wait" | "skip"

/**
 * Waits until one more order request of the account may leave, counted in the database over all replicas. Fails with
 * BrokerNotSent if that is after `latest`, if the day's requests are used up, or if the database cannot be asked.
 */
export const makeWaitForTurn = Effect.fnUntraced(function* (account: string, dailyLimitPolicy: DailyLimitPolicy) {
  const budget = yield* OrderBudget
  const onDayIsFull = yield* makeOnDayIsFull(dailyLimitPolicy)

  // Of the last reservation. A slow database is asked for a later turn: one for now would have expired on arrival.
  let roundTripMillis = 0
  const leadMillis = () => (roundTripMillis > grantMillis / 2 ? 2 * roundTripMillis : 0)

  /** Reserves the next turn for this request alone; returns it in milliseconds since 1970. */
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

  // One request of this process asks the database at a time; the others queue behind it.
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
      // Each lost grant uses up one request of the day.
      if (hasLostOne) {
        const message = `the database took ${roundTripMillis} ms to grant a turn, which was over by then`
        return yield* notSent("rate_limit", message, DateTime.add(now, { seconds: 1 }))
      }
      yield* waitForTurn(limits, latest, true)
    })
  return waitForTurn
})

/** Handles a request beyond the day's limit: by the policy it is given up, or the gate closes until the next day. */
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
    // The closure interrupts this request's wait, too; closeUntil is uninterruptible, so that the gate surely opens again.
    yield* closeUntil(now, until)
    return yield* notSent("daily_limit", message, now)
  })
})

const notSent = (code: "rate_limit" | "daily_limit", message: string, retryAt: DateTime.Utc | null) =>
  new BrokerNotSent({ code, message: `Not sent: ${message}`, retryAt })

/** Sleeps until the moment and never less: timers may fire early. */
const sleepUntil = (atMillis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (;;) {
      const wait = atMillis - (yield* Clock.currentTimeMillis)
      if (wait <= 0) return
      yield* Effect.sleep(wait)
    }
  })
