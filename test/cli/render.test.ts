import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { judge } from "../../src/cli/healthCommand.ts"
import { bar, isSettled, progressLine, table } from "../../src/cli/render.ts"
import type { WorkerRow } from "../../src/stores/HeartbeatStore.ts"
import type { OrderProgress } from "../../src/stores/OrderDesk.ts"

const at = (millis: number) => DateTime.makeUnsafe(millis)

const order: OrderProgress = {
  orderId: "o1",
  instrument: "NSE:RELIANCE",
  side: "BUY",
  totalQuantity: 1000,
  orderQueueStatus: "DONE",
  statusReason: null,
  state: "working",
  createdAt: at(0),
  slices: 10,
  scheduled: 5,
  inProgress: 0,
  unknown: 0,
  processed: 5,
  failed: 0,
  skipped: 0,
  open: 1,
  placedQuantity: 500,
  filledQuantity: 250,
  averagePrice: "2500.0000",
  nextDueAt: at(4_500),
  lastDueAt: at(60_000),
  maxLatenessMillis: 1,
  holdReason: null
}

describe("render", () => {
  it("a bar shows filled, placed and still to come, and is never longer than its width", () => {
    assert.strictEqual(bar(8, 1000, 500, 250), "██▒▒░░░░")
    assert.strictEqual(bar(8, 0, 0, 0), "░░░░░░░░")
    assert.strictEqual(bar(8, 1000, 1200, 1100), "████████")
  })

  it("a progress line fits the terminal", () => {
    for (const columns of [20, 40, 80, 200]) assert.isAtMost([...progressLine(order, at(0), columns)].length, columns)
    assert.include(progressLine(order, at(0), 120), "next in 4.5 s")
    assert.include(progressLine(order, at(5_000), 120), "next now")
  })

  it("columns line up", () => {
    assert.strictEqual(
      table(
        ["A", "N"],
        [
          ["x", "1"],
          ["long", "100"]
        ]
      ),
      "A       N\nx       1\nlong  100"
    )
  })

  it("an order is settled when nothing more will happen to it", () => {
    assert.isFalse(isSettled(order))
    assert.isTrue(isSettled({ ...order, state: "filled" }))
  })
})

describe("judge", () => {
  const row = (worker: string, heartbeatAt: number, instanceId = "a"): WorkerRow => ({
    instanceId,
    worker,
    hostname: "h",
    pid: 1,
    version: "1",
    startedAt: at(0),
    heartbeatAt: at(heartbeatAt),
    staleAfterMillis: 1000,
    ticks: 1,
    failedTicks: 0,
    lastError: null,
    hold: null
  })
  const all = (heartbeatAt: number, instanceId?: string) =>
    ["splitter", "executor", "monitor"].map((worker) => row(worker, heartbeatAt, instanceId))

  it("healthy: all three workers of one instance in time", () => {
    assert.isTrue(judge(all(5_000), at(6_000)).healthy)
    assert.isTrue(judge([...all(0, "dead"), ...all(5_000, "alive")], at(6_000)).healthy)
  })

  it("not healthy: nobody there, one worker stale, one missing, or the good ones spread over two instances", () => {
    assert.isFalse(judge([], at(0)).healthy)
    assert.isFalse(judge(all(5_000), at(6_001)).healthy)
    assert.isFalse(judge([row("splitter", 0), row("executor", 5_000), row("monitor", 5_000)], at(6_000)).healthy)
    assert.isFalse(judge(all(5_000).slice(1), at(6_000)).healthy)
    assert.isFalse(judge([...all(5_000, "a").slice(1), ...all(5_000, "b").slice(0, 1)], at(6_000)).healthy)
  })
})
