import { Clock, Effect, Fiber, type Scope } from "effect"
import type { ChildProcess } from "node:child_process"
import { hostname } from "node:os"
import type { SeededRandom } from "../../../src/domain/planning/schedule/SeededRandom.ts"
import { type Environment, exitOf, spawnMain } from "../stagingProcesses.ts"
import type { Proxy } from "../tcpProxy.ts"

const wrongClock = new URL("./wrongClock.ts", import.meta.url).href
const farthestMillis = 5 * 60_000

/** Where one daemon after another runs, each started when the last one ended, with its own network to the database. */
export interface Slot {
  readonly name: string
  /** The database's role that it comes as. */
  readonly role: string
  readonly network: Proxy
  readonly environment: Environment
  readonly logFile: string
  child: ChildProcess | null
  startedAtMillis: number
  /** An incident is at it already. */
  isBusy: boolean
  /** That incident needs it alive. */
  isReserved: boolean
  /** It is meant to end. */
  isToEnd: boolean
}

/** A moment from which on a daemon does nothing more for its slices, for good or for long. */
export interface Hit {
  readonly kind: "kill -9" | "freeze"
  /** What the names of its claims begin with, up to the random part. */
  readonly owner: string
  readonly startedAtMillis: number
  readonly hitAtMillis: number
}

/** A clock that is wrong from the start, or from some moment on; or none. */
const clockOf = (random: SeededRandom, share: number): { readonly kind: string; readonly environment: Environment } => {
  const [whether, which, offset, jump, after] = [random(), random(), random(), random(), random()]
  if (whether >= share) return { kind: "right", environment: {} }
  const wrongBy = (uniform: number) => `${Math.round((uniform * 2 - 1) * farthestMillis)}`
  const jumps = which < 0.5
  return {
    kind: jumps ? "jumping" : "wrong",
    environment: {
      NODE_OPTIONS: `--import=${wrongClock}`,
      CHAOS_CLOCK_OFFSET_MILLIS: wrongBy(offset),
      ...(jumps
        ? {
            CHAOS_CLOCK_JUMP_MILLIS: wrongBy(jump),
            CHAOS_CLOCK_JUMP_AFTER_MILLIS: `${Math.round(1000 + 5000 * after)}`
          }
        : {})
    }
  }
}

/** Daemons that never stay away for long, until the scope closes: then they are told to stop, and waited for. */
export const keepDaemons = Effect.fnUntraced(function* (
  slots: ReadonlyArray<Slot>,
  random: SeededRandom,
  wrongClocks: number
): Effect.fn.Return<Daemons, never, Scope.Scope> {
  const hits: Array<Hit> = []
  let ended = 0
  const starts: Record<string, number> = {}

  const run = Effect.fnUntraced(function* (slot: Slot) {
    const { kind, environment } = clockOf(random, wrongClocks)
    starts[kind] = (starts[kind] ?? 0) + 1
    slot.isToEnd = false
    slot.startedAtMillis = yield* Clock.currentTimeMillis
    const child = spawnMain([], { ...slot.environment, ...environment }, slot.logFile)
    slot.child = child
    yield* exitOf(child)
    slot.child = null
    if (slot.isToEnd) return
    ended++
    yield* Effect.sleep("1 second")
  })

  const keepers = yield* Effect.forEach(slots, (slot) => Effect.forkDetach(Effect.forever(run(slot))))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Effect.forEach(keepers, Fiber.interrupt, { concurrency: "unbounded" })
      yield* Effect.forEach(slots, stopSlot, { concurrency: "unbounded" })
    })
  )

  const hit = (slot: Slot, kind: Hit["kind"], signal: NodeJS.Signals) =>
    Effect.map(Clock.currentTimeMillis, (hitAtMillis) => {
      const { child, startedAtMillis } = slot
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false
      if (signal === "SIGKILL") slot.isToEnd = true
      if (!child.kill(signal)) return false
      hits.push({ kind, owner: `${hostname()}-${child.pid}-`, startedAtMillis, hitAtMillis })
      return true
    })

  return { slots, hits, ended: () => ended, starts, hit }
})

export interface Daemons {
  readonly slots: ReadonlyArray<Slot>
  readonly hits: ReadonlyArray<Hit>
  /** How many ended by themselves: at the start, because the database was away. */
  readonly ended: () => number
  /** How many were started with which kind of clock. */
  readonly starts: Readonly<Record<string, number>>
  /** Whether there was one to be hit. */
  readonly hit: (slot: Slot, kind: Hit["kind"], signal: NodeJS.Signals) => Effect.Effect<boolean>
}

const stopSlot = ({ child }: Slot) =>
  Effect.gen(function* () {
    if (child === null) return
    child.kill("SIGCONT")
    child.kill("SIGTERM")
    yield* Effect.timeoutOrElse(exitOf(child), {
      duration: "30 seconds",
      orElse: () => Effect.sync(() => child.kill("SIGKILL"))
    })
  })
