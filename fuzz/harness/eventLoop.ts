import { Effect, Schedule, type Scope } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import process from "node:process"
import { millisSince } from "./Effort.ts"

/** How long the event loop has stood still, in milliseconds. */
export interface EventLoopDelay {
  /** The longest delay of a timer, whatever the reason: this program, or another one that had the processor. */
  readonly worstMillis: () => number
  /** The most CPU time that this thread took during one such delay: what no other program is to blame for. */
  readonly worstOwnMillis: () => number
}

const intervalMillis = 20

/** Watches the event loop until the scope closes. */
export const watchEventLoop: Effect.Effect<EventLoopDelay, never, Scope.Scope> = Effect.gen(function* () {
  const delays = yield* Effect.acquireRelease(
    Effect.sync(() => monitorEventLoopDelay({ resolution: 10 })),
    (delays) => Effect.sync(() => delays.disable())
  )
  delays.enable()
  let worstOwnMillis = 0
  let before = { wall: performance.now(), cpu: process.threadCpuUsage() }
  const look = Effect.sync(() => {
    const delayMillis = performance.now() - before.wall - intervalMillis
    worstOwnMillis = Math.max(worstOwnMillis, Math.min(delayMillis, millisSince(before.cpu)))
  })
  yield* Effect.suspend(() => {
    before = { wall: performance.now(), cpu: process.threadCpuUsage() }
    return Effect.andThen(Effect.sleep(intervalMillis), look)
  }).pipe(Effect.repeat(Schedule.forever), Effect.forkScoped)
  return { worstMillis: () => delays.max / 1e6, worstOwnMillis: () => worstOwnMillis }
})
