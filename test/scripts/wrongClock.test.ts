import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const preload = new URL("../../scripts/lib/chaos/wrongClock.ts", import.meta.url).href
const effect = new URL("../../node_modules/effect/dist/index.js", import.meta.url).href

const offsetMillis = 300_000

/** The time in a process with a wrong clock, according to Effect's Clock and to Date. */
const program = `
  import { Clock, Effect } from ${JSON.stringify(effect)}
  console.log(await Effect.runPromise(Clock.currentTimeMillis), new Date().getTime(), new Date(7).getTime())`

const timesOf = (clock: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const { stdout } = yield* Effect.promise(() =>
      promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
        env: { NODE_OPTIONS: `--import=${preload}`, ...clock }
      })
    )
    const after = yield* Clock.currentTimeMillis
    const [byClock = 0, byDate = 0, seven] = stdout.split(" ").map(Number)
    return { before, byClock, byDate, after, seven }
  })

describe("a wrong clock", () => {
  it.live("is shown by Effect's Clock and Date, from the start or after a jump", () =>
    Effect.gen(function* () {
      for (const clock of [
        { CHAOS_CLOCK_OFFSET_MILLIS: `${offsetMillis}` },
        { CHAOS_CLOCK_JUMP_MILLIS: `${offsetMillis}`, CHAOS_CLOCK_JUMP_AFTER_MILLIS: "1" }
      ]) {
        const { before, byClock, byDate, after, seven } = yield* timesOf(clock)
        for (const shown of [byClock, byDate]) {
          assert.isAtLeast(shown, before + offsetMillis)
          assert.isAtMost(shown, after + offsetMillis)
        }
        assert.strictEqual(seven, 7)
      }
    })
  )
})
