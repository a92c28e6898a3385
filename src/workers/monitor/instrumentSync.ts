import { DateTime, Duration, Effect, Layer, Option, Result } from "effect"
import { fetchInstruments, type InstrumentsUnavailable } from "../../broker/zerodha/fetchInstruments.ts"
import type { InstrumentDump } from "../../broker/zerodha/instrumentDump.ts"
import { KiteClient } from "../../broker/zerodha/KiteClient.ts"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import type { DbError } from "../../db/DbError.ts"
import { type DailyList, dailyList, syncPause } from "../../domain/market/instrumentSync.ts"
import { logAndContinue } from "../../runtime/logAndContinue.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { InstrumentSyncStore } from "../../stores/account/InstrumentSyncStore.ts"
import { NotificationStore } from "../../stores/operations/NotificationStore.ts"
import { Lookout } from "../supervision/Lookout.ts"
import { makeHoldNewlyChanged } from "./holdChanged.ts"

/** How often a daemon looks for changes that another one, or a person, has brought. */
const lookInterval = Duration.minutes(10)
/** How often while the day's list is due. */
const dueInterval = Duration.minutes(1)

/**
 * Gets the day's list of instruments every morning, from INSTRUMENT_SYNC_TIME on, by one daemon, and holds the orders that it makes
 * outdated. It runs beside the workers, with connections of its own, and takes no part of the rate of placements. Not for the mock,
 * whose list is built in.
 */
export const InstrumentSync = Layer.unwrap(
  Effect.map(Configuration, ({ brokerType }) =>
    brokerType === "zerodha"
      ? Layer.effectDiscard(Effect.suspend(() => run)).pipe(
          Layer.provide([
            CredentialStore.layer,
            InstrumentSyncStore.layer,
            NotificationStore.layer,
            Layer.fresh(KiteClient.layer)
          ])
        )
      : Layer.empty
  )
)

const run = Effect.gen(function* () {
  const context = yield* Effect.context<Configuration | CredentialStore | KiteClient>()
  const round = yield* makeSyncRound(Effect.provide(fetchInstruments, context))
  const hold = yield* makeHoldNewlyChanged
  let pause = dueInterval
  const look = Effect.gen(function* () {
    pause = dueInterval
    pause = yield* round
  })
  yield* look.pipe(
    logAndContinue("The day's list of instruments could not be looked after"),
    // Also after a list that another daemon, or a person, has brought: the one who did may have died before this.
    Effect.andThen(hold.pipe(logAndContinue("Orders of changed instruments could not be looked for"))),
    Effect.andThen(Effect.suspend(() => Effect.sleep(pause))),
    Effect.forever,
    Effect.forkScoped
  )
})

/** One look at whether the day's list is due, and an attempt if it is this daemon's turn. Returns the pause until the next look. */
export const makeSyncRound = Effect.fnUntraced(function* (
  fetch: Effect.Effect<InstrumentDump, InstrumentsUnavailable | DbError>
) {
  const { instrumentSyncTime } = yield* Configuration
  const hours = yield* TradingHours
  const turns = yield* InstrumentSyncStore
  const attempt = yield* makeAttempt(fetch)

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const list = instrumentSyncTime === null ? null : dailyList(instrumentSyncTime, hours.calendar(), now)
    if (list === null) return lookInterval
    const untilDue = DateTime.distance(now, list.dueAt)
    if (Duration.isPositive(untilDue)) return Duration.min(untilDue, lookInterval)
    const turn = yield* turns.takeTurn({ source: "zerodha", ...list, now })
    if (turn.attempts !== null) yield* attempt(list, turn.attempts)
    return turn.isThere ? lookInterval : dueInterval
  })
})

/** Gets and stores the list once. What fails is tried again later, and people are told once it is needed or looks wrong. */
const makeAttempt = Effect.fnUntraced(function* (
  fetch: Effect.Effect<InstrumentDump, InstrumentsUnavailable | DbError>
) {
  const turns = yield* InstrumentSyncStore
  const instruments = yield* InstrumentStore
  const alarm = yield* makeAlarm

  const sync = Effect.gen(function* () {
    const { instruments: listed, refused } = yield* fetch
    const keep = refused.flatMap(({ mayBe }) => mayBe)
    return yield* instruments.replaceAll("zerodha", listed, yield* DateTime.now, { force: false, keep })
  })

  return Effect.fnUntraced(function* (list: DailyList, attempts: number) {
    const synced = yield* Effect.result(sync)
    const now = yield* DateTime.now
    if (Result.isSuccess(synced)) {
      yield* turns.done(list.day, now)
      const { added, removed, total } = synced.success
      return yield* Effect.logInfo(`The list of instruments is of today: ${total}, ${added} new, ${removed} gone`)
    }
    const { _tag, message } = synced.failure
    yield* turns.fail(list.day, message, DateTime.addDuration(now, syncPause(attempts)))
    yield* Effect.logWarning(`The day's list of instruments could not be had at attempt ${attempts}: ${message}`)
    const isNeeded = DateTime.isGreaterThanOrEqualTo(now, list.opensAt)
    if (isNeeded || _tag === "TooFewInstruments") yield* alarm(list.day, message)
  })
})

/** Tells people once a day: the log, the webhook and, as long as it lasts, doctor. */
const makeAlarm = Effect.gen(function* () {
  const { notifyWebhookUrl } = yield* Configuration
  const turns = yield* InstrumentSyncStore
  const notifications = yield* NotificationStore
  const lookout = yield* Lookout

  return Effect.fnUntraced(function* (day: string, why: string) {
    const now = yield* DateTime.now
    const message =
      `The list of instruments is not of today (${day}): ${why}. Lots, ticks and expiries may be outdated. Mend the cause, or ` +
      "run: instruments sync. It is tried again by itself"
    if (Option.isSome(notifyWebhookUrl)) {
      const fact = { key: `instruments:${day}`, kind: "instruments", severity: "critical" } as const
      yield* notifications.note({ ...fact, message, orderId: null, sliceId: null, reasonCode: null }, now)
      yield* lookout.note("deliveries")
    }
    if (yield* turns.alarm(day, now)) yield* Effect.logError(message)
  })
})
