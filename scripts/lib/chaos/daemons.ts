import { Clock, Effect, Fiber, type Scope } from "effect"
import type { ChildProcess } from "node:child_process"
import { hostname } from "node:os"
import type { SeededRandom } from "../../../src/domain/planning/schedule/SeededRandom.ts"
import { type Environment, exitOf, spawnMain } from "../stagingProcesses.ts"
import type { Proxy } from "../tcpProxy.ts"

const wrongClock = new URL("./wrongClock.ts", import.meta.url).href
const farthestMillis = 5 * 60_000

/** A place in which one daemon runs after another, with its own role and network to the database. */
export interface Slot {
  readonly name: string
  /** The role with which its daemons connect. */
  readonly role: string
  readonly network: Proxy
  readonly environment: Environment
  readonly logFile: string
  child: ChildProcess | null
  startedAtMillis: number
  /** An incident is using this slot; no other one may. */
  isBusy: boolean
  /** The incident needs a living daemon; no kill -9 meanwhile. */
  isReserved: boolean
  /** The end of the current daemon is intended, and not counted as a crash. */
  isToEnd: boolean
}

/** A place without a daemon. */
export const emptySlot = (of: Pick<Slot, "name" | "role" | "network" | "environment" | "logFile">): Slot => ({
  ...of,
  child: null,
  startedAtMillis: 0,
  isBusy: false,
  isReserved: false,
  isToEnd: false
})

/** The moment at which a daemon stopped working on its slices, for good (kill -9) or for long (freeze). */
export interface Hit {
  readonly kind: "kill -9" | "freeze"
  /** The owner of its claims without the random part at the end. */
  readonly owner: string
  readonly startedAtMillis: number
  readonly hitAtMillis: number
}

/** The environment for a right clock, a wrong one, or one that jumps after some seconds. */
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

/** Keeps one daemon running in each slot until the scope closes; then stops them with SIGTERM and waits for them. */
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
  /** How many daemons ended unintended, such as at the start while the database was away. */
  readonly ended: () => number
  /** How many daemons were started with each kind of clock. */
  readonly starts: Readonly<Record<string, number>>
  /** Signals the daemon of a slot and records the hit; false if none was running. */
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
