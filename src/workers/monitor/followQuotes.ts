import { Clock, DateTime, Duration, Effect, Option, Result } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { Configuration } from "../../config/Configuration.ts"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { needsQuotes } from "../../domain/limits/marketLimits.ts"
import type { BrokerLookupError } from "../../domain/model/BrokerError.ts"
import { ParticipationStore } from "../../stores/account/ParticipationStore.ts"
import { QuoteStore } from "../../stores/account/QuoteStore.ts"

/** Instruments of slices that are due within this time plus the volume period are followed. */
const ahead = Duration.minutes(2)
/** Longer than the longest volume period and the reading before it. */
const kept = Duration.hours(1)
const pruneInterval = Duration.minutes(1)
const pruneMillis = Duration.toMillis(pruneInterval)

/**
 * Stores quotes of the instruments that are about to be traded, if a limit needs them, and prunes old ones, including those of
 * other services. Without quotes trading goes on: a limit does not apply to a price that is not known.
 */
export const makeFollowQuotes = Effect.gen(function* () {
  const config = yield* Configuration
  const quotes = yield* QuoteStore
  const participation = yield* ParticipationStore
  const ask = yield* makeAskForQuotes
  const isNeeded = needsQuotes(config.limits)
  let nextPruneMillis = 0

  const pass = Effect.gen(function* () {
    if (isNeeded) yield* ask
    const now = yield* DateTime.now
    const nowMillis = DateTime.toEpochMillis(now)
    if (isPausedUntil(nowMillis, nextPruneMillis, pruneMillis)) return
    yield* quotes.prune(DateTime.subtractDuration(now, kept))
    if (Option.isSome(config.limits.volumeSharePercent))
      yield* participation.prune(DateTime.subtractDuration(now, kept))
    nextPruneMillis = nowMillis + pruneMillis
  })
  return pass.pipe(
    Effect.catch((error) => Effect.logWarning(`Quotes could not be kept: ${error.message}`)),
    Effect.andThen(Effect.sleep(isNeeded ? config.quotesPollInterval : pruneInterval)),
    Effect.forever
  )
})

/** Asks the broker once and stores the answer, if it is this replica's turn and slices are about to be due. */
export const makeAskForQuotes = Effect.gen(function* () {
  const config = yield* Configuration
  const broker = yield* Broker
  const quotes = yield* QuoteStore
  const horizon = Duration.sum(config.limits.volumePeriod, ahead)
  let notBeforeMillis = 0
  let pauseMillis = 0
  let isFailing = false

  /** Warns at the first failure, and again only after a success in between. */
  const report = (error: BrokerLookupError | null) => {
    const isNews = isFailing !== (error !== null)
    isFailing = error !== null
    if (error === null) return isNews ? Effect.logInfo("The broker gives quotes again") : Effect.void
    return isNews
      ? Effect.logWarning(
          `The broker gives no quotes; limits that need them do not apply where nothing else is known: ${error.message}`
        )
      : Effect.logDebug(`Still no quotes: ${error.message}`)
  }

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    if (isPausedUntil(DateTime.toEpochMillis(now), notBeforeMillis, pauseMillis)) return
    const wanted = yield* quotes.takeTurn({
      now,
      interval: config.quotesPollInterval,
      horizon: DateTime.addDuration(now, horizon)
    })
    if (wanted.size === 0) return
    const answer = yield* Effect.result(broker.quotes(wanted))
    yield* report(Result.isSuccess(answer) ? null : answer.failure)
    if (Result.isSuccess(answer)) {
      if (answer.success.length > 0) yield* quotes.save(broker.name, answer.success, yield* DateTime.now)
    } else if (answer.failure._tag === "BrokerTryLater") {
      notBeforeMillis = DateTime.toEpochMillis(answer.failure.retryAt)
      pauseMillis = notBeforeMillis - (yield* Clock.currentTimeMillis)
    }
  })
})
