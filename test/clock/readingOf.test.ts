import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { readingOf } from "../../src/clock/askDatabase.ts"
import { clockOver } from "../../src/clock/overrideClock.ts"

const tickMillis = 1

describe("a reading of both clocks of this host", () => {
  it.effect("has times of one millisecond, wherever the process loses the processor", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      for (const lostAfter of [1, 2, 3, 4, 5]) {
        let [millis, readings] = [1000.25, 0]
        /** The process does not run for a while after one of the readings. */
        const read = (): number => {
          const shown = millis
          readings += 1
          if (readings === lostAfter) millis += 12.5
          return shown
        }
        const { localNanos, monotonicNanos } = readingOf(
          clockOver(clock, {
            currentTimeMillisUnsafe: () => Math.floor(read()),
            monotonicTimeNanosUnsafe: () => BigInt(Math.round(read() * 1_000_000))
          })
        )
        const ahead = Number(localNanos - monotonicNanos) / 1_000_000
        assert.isAtMost(ahead, 0, `after reading ${lostAfter}`)
        assert.isAbove(ahead, -tickMillis, `after reading ${lostAfter}`)
      }
    })
  )
})
