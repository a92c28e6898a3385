import { Clock, Context, DateTime, Duration, Effect, Layer } from "effect"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { endsOf } from "../../domain/market/TradingCalendar.ts"
import { logAndContinue } from "../../runtime/logAndContinue.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { LookoutStore, type Sighting } from "../../stores/operations/LookoutStore.ts"
import { CalendarFollower } from "./followCalendar.ts"
import { ServerHistory } from "./ServerHistory.ts"
import { heartbeatInterval, WorkerStatus } from "./WorkerStatus.ts"

/**
 * What the workers poll for: orders to split, slices to claim, halts and resumes to obey, placed slices and orders that wait for the
 * broker or for a new plan, notifications to deliver, the audit to seal.
 */
export type Work = "orders" | "slices" | "halts" | "placed" | "deliveries" | "audit"

/** A lost wake-up costs at most this while notifications are not heard. */
const deafInterval = Duration.seconds(1)
/**
 * Even without a reason the database is asked once in this time. It is a little longer than the minute after which the broker's
 * order list is read for slices that were in doubt before.
 */
const restMillis = 61_000

/**
 * Keeps the workers of an idle daemon from asking the database. Their loops go on at their intervals; what each would ask in
 * vain is left out. A lookout may send a loop to the database for nothing, and never keeps it from work that it has seen or been
 * told of.
 */
export interface Lookout {
  /** Asks the database, unless it is known to have nothing of this; the answer is null then. */
  readonly unlessIdle: <A, E, R>(work: Work, ask: Effect.Effect<A, E, R>) => Effect.Effect<A | null, E, R>
  /** The database may have got something of this: it is asked until a look that begins later finds nothing. */
  readonly note: (work: Work) => Effect.Effect<void>
}

/** Without {@link LookoutLayer} the workers ask at every poll. */
export const Lookout: Context.Reference<Lookout> = Context.Reference<Lookout>("pulse-background/Lookout", {
  defaultValue: () => ({ unlessIdle: (_work, ask) => ask, note: () => Effect.void })
})

/**
 * Looks every five seconds, or every second while no notifications are heard: one statement writes the heartbeats, tells the
 * clock the time and finds out what there is to do, and the workers that have to do it are woken. When a look fails, the workers
 * ask for themselves until the next one.
 */
export const LookoutLayer: Layer.Layer<
  never,
  never,
  Configuration | DatabaseClock | HeartbeatStore | LookoutStore | TradingHours | Wakeups | WorkerStatus
> = Layer.effect(
  Lookout,
  Effect.gen(function* () {
    const known = yield* makeKnown
    const look = yield* makeLook(known)
    const pause = yield* makePause
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, pause)))
    return known.lookout
  })
)

/** The longest pause between two looks. */
const pauseOf = (config: Configuration["Service"]) => Duration.min(heartbeatInterval, config.orderSplitterPollInterval)

const makePause = Effect.gen(function* () {
  const config = yield* Configuration
  const wakeups = yield* Wakeups
  const longest = Duration.toMillis(pauseOf(config))
  const step = Math.min(
    longest,
    ...[deafInterval, config.sliceExecutorPollInterval, config.brokerPollInterval].map(Duration.toMillis)
  )
  return Effect.gen(function* () {
    for (let paused = step; paused <= longest; paused += step) {
      yield* Effect.sleep(step)
      if (!(yield* wakeups.isListening)) return
    }
  })
})

interface Look {
  readonly number: number
  readonly atMillis: number
  readonly sighting: Sighting
}

