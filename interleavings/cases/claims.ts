import { Effect, Layer } from "effect"
import { TradingHours } from "../../src/config/TradingHours.ts"
import { Db } from "../../src/db/Db.ts"
import { DbError } from "../../src/db/DbError.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { Id } from "../../src/stores/sql/ids.ts"
import { admitAll } from "../../src/workers/executor/admitClaimed.ts"
import { makeClaimDue } from "../../src/workers/executor/claimDue.ts"
import { makeClaimedSlices } from "../../src/workers/executor/ClaimedSlices.ts"
import { connectionLost, losingCommits } from "../harness/boundaries.ts"
import { actor, type Case } from "../harness/Case.ts"
import { configurationOf } from "../harness/Session.ts"
import { acknowledged, claim, inDoubt, notPlaced, refused, returned, unknown, write } from "./actions.ts"
import { clockAt } from "./clockAt.ts"
import {
  allDue,
  at,
  callsAudited,
  claimedTwice,
  leaseSeconds,
  sliceStates,
  splitOrder,
  unless,
  firstSeeds
} from "./world.ts"

const lapsed = allDue + leaseSeconds + 1

const twoClaims: Case = {
  name: "two executors claim",
  prepare: Effect.as(splitOrder(), () => {
    const first = actor("executor a", claim("a", allDue, { limit: 3 }), { neverWaits: true })
    const second = actor("executor b", claim("b", allDue, { limit: 3 }), { neverWaits: true })
    return {
      actors: [first, second],
      problems: Effect.map(sliceStates, (slices) => {
        const isFirsts = (id: string) => (first.result ?? []).some((slice) => slice.id === id)
        const count = (first.result?.length ?? 0) + (second.result?.length ?? 0)
        return [
          ...claimedTwice(first.result, second.result),
          ...unless(count === 5, `${count} of 5 slices were claimed`),
          ...slices.flatMap(({ id, claimedBy }) =>
            unless(isFirsts(id) === (claimedBy === "a"), `slice ${id} belongs to ${claimedBy}, which was not told so`)
          )
        ]
      })
    }
  })
}

/** An executor that claims page by page; each pass is at another second. */
const pagedExecutor = Effect.gen(function* () {
  const claimed = yield* makeClaimedSlices
  const { claim } = yield* makeClaimDue(claimed, admitAll)
  const page = Effect.tap(claim, () => Effect.sync(() => claimed.queue.drain()))
  return (seconds: number) => Effect.repeat(page, { until: (more) => !more }).pipe(clockAt(seconds))
}).pipe(
  Effect.provide(Layer.mergeAll(TradingHours.layer, Instance.layer)),
  Effect.provide(configurationOf({ SLICE_EXECUTOR_CLAIM_LIMIT: "2" }))
)

const lostClaim: Case = {
  name: "a claim fails at its commit while another executor claims past it",
  seeds: firstSeeds,
  prepare: Effect.as(splitOrder(), () => {
    const failing = actor("executor a", losingCommits(claim("a", allDue, { limit: 2 })), {
      mayFail: (error) => error instanceof DbError && error.message === connectionLost
    })
    const passing = actor(
      "executor b",
      Effect.tap(pagedExecutor, (pass) => pass(allDue))
    )
    return {
      actors: [failing, passing],
      problems: Effect.gen(function* () {
        // An interval of its polls later.
        yield* passing.result?.(allDue + 61) ?? Effect.void
        const left = (yield* sliceStates).filter(({ stage }) => stage === "SCHEDULED")
        return left.map(({ id }) => `slice ${id} is due, and the executor never looks at it again`)
      })
    }
  })
}

