import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { Instance } from "../../../src/runtime/Instance.ts"
import { type Halt, HaltStore } from "../../../src/stores/operations/HaltStore.ts"
import { makeFollowHalts } from "../../../src/workers/executor/followHalts.ts"
import { noWakeups } from "../../support/service.ts"

const row = (id: number, isHalted: boolean, atSeconds: number): Halt => ({
  id,
  isHalted,
  reason: `reason ${id}`,
  requestedBy: "somebody",
  requestedAt: DateTime.makeUnsafe(atSeconds * 1000)
})

/** A daemon's executor on a database with these halts; `restored` are those that it has written again. */
const following = Effect.gen(function* () {
  const rows: Array<Halt> = []
  const restored: Array<string> = []
  const halts = Layer.mock(HaltStore)({
    current: Effect.sync(() => Option.fromNullishOr(rows.at(-1))),
    acknowledge: () => Effect.succeed(true),
    restore: ({ reason, requestedBy, requestedAt }) =>
      Effect.sync(() => {
        restored.push(reason)
        rows.push({ id: rows.length + 1, isHalted: true, reason, requestedBy, requestedAt })
      })
  })
  const gate = yield* PlacementGate
  yield* Effect.forkScoped(Effect.flatten(makeFollowHalts).pipe(Effect.provide(halts)), { startImmediately: true })
  /** The database has these rows now; returns whether the daemon may place a while later. */
  const has = Effect.fnUntraced(function* (...now: ReadonlyArray<Halt>) {
    rows.splice(0, rows.length, ...now)
    yield* TestClock.adjust("11 seconds")
    return !gate.isClosed()
  })
  return { has, restored }
})

const service = Layer.mergeAll(PlacementGate.layer, Instance.layer, noWakeups)

describe("a halt that the database has forgotten", () => {
  it.effect("stays, is written again, and is ended by a later resume", () =>
    Effect.gen(function* () {
      const { has, restored } = yield* following
      assert.isTrue(yield* has(row(1, false, 10)))
      assert.isFalse(yield* has(row(1, false, 10), row(2, true, 20)))
      assert.isFalse(yield* has(row(1, false, 10)))
      assert.deepStrictEqual(restored, ["reason 2 (written again: the database had forgotten it)"])
      // The ids of lost rows are given again.
      assert.isTrue(yield* has(row(1, false, 10), row(2, false, 30)))
      assert.lengthOf(restored, 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("stays where there is no row at all any more", () =>
    Effect.gen(function* () {
      const { has, restored } = yield* following
      assert.isFalse(yield* has(row(1, true, 10)))
      assert.isFalse(yield* has())
      assert.lengthOf(restored, 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("is ended by a resume with a later id, though the database's clock was set back", () =>
    Effect.gen(function* () {
      const { has, restored } = yield* following
      assert.isFalse(yield* has(row(1, true, 20)))
      assert.isTrue(yield* has(row(1, true, 20), row(2, false, 15)))
      assert.isEmpty(restored)
    }).pipe(Effect.provide(service))
  )
})

describe("a resume that the database has forgotten", () => {
  it.effect("leaves the halt in force", () =>
    Effect.gen(function* () {
      const { has } = yield* following
      assert.isTrue(yield* has(row(1, true, 10), row(2, false, 20)))
      assert.isFalse(yield* has(row(1, true, 10)))
    }).pipe(Effect.provide(service))
  )
})
