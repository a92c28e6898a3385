import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Layer, Schema } from "effect"
import { Configuration } from "../../src/config/Configuration.ts"
import { Db } from "../../src/db/Db.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { nowMillis } from "../../src/runtime/nowMillis.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { PlanStore } from "../../src/stores/orders/PlanStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeAdmitClaimed } from "../../src/workers/executor/admitClaimed.ts"
import { makeClaimDue } from "../../src/workers/executor/claimDue.ts"
import { makeClaimedSlices } from "../../src/workers/executor/ClaimedSlices.ts"
import type { OutcomeWriter, SliceOutcome } from "../../src/workers/executor/OutcomeWriter.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { conservation, explained } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock } from "../support/service.ts"

const reliance = Instrument.make("NSE:RELIANCE")

const limited = (percent: string) =>
  PlanStore.layer.pipe(
    Layer.provideMerge(
      serviceLayer({
        broker: scriptedBroker,
        environment: {
          LIMIT_VOLUME_SHARE_PERCENT: percent,
          LIMIT_VOLUME_MINUTES: "1",
          QUOTES_POLL_INTERVAL_SECONDS: "5"
        }
      })
    )
  )

/** The executor of one daemon, which claims and places when the test says so, and writes what became of it at once. */
const makeDaemon = Effect.gen(function* () {
  const slices = yield* SliceStore
  let outcomes: Array<SliceOutcome> = []
  const writer: OutcomeWriter = {
    write: (outcome) => {
      outcomes.push(outcome)
    }
  }
  const claimed = yield* makeClaimedSlices
  const { claim } = yield* makeClaimDue(claimed, yield* makeAdmitClaimed(writer))
  const place = yield* makePlace
  const writeAll = Effect.suspend(() => {
    const group = outcomes
    outcomes = []
    return group.length === 0
      ? Effect.void
      : slices.transition(
          group.map(({ transition }) => transition),
          group.flatMap(({ event }) => event ?? [])
        )
  })
  return Effect.gen(function* () {
    yield* claim
    const now = yield* nowMillis
    for (let slice = claimed.queue.takeDue(now); slice !== undefined; slice = claimed.queue.takeDue(now)) {
      outcomes.push(yield* place(slice))
    }
    yield* writeAll
  })
})

/** Units traded by a second after the start: a rate that swings between 0 and 200 a second, every 90 seconds. */
const tradedBy = (seconds: number) =>
  Math.round(100 * seconds + (100 * 90 * Math.sin((2 * Math.PI * seconds) / 90)) / (2 * Math.PI))

const quoteAt = (seconds: number) =>
  Effect.gen(function* () {
    const dayVolume = 1_000_000 + tradedBy(seconds)
    const quote = { instrument: reliance, lastPrice: BigDecimal.fromBigInt(100n), dayVolume }
    yield* (yield* QuoteStore).save("test", [quote], yield* DateTime.now)
  })

const knownVolume = Effect.gen(function* () {
  const { limits } = yield* Configuration
  const facts = yield* (yield* QuoteStore).facts(reliance, { ...limits, now: yield* DateTime.now })
  return facts.recentVolume ?? assert.fail("no volume is known")
})

const Sent = Schema.Struct({ seconds: Schema.Number, quantity: Schema.Int })
const sentSlices = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.sent",
    Sent,
    sql`
      SELECT extract(epoch FROM placed_at)::float8 AS seconds, quantity FROM order_slices
      WHERE stage = 'PROCESSED' ORDER BY placed_at, id`
  )
)

const stepSeconds = 6
const periodSeconds = 60

/** Plays the orders on three daemons, and returns what each moment knew of the volume. */
const play = (untilSeconds: number) =>
  Effect.gen(function* () {
    const daemons = yield* Effect.all([makeDaemon, makeDaemon, makeDaemon])
    const known = new Map<number, number>()
    for (let seconds = 120; seconds <= untilSeconds; seconds += stepSeconds) {
      yield* setClock(Duration.seconds(seconds))
      yield* quoteAt(seconds)
      known.set(seconds, yield* knownVolume)
      yield* Effect.all(daemons, { concurrency: "unbounded" })
    }
    return known
  })

/** Fails if more was sent in any window of the period than the share of the volume, as known when its last slice was claimed. */
const withinShare = (sent: ReadonlyArray<typeof Sent.Type>, known: ReadonlyMap<number, number>, share: number) => {
  for (const { seconds } of sent) {
    const inWindow = sent.filter((other) => other.seconds > seconds - periodSeconds && other.seconds <= seconds)
    const total = inWindow.reduce((sum, { quantity }) => sum + quantity, 0)
    const volume = Math.max(known.get(seconds) ?? 0, known.get(seconds - stepSeconds) ?? 0)
    assert.isAtMost(total, share * volume, `sent in the ${periodSeconds} s up to ${seconds} s`)
  }
}

describe("the share of the volume", () => {
  for (const [percent, share] of [
    ["1", 0.01],
    ["20", 0.2]
  ] as const) {
    it.effect(`of ${percent} % holds in every window, over orders and daemons, and something leaves steadily`, () =>
      Effect.gen(function* () {
        for (let seconds = 0; seconds < 120; seconds += stepSeconds) {
          yield* setClock(Duration.seconds(seconds))
          yield* quoteAt(seconds)
        }
        yield* setClock(Duration.seconds(119))
        const createdAt = { created_at: new Date(120_000), duration_minutes: 3 }
        yield* insertOrder("o1", { ...createdAt, total_quantity: 20_000, num_splits: 10 })
        yield* insertOrder("o2", { ...createdAt, total_quantity: 3000, num_splits: 30, side: "SELL" })
        yield* Effect.flatten(makeSplitPending)
        const known = yield* play(240)
        const sent = yield* sentSlices
        withinShare(sent, known, share)
        // In each period something leaves, and it comes to a good part of the share.
        for (const from of [120, 180]) {
          const inPeriod = sent.filter(({ seconds }) => seconds >= from && seconds < from + periodSeconds)
          assert.isAtLeast(new Set(inPeriod.map(({ seconds }) => seconds)).size, 3)
        }
        const traded = tradedBy(240) - tradedBy(120)
        const total = sent.reduce((sum, { quantity }) => sum + quantity, 0)
        assert.isAtLeast(total, 0.3 * share * traded)
        for (const { unaccounted, overfilled } of yield* conservation) {
          assert.deepStrictEqual({ unaccounted, overfilled }, { unaccounted: 0, overfilled: 0 })
        }
        for (const id of ["o1", "o2"]) {
          for (const { differing } of yield* explained(id)) assert.deepStrictEqual(differing, [])
        }
      }).pipe(Effect.provide(limited(percent)))
    )
  }
})
