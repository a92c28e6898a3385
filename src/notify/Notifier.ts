import { DateTime, Duration, Effect, Exit, Layer, Option, Result, Schedule } from "effect"
import { PlacementGate } from "../broker/PlacementGate.ts"
import type { DatabaseClock } from "../clock/DatabaseClock.ts"
import { zerodhaQuarantine, Configuration } from "../config/Configuration.ts"
import type { Db } from "../db/Db.ts"
import type { DbError } from "../db/DbError.ts"
import { dayIsNearlyOver, limitsTheDay } from "../domain/limits/dayLimits.ts"
import { placementsPerDay } from "../domain/limits/requestShares.ts"
import { nearlyCount } from "../domain/limits/usage.ts"
import { indianDay } from "../domain/market/indianTime.ts"
import type { ClosureKind } from "../domain/model/GateClosure.ts"
import { type Delivery, deliveredWithin, nextAttempt, type Notification } from "../domain/operations/notification.ts"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { DayTotalStore } from "../stores/account/DayTotalStore.ts"
import { DeliveryStore } from "../stores/operations/DeliveryStore.ts"
import { NotificationStore } from "../stores/operations/NotificationStore.ts"
import { Lookout } from "../workers/supervision/Lookout.ts"
import { Webhook } from "./Webhook.ts"

const lookInterval = Duration.seconds(5)
/** Finished orders are many, and their notification is not urgent. */
const unfilledInterval = Duration.minutes(1)
/** Receivers such as Slack accept one message a second. The database is asked only if there may be one. */
const deliveryInterval = Duration.seconds(1)
/** How long after the quarantine a slice may stay in doubt before people are notified. */
const reconciledWithin = Duration.minutes(3)

/**
 * Notifies people, through the webhook, of facts that need their attention, each once over all replicas. It reads what the workers
 * have written and never blocks them: a slow or broken webhook delays only notifications. Part of the daemon; does nothing
 * without NOTIFY_WEBHOOK_URL.
 */
export const NotifierLayer: Layer.Layer<
  never,
  never,
  Configuration | DatabaseClock | DayTotalStore | Db | PlacementGate
> = Layer.unwrap(
  Effect.map(Configuration, ({ notifyWebhookUrl }) =>
    Option.isNone(notifyWebhookUrl)
      ? Layer.empty
      : Layer.effectDiscard(Effect.suspend(() => run)).pipe(
          Layer.provide([NotificationStore.layer, DeliveryStore.layer, Webhook.layer])
        )
  )
)

const run = Effect.gen(function* () {
  const store = yield* NotificationStore
  const lookout = yield* Lookout
  const noteNews = (noted: number) => (noted > 0 ? lookout.note("deliveries") : Effect.void)
  const look = (yield* makeLook).pipe(Effect.tap(noteNews), Effect.asVoid)
  const deliver = Effect.asVoid(lookout.unlessIdle("deliveries", yield* makeDeliverNext))
  const noteUnfilled = DateTime.now.pipe(Effect.flatMap(store.noteUnfilled), Effect.tap(noteNews), Effect.asVoid)
  const rounds = [
    [look, lookInterval, "Could not look for what people are to be told of"],
    [noteUnfilled, unfilledInterval, "Could not look for orders that are not filled"],
    [deliver, deliveryInterval, "Could not deliver notifications"]
  ] as const
  for (const [round, interval, problem] of rounds) {
    yield* round.pipe(logAndContinue(problem), Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)
  }
})

/**
 * One look at everything except finished orders; returns how many facts are new. A failure of one part does not keep the others
 * from being noted.
 */