/** What is known from the last look, and what happened since. Looks, notes and questions are numbered in their order. */
const makeKnown = Effect.gen(function* () {
  const config = yield* Configuration
  const claimedAhead = Duration.toMillis(Duration.sum(config.sliceExecutorPollInterval, config.sliceExecutorClaimAhead))
  /** A look that does not come to an end is not waited for. */
  const maxAge = 2 * Duration.toMillis(pauseOf(config))
  const noted = new Map<Work, number>()
  const asked = new Map<Work, { readonly number: number; readonly atMillis: number }>()
  let number = 0
  let last: Look | null = null

  const isSeen = (work: Work, { sighting }: Look, nowMillis: number): boolean => {
    switch (work) {
      case "orders":
        return sighting.hasPendingOrders
      case "slices":
        return sighting.nextDueMillis !== null && sighting.nextDueMillis <= nowMillis + claimedAhead
      case "halts":
        return !sighting.isHaltFollowed
      case "placed":
        return sighting.isBrokerAwaited
      case "deliveries":
        return sighting.hasDeliveries
      case "audit":
        return sighting.hasUnsealed
    }
  }

  const isIdle = (work: Work, nowMillis: number): boolean => {
    if (last === null || (noted.get(work) ?? 0) > last.number) return false
    const age = nowMillis - last.atMillis
    const lastAsked = asked.get(work)
    if (age < 0 || age > maxAge || lastAsked === undefined) return false
    // Whether an order wants a plan shows only when it is asked for, which each look is worth once.
    if (work === "placed" && last.sighting.mayWantPlan && lastAsked.number < last.number) return false
    return isPausedUntil(nowMillis, lastAsked.atMillis + restMillis, restMillis) && !isSeen(work, last, nowMillis)
  }

  const lookout: Lookout = {
    unlessIdle: (work, ask) =>
      Effect.flatMap(Clock.currentTimeMillis, (atMillis) => {
        if (isIdle(work, atMillis)) return Effect.succeed(null)
        const question = { number: (number += 1), atMillis }
        // What fails is asked again, so that a worker that cannot ask is not taken for an idle one.
        asked.delete(work)
        return Effect.tap(ask, () => Effect.sync(() => asked.set(work, question)))
      }),
    note: (work) => Effect.sync(() => void noted.set(work, (number += 1)))
  }
  return {
    lookout,
    begin: () => (number += 1),
    /** Takes a look; returns what to wake the workers for. */
    take: (look: Look): ReadonlyArray<Work> => {
      const before = last
      last = look
      const isNews = (work: Work) => before === null || !isSeen(work, before, look.atMillis)
      // What goes on being awaited from the broker is looked up at the broker's interval.
      return works.filter((work) => isSeen(work, look, look.atMillis) && (work !== "placed" || isNews(work)))
    },
    forget: () => {
      last = null
    }
  }
})

const works: ReadonlyArray<Work> = ["orders", "slices", "halts", "placed", "deliveries", "audit"]

const makeLook = Effect.fnUntraced(function* (known: Effect.Success<typeof makeKnown>) {
  const store = yield* LookoutStore
  const heartbeats = yield* HeartbeatStore
  const status = yield* WorkerStatus
  const clock = yield* DatabaseClock
  const wakeups = yield* Wakeups
  const history = yield* ServerHistory
  const calendar = yield* CalendarFollower
  const hours = yield* TradingHours

  return Effect.gen(function* () {
    const number = known.begin()
    const [beat, now] = [yield* status.beat, yield* DateTime.now]
    const days = hours.calendar()
    const knownUntil = days === null ? null : endsOf(days)
    const sighting = yield* clock
      .during((withBootId) => store.look({ beat, now, withBootId, knownUntil }))
      .pipe(Effect.timeout(heartbeatInterval))
    const seen = known.take({ number, atMillis: yield* Clock.currentTimeMillis, sighting })
    yield* Effect.forEach(seen, wakeups.wake, { discard: true })
    yield* history.follow(sighting)
    yield* calendar.follow(sighting.calendarRevision)
    // What this daemon has obeyed may be missing, which the acknowledgement in the database does not show.
    if (!history.isSettled()) yield* Effect.andThen(known.lookout.note("halts"), wakeups.wake("halts"))
  }).pipe(
    Effect.onError(() => Effect.sync(known.forget)),
    // A part that fails, or that waits for a table, does not keep the heartbeats from being written.
    Effect.tapError(() => Effect.ignore(Effect.flatMap(status.beat, heartbeats.beat))),
    logAndContinue("Could not look for work; the workers ask for themselves")
  )
})
