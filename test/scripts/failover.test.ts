import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References, Schema } from "effect"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type FailoverRun, judgeFailovers, type RoundResult } from "../../scripts/lib/failover/failoverVerdict.ts"
import { type Round, roundsOf } from "../../scripts/lib/failover/rounds.ts"
import {
  killServer,
  makeSynchronous,
  nextTransaction,
  promote,
  removeServer,
  type Server,
  startPrimary,
  startStandby,
  upstreamOf
} from "../../scripts/lib/failover/servers.ts"
import type { LedgerOrder, SliceRow } from "../../scripts/lib/ledgerVerdict.ts"
import { proxyTo } from "../../scripts/lib/tcpProxy.ts"

describe("the rounds of fail-over runs", () => {
  const rounds = roundsOf("seed", 200)

  it("are decided by the seed, and a longer run begins like a shorter one", () => {
    assert.deepStrictEqual(roundsOf("seed", 20), rounds.slice(0, 20))
    assert.notDeepEqual(roundsOf("other", 20), rounds.slice(0, 20))
  })

  it("mix all modes, with a lag of at most ten seconds", () => {
    const kinds = new Set(rounds.map(({ standby, sockets, daemons }) => `${standby} ${sockets} ${daemons}`))
    assert.strictEqual(kinds.size, 8)
    assert.deepStrictEqual(new Set(rounds.map(({ halt }) => halt)), new Set(["none", "before", "in the lag"]))
    for (const { standby, lagMillis } of rounds) {
      if (standby === "synchronous") assert.strictEqual(lagMillis, 0)
      else assert.isTrue(lagMillis >= 1000 && lagMillis <= 10_000)
    }
  })

  it("lose a halt only where a daemon lives on that has acknowledged it", () => {
    for (const { halt, standby, daemons } of rounds.filter(({ halt }) => halt === "in the lag")) {
      assert.deepStrictEqual([halt, standby, daemons], ["in the lag", "lagging", "kept"])
    }
  })
})

const round: Round = {
  number: 1,
  standby: "lagging",
  lagMillis: 5000,
  sockets: "kept",
  daemons: "anew",
  halt: "none"
}

const result: RoundResult = {
  round,
  killedAt: 5000,
  lostTransactions: 3,
  lostOrders: 1,
  placedAgainMillis: 700,
  stoppedMillis: null,
  placedWhileHalted: 0,
  problems: []
}

const order = (tag: string, changes: Partial<LedgerOrder> = {}): LedgerOrder => ({
  orderId: `o-${tag}`,
  tag,
  receivedAt: 1000,
  status: "COMPLETE",
  quantity: 10,
  filledQuantity: 10,
  ...changes
})

const slice = (tag: string, changes: Partial<SliceRow> = {}): SliceRow => ({
  tag,
  stage: "PROCESSED",
  stageReason: null,
  brokerOrderId: `o-${tag}`,
  brokerIsFinal: true,
  filledQuantity: 10,
  dueMillis: 1000,
  attempts: 1,
  ...changes
})

const run: FailoverRun = {
  ledger: [order("A"), order("B")],
  slices: [slice("A"), slice("B")],
  heldTags: [],
  unsplitOrders: 0,
  rounds: [result],
  goalSeconds: 45
}

const problems = (changes: Partial<FailoverRun>) => judgeFailovers({ ...run, ...changes }).problems

