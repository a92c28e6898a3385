import { Clock, DateTime, Deferred, Duration, Effect, Queue, Result, Semaphore } from "effect"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { isLate, nextTurn, type Waiting } from "../../domain/lifecycle/turns.ts"
import type { RequestKind } from "../../domain/limits/requestShares.ts"
import { BrokerNotSent } from "../../domain/model/BrokerError.ts"
import { type BudgetLimits, OrderBudget, type Pace, type RequestLimits } from "../../stores/account/OrderBudget.ts"
import { PlacementGate } from "../PlacementGate.ts"

/** How far ahead a turn is reserved. The turns that a process has reserved are lost when it dies. */
const reservedAhead = Duration.millis(250)
/** The same while many wait: a turn that is reserved comes before those of requests that come meanwhile. */
const reservedAheadOfMany = Duration.millis(50)
/** A host that was suspended meanwhile has seen a round trip of any length. */
const longestLeadMillis = 10_000
/** No grant lies further ahead, however slow the database is. */
const longestGrantMillis = 120_000
/** How long a grant is valid. A request that leaves later would fall into the window of later grants. */
const grantMillis = 100

/** Whether a request beyond the day's limit waits for the next day or is given up. */
export type DailyLimitPolicy = "wait" | "skip"

/** A request that waits for its turn, and the moment of that in milliseconds since 1970 once it is known. */
interface WaitingRequest extends Waiting {
  readonly limits: RequestLimits
  readonly latest: DateTime.Utc
  /** Whether it was late when it came. */
  readonly isLate: boolean
  readonly atMillis: Deferred.Deferred<number, BrokerNotSent>
}

/** The share of a minute's requests that late ones leave to others. */
const shareForOnTime = 0.2

/**
 * Waits until one more order request of the account may leave, counted in the database over all replicas. Fails with
 * BrokerNotSent if that is after `latest`, if the day's requests are used up, or if the database cannot be asked. Of several
 * that wait in this process, {@link nextTurn} says who is next.
 */
export const makeWaitForTurn = Effect.fnUntraced(function* (account: string, dailyLimitPolicy: DailyLimitPolicy) {
  const turns = yield* makeTurns(account, dailyLimitPolicy)

  const waitForTurn = (
    limits: RequestLimits,
    latest: DateTime.Utc,
    dueMillis: number,
    hasLostOne = false
  ): Effect.Effect<void, BrokerNotSent> =>
    Effect.gen(function* () {
      const due = { notBeforeMillis: dueMillis }
      const atMillis = yield* turns.take({
        ...due,
        limits,
        latest,
        isLate: isLate(due, yield* Clock.currentTimeMillis),
        atMillis: yield* Deferred.make<number, BrokerNotSent>()
      })
      yield* sleepUntil(atMillis)
      const now = yield* DateTime.now
      if (DateTime.toEpochMillis(now) - atMillis <= grantMillis) return
      // Each lost grant uses up one request of the day.
      if (hasLostOne) {
        const message = `the database took ${turns.roundTripMillis()} ms to grant a turn, which was over by then`
        return yield* notSent("rate_limit", message, DateTime.add(now, { seconds: 1 }))
      }
      yield* waitForTurn(limits, latest, dueMillis, true)
    })
  return waitForTurn
})

/** Reserves turns in the account's budget. `arrivals` is signalled when another request begins to wait. */
const makeReserve = Effect.fnUntraced(function* (
  account: string,
  dailyLimitPolicy: DailyLimitPolicy,
  arrivals: Queue.Dequeue<void>
) {
  const budget = yield* OrderBudget
  const onDayIsFull = yield* makeOnDayIsFull(dailyLimitPolicy)

  // Of the last reservation. A slow database is asked for a later turn: one for now would have expired on arrival.
  let roundTripMillis = 0
  const leadMillis = () => (roundTripMillis > grantMillis / 2 ? Math.min(2 * roundTripMillis, longestLeadMillis) : 0)

  /** Reserves the next turn for a request; null if a turn has to be asked for again, after a wait until one may be possible. */
  const reserve = ({ latest, limits }: WaitingRequest, pace: Pace): Effect.Effect<number | null, BrokerNotSent> =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const now = yield* DateTime.now
      // By a clock that nobody sets.
      const askedNanos = clock.monotonicTimeNanosUnsafe()
      const from = DateTime.addDuration(now, Duration.millis(leadMillis()))
      const ahead = Duration.isZero(pace.gap) ? reservedAhead : reservedAheadOfMany
      const horizon = DateTime.min(latest, DateTime.addDuration(from, ahead))
      const reserved = yield* Effect.mapError(budget.reserve(account, limits, from, horizon, pace), (error) =>
        notSent("rate_limit", `the limits are not known: ${error.message}`, DateTime.add(now, { seconds: 1 }))
      )
      roundTripMillis = Number((clock.monotonicTimeNanosUnsafe() - askedNanos) / 1_000_000n)
      if (reserved._tag === "Granted") return reserved.atMillis
      if (reserved._tag === "DayIsFull") return yield* onDayIsFull(limits.kind, now, reserved.until)
      const { possibleAt } = reserved
      if (DateTime.isGreaterThan(possibleAt, latest)) {
        return yield* notSent("rate_limit", "too many orders are waiting for their turn", possibleAt)
      }
      // A request that comes meanwhile may have a turn before.
      yield* Effect.raceFirst(Effect.sleep(DateTime.distance(now, possibleAt)), Queue.take(arrivals))
      return null
    })

  return { reserve, roundTripMillis: () => roundTripMillis }
})

