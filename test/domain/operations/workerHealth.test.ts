import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { judge } from "../../../src/domain/operations/workerHealth.ts"

const at = (millis: number) => DateTime.makeUnsafe(millis)

describe("judge", () => {
  const row = (worker: string, heartbeatAt: number, instanceId = "a") => ({
    instanceId,
    worker,
    heartbeatAt: at(heartbeatAt),
    staleAfterMillis: 1000
  })
  const all = (heartbeatAt: number, instanceId?: string) =>
    ["splitter", "executor", "monitor"].map((worker) => row(worker, heartbeatAt, instanceId))

  it("is healthy when all three workers of one instance report in time", () => {
    assert.isTrue(judge(all(5_000), at(6_000)).healthy)
    assert.isTrue(judge([...all(0, "dead"), ...all(5_000, "alive")], at(6_000)).healthy)
  })

  it("is not healthy with no worker, a stale one, a missing one, or good ones spread over two instances", () => {
    assert.isFalse(judge([], at(0)).healthy)
    assert.isFalse(judge(all(5_000), at(6_001)).healthy)
    assert.isFalse(judge([row("splitter", 0), row("executor", 5_000), row("monitor", 5_000)], at(6_000)).healthy)
    assert.isFalse(judge(all(5_000).slice(1), at(6_000)).healthy)
    assert.isFalse(judge([...all(5_000, "a").slice(1), ...all(5_000, "b").slice(0, 1)], at(6_000)).healthy)
  })
})
