import { BigDecimal, Duration, Effect, Option, Result } from "effect"
import { DbError } from "../../src/db/DbError.ts"
import { stepOf } from "../../src/domain/limits/participation.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import type { ClaimedSlice } from "../../src/domain/model/OrderSlice.ts"
import { cutSlice } from "../../src/domain/planning/replan/cutSlice.ts"
import { ParticipationStore } from "../../src/stores/account/ParticipationStore.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { actor, type Case } from "../harness/Case.ts"
import { claim, inDoubt, notPlaced, write } from "./actions.ts"
import { allDue, at, leaseSeconds, sliceStates, splitOrder, unless, windowGrace } from "./world.ts"

const limits = {
  volumeSharePercent: Option.some(BigDecimal.fromBigInt(10n)),
  volumePeriod: Duration.minutes(1),
  quoteAge: Duration.seconds(60)
}

const reserve = (claimed: ReadonlyArray<ClaimedSlice>) =>
  Effect.flatMap(ParticipationStore, (store) =>
    store.reserve(claimed, { ...limits, now: at(allDue), lease: Duration.seconds(leaseSeconds) })
  )

/** A volume of 500 within the last minute: 10 % of it are two slices and a half. */
const quoted = Effect.gen(function* () {
  const { save } = yield* QuoteStore
  for (const [seconds, dayVolume] of [
    [allDue - 60, 0],
    [allDue, 500]
  ] as const) {
    const quote = { instrument: Instrument.make("NSE:RELIANCE"), lastPrice: BigDecimal.fromBigInt(100n), dayVolume }
    yield* save("test", [quote], at(seconds))
  }
})

const twoReservations: Case = {
  name: "two executors reserve the last of the volume's share",
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    yield* quoted
    const [ofA, ofB] = [yield* claim("a", allDue, { limit: 2 }), yield* claim("b", allDue, { limit: 2 })]
    return () => {
      const executors = [actor("executor a", reserve(ofA)), actor("executor b", reserve(ofB))]
      return {
        actors: executors,
        problems: Effect.sync(() => {
          const admitted = executors.flatMap(({ result }) => result?.admitted ?? [])
          return unless(admitted.length === 2, `${admitted.length} slices of 20 are admitted, and 50 may be sent`)
        })
      }
    }
  })
}

const lapsed = allDue + leaseSeconds + 1

/** Cuts a slice in two, at the last moment at which its owner may. */
const cut = (slice: ClaimedSlice) =>
  Effect.flatMap(ReplanStore, (replans) =>
    replans.change(slice.orderId, { now: at(allDue), windowGrace }, (running) =>
      Result.succeed(
        cutSlice(running, {
          slice,
          room: { most: 10, steady: 10, isFirst: true },
          step: stepOf(limits),
          now: at(allDue)
        })
      )
    )
  )

const staleCut: Case = {
  name: "a slice is cut by an executor that has lost it to another one",
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { num_splits: 1 })
    const [slice] = yield* claim("a", allDue)
    if (slice === undefined) return yield* Effect.die("nothing was claimed")
    const doubted = yield* inDoubt(lapsed)
    return () => {
      const owner = actor("executor a", cut(slice), { mayFail: (error) => error instanceof DbError })
      const next = actor(
        "monitor and executor b",
        Effect.andThen(write(doubted, notPlaced, lapsed, false), claim("b", lapsed))
      )
      return {
        actors: [owner, next],
        problems: Effect.map(sliceStates, (slices) => {
          const isOfB = (next.result ?? []).some(({ id }) => id === slice.id)
          const whole = slices.find(({ id }) => id === slice.id)
          return unless(
            !isOfB || (whole?.stage === "IN_PROGRESS" && slices.length === 1),
            `executor b has claimed the slice, which is ${whole?.stage}, and its order has ${slices.length} slices`
          )
        })
      }
    }
  })
}

/** The share of the market's volume, and the slices that are cut for it. */
export const participationCases: ReadonlyArray<Case> = [twoReservations, staleCut]