/** Gives turns to the requests of this process, one at a time. */
const makeTurns = Effect.fnUntraced(function* (account: string, dailyLimitPolicy: DailyLimitPolicy) {
  const waiting = new Set<WaitingRequest>()
  const arrivals = yield* Queue.sliding<void>(1)
  const { reserve, roundTripMillis } = yield* makeReserve(account, dailyLimitPolicy, arrivals)
  let turn = 1

  /** Gives one turn to the request that is next, unless the turn is not possible yet. */
  const giveOne = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const requests = [...waiting].toSorted((a, b) => a.notBeforeMillis - b.notBeforeMillis)
    const next = requests[nextTurn(requests, now, turn) ?? 0]
    if (next === undefined) return
    const reserved = yield* Effect.result(reserve(next, paceOf(next.limits, requests)))
    if (Result.isSuccess(reserved) && reserved.success === null) return
    turn += 1
    waiting.delete(next)
    yield* Result.match(reserved, {
      onSuccess: (atMillis) => Deferred.succeed(next.atMillis, atMillis ?? now),
      onFailure: (error) => Deferred.fail(next.atMillis, error)
    })
  })

  const oneAtATime = yield* Semaphore.make(1)
  /** Gives turns, one request of this process at a time, until the given request has had its own. */
  const giveUntil = (request: WaitingRequest): Effect.Effect<number, BrokerNotSent> =>
    Effect.gen(function* () {
      while (waiting.has(request)) {
        yield* Semaphore.withPermits(
          oneAtATime,
          1,
          Effect.suspend(() => (waiting.has(request) ? giveOne : Effect.void))
        )
      }
      return yield* Deferred.await(request.atMillis)
    })

  /** Waits for a request's turn; returns its moment in milliseconds since 1970. */
  const take = (request: WaitingRequest): Effect.Effect<number, BrokerNotSent> =>
    Effect.suspend(() => {
      waiting.add(request)
      Queue.offerUnsafe(arrivals, undefined)
      return Effect.raceFirst(Deferred.await(request.atMillis), giveUntil(request))
    }).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(request))))

  return { take, roundTripMillis }
})

/**
 * While many on-time requests wait, they are spread over the second. While all that wait are late, they are spread over the
 * minute and leave a share of it. Sent at once they would use up the second's or the minute's requests, and a slice that
 * becomes due then would wait for the next.
 */
const paceOf = ({ margin, perMinute, perSecond }: BudgetLimits, requests: ReadonlyArray<WaitingRequest>): Pace => {
  const onTime = requests.filter((request) => !request.isLate).length
  if (onTime === 0) {
    const latePerMinute = Math.ceil((1 - shareForOnTime) * perMinute)
    return { gap: Duration.millis(60_000 / latePerMinute), perMinute: latePerMinute }
  }
  const evenGap = Duration.millis((1000 + Duration.toMillis(margin)) / perSecond)
  return { gap: onTime < perSecond ? Duration.zero : evenGap, perMinute }
}

/**
 * Handles a request beyond its share of the day's: a placement is given up, or the gate closes until the next day, as the policy
 * says. The share of cancels is no matter of the gate.
 */
const makeOnDayIsFull = Effect.fnUntraced(function* (policy: DailyLimitPolicy) {
  const gate = yield* PlacementGate
  const scope = yield* Effect.scope
  const message = "the account's order requests of the day are used up"

  const closeUntil = Effect.fnUntraced(function* (now: DateTime.Utc, until: DateTime.Utc) {
    if ((yield* gate.current)?.kind === "limit") return
    yield* gate.close("limit", `${message}; the next one is tried at ${DateTime.formatIso(until)}`)
    yield* Effect.forkIn(Effect.andThen(Effect.sleep(DateTime.distance(now, until)), gate.open("limit")), scope)
  }, Effect.uninterruptible)

  return Effect.fnUntraced(function* (kind: RequestKind, now: DateTime.Utc, until: DateTime.Utc) {
    if (kind !== "placement") return yield* notSent("daily_limit", `${message} for cancels`, until)
    if (policy === "skip") return yield* notSent("daily_limit", message, null)
    // The closure interrupts this request's wait, too; closeUntil is uninterruptible, so that the gate surely opens again.
    yield* closeUntil(now, until)
    return yield* notSent("daily_limit", message, now)
  })
})

const notSent = (code: "rate_limit" | "daily_limit", message: string, retryAt: DateTime.Utc | null) =>
  new BrokerNotSent({ code, message: `Not sent: ${message}`, retryAt })

/** Sleeps until the moment and never less, for timers may fire early; not where the clock was set back behind a grant meanwhile. */
const sleepUntil = (atMillis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (;;) {
      const now = yield* Clock.currentTimeMillis
      if (!isPausedUntil(now, atMillis, longestGrantMillis)) return
      yield* Effect.sleep(atMillis - now)
    }
  })