describe("the verdict on fail-over runs", () => {
  it("is good when each slice was placed once, also when the database has forgotten some, and one was refused", () => {
    assert.deepStrictEqual(problems({}), [])
    assert.deepStrictEqual(problems({ slices: [slice("A")] }), [])
    assert.deepStrictEqual(problems({ ledger: [...run.ledger, order("A", { status: "REJECTED" })] }), [])
  })

  it("names both placements of a double, and after which round each came", () => {
    const again = order("A", { orderId: "o-2", receivedAt: 6000 })
    assert.deepStrictEqual(problems({ ledger: [...run.ledger, again] }), [
      "A was placed 2 times: o-A after round 0, o-2 after round 1"
    ])
  })

  it("finds that placements went on too late", () => {
    const slow = { ...result, placedAgainMillis: 46_000 }
    assert.deepStrictEqual(problems({ rounds: [slow] }), ["placed again after 46 s in 99 of 100 rounds, not 45 s"])
    assert.deepStrictEqual(problems({ rounds: [slow], goalSeconds: 46 }), [])
  })

  it("finds what was lost, unless its order waits for a person", () => {
    const open = { slices: [slice("A"), slice("B", { stage: "SCHEDULED", attempts: 0 })], ledger: [order("A")] }
    assert.deepStrictEqual(problems(open), ["B is SCHEDULED after 0 attempts and was not placed"])
    assert.deepStrictEqual(problems({ ...open, heldTags: ["B"] }), [])
    assert.deepStrictEqual(problems({ ledger: [order("A")] }), ["B is PROCESSED after 1 attempts and was not placed"])
    assert.deepStrictEqual(problems({ unsplitOrders: 2 }), ["2 orders were never split"])
  })

  it("finds early ones, and placed ones that the database gave up", () => {
    assert.deepStrictEqual(problems({ slices: [slice("A", { dueMillis: 1001 })] }), ["A was 1 ms early"])
    assert.deepStrictEqual(problems({ slices: [slice("A", { stage: "SKIPPED", stageReason: "too late" })] }), [
      "A is SKIPPED and was placed: too late"
    ])
  })

  it("finds lifted halts, commits lost by a synchronous standby, and what went wrong in a round", () => {
    const synchronous = { ...round, standby: "synchronous" } as const
    assert.deepStrictEqual(
      problems({ rounds: [{ ...result, round: synchronous, placedWhileHalted: 2, problems: ["halt failed"] }] }),
      [
        "round 1: halt failed",
        "round 1: 2 orders were placed during its halt",
        "round 1: the synchronous standby lacked 1 orders"
      ]
    )
  })
})

const folder = Effect.acquireRelease(
  Effect.promise(async () => {
    const path = await mkdtemp(join(tmpdir(), "pulse-failover-"))
    await chmod(path, 0o711)
    return path
  }),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const insert = ({ db: { sql, execute } }: Server, n: number) => execute("test.insert", sql`INSERT INTO t VALUES (${n})`)

const rowsOf = ({ db: { sql, query } }: Server) =>
  Effect.map(query("test.rows", Schema.Struct({ n: Schema.Int }), sql`SELECT n FROM t ORDER BY n`), (rows) =>
    rows.map(({ n }) => n)
  )

it.live("a synchronous standby takes over with every commit, the next one without those of its lag", () =>
  Effect.gen(function* () {
    const path = yield* folder
    const first = yield* startPrimary(join(path, "server-0"))
    yield* first.db.execute("test.table", first.db.sql`CREATE TABLE t (n int)`)
    const replication = yield* proxyTo(upstreamOf(first))
    const second = yield* startStandby(first, replication, join(path, "server-1"))
    yield* makeSynchronous(first)
    yield* insert(first, 1)
    yield* killServer(first)
    yield* promote(second)
    yield* removeServer(first)
    assert.deepStrictEqual(yield* rowsOf(second), [1])

    yield* insert(second, 2)
    yield* replication.moveTo(upstreamOf(second))
    const third = yield* startStandby(second, replication, join(path, "server-2"))
    yield* replication.fallSilent
    yield* insert(second, 3)
    const last = yield* nextTransaction(second)
    yield* killServer(second)
    yield* promote(third)
    assert.isBelow(yield* nextTransaction(third), last)
    assert.deepStrictEqual(yield* rowsOf(third), [1, 2])
    yield* insert(third, 4)
  }).pipe(Effect.provide(Layer.succeed(References.MinimumLogLevel, "Error")))
)
