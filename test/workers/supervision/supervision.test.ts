import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Ref } from "effect"
import { TestClock } from "effect/testing"
import { supervise, tick } from "../../../src/workers/supervision/supervision.ts"
import { WorkerStatus } from "../../../src/workers/supervision/WorkerStatus.ts"

/** A status that records every report. */
const makeStatus = Effect.map(Ref.make<ReadonlyArray<string>>([]), (reports) => ({
  reports: Ref.get(reports),
  status: WorkerStatus.of({
    succeeded: (worker) => Ref.update(reports, (all) => [...all, `${worker} ok`]),
    failed: (worker, error) => Ref.update(reports, (all) => [...all, `${worker} failed: ${error.split("\n")[0]}`]),
    blocked: () => Effect.void,
    beat: Effect.die("nobody asks for it")
  })
}))

describe("tick", () => {
  it.effect("reports a success, a failure and a bug, and continues after each", () =>
    Effect.gen(function* () {
      const { reports, status } = yield* makeStatus
      yield* tick(status, "monitor", Effect.void)
      yield* tick(status, "monitor", Effect.fail(new Error("no database")))
      yield* tick(status, "monitor", Effect.die(new Error("bug")))
      const [first, second, third] = yield* reports
      assert.strictEqual(first, "monitor ok")
      assert.strictEqual(second, "monitor failed: no database")
      assert.include(third ?? "", "bug")
    })
  )

  it.effect("reports several failures in one line", () =>
    Effect.gen(function* () {
      const { reports, status } = yield* makeStatus
      const failing = ["no database", "no broker"].map((message) => Effect.fail(new Error(message)))
      const all = Effect.forEach(failing, (task) => Effect.exit(task)).pipe(
        Effect.flatMap((exits) => Exit.asVoidAll(exits))
      )
      yield* tick(status, "monitor", all)
      assert.deepStrictEqual(yield* reports, ["monitor failed: no database; no broker"])
    })
  )

  it.effect("does not catch an interruption", () =>
    Effect.gen(function* () {
      const { reports, status } = yield* makeStatus
      const fiber = yield* Effect.forkChild(Effect.forever(tick(status, "monitor", Effect.never)), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* reports, [])
    })
  )
})

describe("supervise", () => {
  /** A worker that dies as soon as it starts, and the times of its starts. */
  const dying = Effect.gen(function* () {
    const starts = yield* Ref.make<ReadonlyArray<number>>([])
    const worker = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* Ref.update(starts, (all) => [...all, now / 1000])
      return yield* Effect.die(new Error("dead"))
    })
    return { starts: Ref.get(starts), worker }
  })

  it.effect("restarts a worker after 1, 2, 4 and 8 s, and gives up at the fifth death", () =>
    Effect.gen(function* () {
      const { starts, worker } = yield* dying
      const fiber = yield* Effect.forkChild(supervise("executor", worker), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* starts, [0, 1, 3, 7, 15])
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(Exit.isFailure(exit) && exit.cause), "WorkerKeepsDying")
    })
  )

  it.effect("restarts a worker for ever when its deaths are far apart", () =>
    Effect.gen(function* () {
      const { starts, worker } = yield* dying
      const rare = Effect.andThen(Effect.sleep("2 minutes"), worker)
      const fiber = yield* Effect.forkChild(supervise("executor", rare), { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      assert.isAbove((yield* starts).length, 20)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("stops with the process", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(supervise("executor", Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
    })
  )
})