const rewrittenOutcome: Case = {
  name: "an outcome group is written again while its first writing still runs",
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", allDue, { limit: 3 })
    return () => {
      const writings = [1, 2].map((number) => actor(`writing ${number}`, write(slices, acknowledged, allDue)))
      return {
        actors: writings,
        problems: Effect.map(callsAudited, (calls) => {
          const moved = writings.flatMap(({ result }) => result ?? [])
          return [
            ...unless(moved.length === 3, `${moved.length} moves of 3 slices were answered`),
            ...unless(calls === 3, `the audit has ${calls} rows for 3 calls`)
          ]
        })
      }
    }
  })
}

/** The owner of a lapsed claim writes its outcome after all, while the monitor resolves the claim. */
const lateOutcomes: ReadonlyArray<Case> = [
  { what: "an acknowledgement", next: acknowledged },
  { what: "a refusal", next: refused },
  { what: "an unknown outcome", next: unknown },
  { what: "a return", next: returned }
].map(({ what, next }) => ({
  name: `${what} arrives while the monitor resolves its lapsed claim`,
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { num_splits: 1 })
    const slices = yield* claim("a", allDue)
    const doubted = yield* inDoubt(lapsed)
    return () => {
      const owner = actor("owner", write(slices, next, lapsed))
      const monitor = actor("monitor", write(doubted, notPlaced, lapsed, false))
      return {
        actors: [owner, monitor],
        problems: Effect.map(sliceStates, ([slice]) => {
          const monitorMoved = monitor.result?.length === 1
          const ownerMoved = owner.result?.length === 1
          return [
            // An unknown outcome leaves the slice in doubt, so both may write, the owner first.
            ...unless(
              ownerMoved !== monitorMoved || next === unknown,
              "both wrote an outcome of one claim, or none did"
            ),
            ...unless(slice?.stage === "PROCESSED" ? ownerMoved : true, "the slice is PROCESSED, and nobody was told"),
            ...unless(
              !monitorMoved || slice?.stage === "SCHEDULED",
              `the monitor rescheduled it, and it is ${slice?.stage}`
            )
          ]
        })
      }
    }
  })
}))

const fence: Case = {
  name: "a late outcome meets the next claim of its slice",
  seeds: [1, 2, 43],
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { num_splits: 1 })
    const slices = yield* claim("a", allDue)
    const doubted = yield* inDoubt(lapsed)
    return () => {
      const owner = actor("owner", write(slices, refused, lapsed))
      const monitor = actor("monitor", write(doubted, notPlaced, lapsed, false))
      const next = actor("next executor", claim("b", lapsed), { neverWaits: true })
      return {
        actors: [owner, monitor, next],
        problems: Effect.map(sliceStates, ([slice]) =>
          next.result?.length === 1
            ? [
                ...unless(owner.result?.length === 0, "the owner of the old claim wrote an outcome"),
                ...unless(slice?.claimedBy === "b" && slice.stage === "IN_PROGRESS", "the new claim is gone")
              ]
            : []
        )
      }
    }
  })
}

const twoLooks: Case = {
  name: "two monitors close claims of which nothing is left",
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    yield* write(yield* claim("a", allDue, { limit: 3 }), acknowledged, allDue)
    yield* claim("a", allDue)
    const look = Effect.flatMap(RecoveryStore, ({ look }) => look({ now: at(lapsed), doubtedSince: at(0) }))
    return () => ({
      actors: ["a", "b"].map((name) => actor(`monitor ${name}`, look, { neverWaits: true })),
      problems: Effect.gen(function* () {
        const { sql, query } = yield* Db
        const left = yield* query(
          "interleavings.openClaims",
          Id,
          sql`SELECT id::text FROM slice_claims WHERE NOT is_over`
        )
        return unless(left.length === 1, `${left.length} claims are open, of which one has slices`)
      })
    })
  })
}

/** Claims, outcomes of claims, and what the monitor makes of claims that lapsed. */
export const claimCases: ReadonlyArray<Case> = [
  twoClaims,
  lostClaim,
  rewrittenOutcome,
  ...lateOutcomes,
  fence,
  twoLooks
]