export const makeLook = Effect.gen(function* () {
  const config = yield* Configuration
  const store = yield* NotificationStore
  const days = yield* DayTotalStore
  const noteClosure = yield* makeNoteClosure
  const quarantine = Option.getOrElse(config.reconcileQuarantine, () => zerodhaQuarantine)
  const unknownAfter = Duration.sum(quarantine, reconciledWithin)
  const maxRequests = placementsPerDay(config.zerodhaOrdersPerDay)

  const noteDay = Effect.fnUntraced(function* (now: DateTime.Utc): Effect.fn.Return<number, DbError> {
    if (!limitsTheDay(config.limits)) return 0
    const reason = dayIsNearlyOver(yield* days.totals(now), config.limits)
    return reason === null ? 0 : yield* store.note(dailyLimit("desk", reason, now), now)
  })

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    // Critical facts come first: a part that is slow or fails delays only those after it.
    const all = [
      store.noteDoubles(now),
      store.noteDifferences(now),
      store.noteUnknown(unknownAfter, now),
      store.noteCancels(now),
      noteClosure(now),
      store.noteLoss(now),
      store.noteHalts(now),
      store.noteHeld(now),
      store.noteWaiting(now),
      noteDay(now),
      ...(config.brokerType === "zerodha"
        ? [store.noteRequests(config.brokerType, nearlyCount(maxRequests), config.zerodhaOrdersPerDay, now)]
        : [])
    ]
    const exits = yield* Effect.forEach(all, (one) => Effect.exit(one))
    yield* Exit.asVoidAll(exits)
    return exits.reduce((noted, exit) => noted + (Exit.isSuccess(exit) ? exit.value : 0), 0)
  })
})

const dailyLimit = (what: string, message: string, now: DateTime.Utc): Omit<Notification, "foundAt"> => ({
  key: `${what}:${indianDay(now)}`,
  kind: "daily_limit",
  severity: "warning",
  message,
  orderId: null,
  sliceId: null,
  reasonCode: what === "limit" ? "daily_request_limit" : "day_limit"
})

/** Notes a closed placement gate at the second look, because some closures end by themselves while the process starts. */
const makeNoteClosure = Effect.gen(function* () {
  const { brokerType } = yield* Configuration
  const store = yield* NotificationStore
  const gate = yield* PlacementGate
  let last: ClosureKind | null = null

  return Effect.fnUntraced(function* (now: DateTime.Utc): Effect.fn.Return<number, DbError> {
    const closure = yield* gate.current
    const isLasting = closure !== null && closure.kind === last
    last = closure?.kind ?? null
    if (closure === null || !isLasting) return 0
    if (closure.kind === "credentials") return yield* store.noteCredentials(brokerType, closure.reason, now)
    if (closure.kind === "limit" || closure.kind === "day") {
      return yield* store.note(dailyLimit(closure.kind, `Placements are on hold: ${closure.reason}`, now), now)
    }
    return 0
  })
})

/** Delivers the next notification or summary, if there is one, and gives up those that are too old. */
export const makeDeliverNext = Effect.gen(function* () {
  const store = yield* DeliveryStore
  const webhook = yield* Webhook

  const givenUp = ({ severity, message, count }: Delivery, attempts: number, why: string) =>
    Effect.logError(
      `Nobody was told within ${Duration.format(deliveredWithin(severity))}, in ${attempts} attempts: ${why}. ` +
        `The ${count === undefined ? "notification was" : `${count} notifications were`}: ${message}`
    )

  const giveUpOld = Effect.gen(function* () {
    const old = yield* store.giveUpOld(yield* DateTime.now)
    yield* Effect.forEach(
      old,
      ({ delivery, attempts }) => givenUp(delivery, attempts, "no daemon could deliver it in time"),
      { discard: true }
    )
  })

  /** Releases the delivery when the daemon stops during it, so that the next daemon need not wait. */
  const giveBack = (key: string) =>
    Effect.flatMap(DateTime.now, (now) => store.failed(key, "its daemon stopped over it", now, now)).pipe(
      Effect.catch(({ message }) => Effect.logWarning(`A notification waits for a minute: ${message}`))
    )

  return Effect.gen(function* () {
    yield* giveUpOld
    const claimed = yield* store.claim(yield* DateTime.now)
    if (Option.isNone(claimed)) return
    const { delivery, attempts, newestFoundAt } = claimed.value
    const { key, severity } = delivery
    const sent = yield* Effect.result(webhook.send(delivery)).pipe(Effect.onInterrupt(() => giveBack(key)))
    const now = yield* DateTime.now
    if (Result.isSuccess(sent)) return yield* store.delivered(key, now)
    const next = nextAttempt({ severity, foundAt: newestFoundAt }, attempts, now)
    yield* next === null
      ? givenUp(delivery, attempts, `the webhook failed, ${sent.failure.message}`)
      : Effect.logWarning(`A notification could not be delivered, and is tried again: ${sent.failure.message}`)
    yield* store.failed(key, sent.failure.message, next, now)
  })
})
