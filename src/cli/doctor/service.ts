import { DateTime, Duration, Effect, Layer, Option, Result } from "effect"
import { brokerIdentity } from "../../broker/brokerIdentity.ts"
import { tokenEnd, zerodha } from "../../broker/zerodha/kiteTokens.ts"
import { Configuration, isTradingCalendarOn, zerodhaQuarantine } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { backlogChecks, type Timeouts } from "../../doctor/backlogChecks.ts"
import { brokerCheck } from "../../doctor/brokerCheck.ts"
import { cancelCheck } from "../../doctor/cancelCheck.ts"
import { closureCheck } from "../../doctor/closureCheck.ts"
import { dayLimitCheck } from "../../doctor/dayLimitCheck.ts"
import { differenceCheck } from "../../doctor/differenceCheck.ts"
import { doubleCheck } from "../../doctor/doubleCheck.ts"
import { haltCheck } from "../../doctor/haltCheck.ts"
import { heldOrderCheck } from "../../doctor/heldOrderCheck.ts"
import { notificationCheck } from "../../doctor/notificationCheck.ts"
import { requestCheck } from "../../doctor/requestCheck.ts"
import { tokenCheck } from "../../doctor/tokenCheck.ts"
import { waitingOrderCheck } from "../../doctor/waitingOrderCheck.ts"
import { workerCheck } from "../../doctor/workerCheck.ts"
import { endsOf } from "../../domain/market/TradingCalendar.ts"
import { haltedWords } from "../../domain/model/GateClosure.ts"
import { judge } from "../../domain/operations/workerHealth.ts"
import { BrokerInUseStore } from "../../stores/account/BrokerInUseStore.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { InstrumentSyncStore } from "../../stores/account/InstrumentSyncStore.ts"
import { SettlementStore } from "../../stores/account/SettlementStore.ts"
import { DeliveryStore } from "../../stores/operations/DeliveryStore.ts"
import { DoctorStore } from "../../stores/operations/DoctorStore.ts"
import { HaltStore } from "../../stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { TopStore } from "../../stores/operations/TopStore.ts"
import { version } from "../../version.ts"

/** The stores of these checks, in addition to those that every command has. */
export const ServiceStores = Layer.mergeAll(
  BrokerInUseStore.layer,
  CredentialStore.layer,
  DeliveryStore.layer,
  InstrumentSyncStore.layer,
  TopStore.layer,
  DoctorStore.layer,
  SettlementStore.layer
)

export const checkBroker = Effect.gen(function* () {
  const config = yield* Configuration
  const store = yield* BrokerInUseStore
  return [
    brokerCheck({
      configured: brokerIdentity(config),
      isDryRun: config.dryRun,
      inUse: yield* store.broker,
      account: yield* store.account
    })
  ]
})

export const checkToken = Effect.gen(function* () {
  const config = yield* Configuration
  if (config.brokerType !== "zerodha") return []
  const stored = yield* (yield* CredentialStore).token(zerodha)
  const account = yield* (yield* BrokerInUseStore).account
  return [
    tokenCheck(
      {
        stored: Option.getOrNull(
          Option.map(stored, ({ accessToken, setAt, setBy, userId, refusedReason }) => ({
            setAt,
            setBy,
            user: userId,
            endsAt: tokenEnd(setAt),
            refusedReason,
            unreadable: Option.getOrNull(Result.getFailure(accessToken))
          }))
        ),
        isGiven: Option.isSome(config.zerodhaAccessToken),
        account
      },
      yield* DateTime.now
    )
  ]
})

export const checkLimits = Effect.gen(function* () {
  const config = yield* Configuration
  const now = yield* DateTime.now
  const day = dayLimitCheck(yield* (yield* DayTotalStore).totals(now), config.limits)
  if (config.brokerType !== "zerodha") return [day]
  const use = yield* (yield* TopStore).rateUse(zerodha, now)
  return [day, requestCheck({ ...use, perDay: config.zerodhaOrdersPerDay }, now)]
})

/** Without a webhook there is nothing to check. */
export const checkNotifications = Effect.gen(function* () {
  const { notifyWebhookUrl } = yield* Configuration
  if (Option.isNone(notifyWebhookUrl)) return []
  const now = yield* DateTime.now
  const state = yield* (yield* DeliveryStore).deliveryState(DateTime.subtract(now, { days: 1 }))
  return [notificationCheck(state, now)]
})

export const checkHalt = Effect.gen(function* () {
  const halts = yield* HaltStore
  // The check of the calendar, which runs before, has given it what was imported.
  const calendar = (yield* TradingHours).calendar()
  const now = yield* DateTime.now
  const last = Option.getOrNull(yield* halts.current)
  const waitingFor = last === null ? [] : yield* halts.waitingFor(last, now)
  return [
    haltCheck({ halt: last?.isHalted === true ? last : null, waitingFor }, now),
    heldOrderCheck(yield* (yield* DoctorStore).heldOrders),
    waitingOrderCheck(yield* (yield* DoctorStore).waitingOrders, calendar === null ? null : endsOf(calendar))
  ]
})

export const checkWork = Effect.gen(function* () {
  const config = yield* Configuration
  const waiting = yield* DoctorStore
  const settlement = yield* SettlementStore
  const now = yield* DateTime.now
  const { workers } = judge(yield* (yield* HeartbeatStore).workers, now)
  const halt = yield* (yield* HaltStore).current
  const halted = Option.getOrNull(Option.filter(halt, (last) => last.isHalted))
  const executors = workers.filter(({ worker, isStale }) => worker === "executor" && !isStale)
  const standstill = {
    isHalted: halted !== null,
    liveExecutors: executors.length,
    isOnHold: executors.every(({ hold }) => hold !== null)
  }
  return [
    workerCheck(workers, version),
    closureCheck(workers, halted === null ? null : haltedWords(halted)),
    ...backlogChecks(yield* waiting.groups(now, isTradingCalendarOn(config)), timeoutsOf(config), standstill, now),
    cancelCheck(yield* waiting.refusedCancels(now)),
    doubleCheck(yield* waiting.doubles(DateTime.subtract(now, { days: 1 }))),
    differenceCheck(yield* settlement.current(DateTime.subtract(now, { days: 1 })))
  ]
})

/** Three polls, and ten seconds for a busy host or a daemon that restarts. */
const timeoutsOf = (config: Configuration["Service"]): Timeouts => {
  const polls = (interval: Duration.Duration) => Duration.sum(Duration.times(interval, 3), Duration.seconds(10))
  const quarantine = Option.getOrElse(config.reconcileQuarantine, () => zerodhaQuarantine)
  return {
    split: polls(config.orderSplitterPollInterval),
    splitTimeout: Duration.sum(config.orderSplitTimeout, polls(config.timeoutMonitorPollInterval)),
    claim: polls(config.sliceExecutorPollInterval),
    doubt: Duration.sum(quarantine, polls(config.timeoutMonitorPollInterval)),
    sweep: polls(config.timeoutMonitorPollInterval)
  }
}
