import { quantile } from "../src/domain/numbers/quantile.ts"
import { contenders } from "./contenders/contenders.ts"
import {
  type ContenderName,
  contenderNames,
  type Entry,
  labelOf,
  labels,
  withSlicesPerOrder
} from "./contenders/labels.ts"
import type { Extent } from "./extent.ts"
import type { Cost } from "./harness/cost.ts"
import type { Figures } from "./measuredFigures.ts"
import { type BurnDown, burnDown, type BurnDownOptions } from "./scenarios/burnDown.ts"
import { disk } from "./scenarios/disk.ts"
import { firstBurst } from "./scenarios/firstBurst.ts"
import { flood, type FloodKind } from "./scenarios/flood.ts"
import { growth } from "./scenarios/growth.ts"
import { heldTransaction } from "./scenarios/heldTransaction.ts"
import { lastWord } from "./scenarios/lastWord.ts"
import { lateness } from "./scenarios/lateness.ts"
import { phases } from "./scenarios/phases.ts"
import { idle, memory, start } from "./scenarios/resting.ts"
import { split } from "./scenarios/split.ts"

export interface BenchStage {
  readonly server: string
  readonly extent: Extent
  readonly figures: Figures
  /** Which repeat this is, from 1. */
  readonly repeat: number
}

export type Scenarios = Readonly<Record<string, (stage: BenchStage) => Promise<void>>>

const tuned = (contender: ContenderName): Entry => ({ contender, isTuned: true })
const us = tuned("pulse")

const isContender = (name: string): name is ContenderName => name in contenderNames
const names = Object.keys(contenderNames).filter(isContender)
const atDefaults = names
  .filter((contender) => contenders[contender].isMeasuredAtDefaults)
  .map((contender): Entry => ({ contender, isTuned: false }))
const timed = names.filter((contender) => contenders[contender].hasDueTimes)
const peers = timed.filter((contender) => contender !== "pulse")

const latenessFigures = (sorted: ReadonlyArray<number>) => {
  const at = (share: number) => quantile(sorted, share) ?? Number.NaN
  return { "p50 ms": at(0.5), "p99 ms": at(0.99), "max ms": at(1), "min ms": at(0) }
}

const measureLateness = async ({ server, extent, figures }: BenchStage, entry: Entry) =>
  figures.add(
    "lateness",
    labelOf(entry),
    latenessFigures(await lateness(server, entry, { size: extent.latenessSize, perSecond: 200 }))
  )

const costFigures = ({ processMicrosEach, backendMicrosEach, walBytesEach }: Cost) => ({
  "process µs": processMicrosEach,
  "database µs": backendMicrosEach,
  "WAL bytes": walBytesEach
})

const burnDownFigures = (measured: BurnDown) => ({ "per second": measured.perSecond, ...costFigures(measured) })

const measureBurnDown = async (
  { server, figures }: BenchStage,
  scenario: string,
  entry: Entry,
  { who = labelOf(entry), ...options }: BurnDownOptions & { readonly who?: string }
) => figures.add(scenario, who, burnDownFigures(await burnDown(server, entry, options)))

const measureFlood = async (kind: FloodKind, { server, extent, figures }: BenchStage) => {
  const measured = await flood(server, kind, extent.flood)
  figures.add(`${kind} flood`, labels.shipped, {
    "split ms": measured.splitMillis,
    "first slice ms": measured.firstMillis,
    "new order, p50 ms": measured.newP50Millis,
    "new order, max ms": measured.newMaxMillis,
    "running orders, max ms": measured.runningMaxMillis,
    "flood done ms": measured.doneMillis
  })
}

const measurePhases = async ({ server, extent, figures }: BenchStage, entry: Entry) => {
  for (const measured of await phases(server, entry, extent.phases)) {
    figures.add(`phase: ${measured.phase}`, labelOf(entry), {
      "per second": measured.perSecond,
      "p99 ms": measured.p99Millis,
      "dead rows": measured.deadRows,
      missing: measured.missing,
      twice: measured.twice
    })
  }
}

/** The scenarios that are repeated. A comparison runs all contenders in turn. */
export const scenarios: Scenarios = {
  "burn-down": async (stage) => {
    const { burnDownSize: size } = stage.extent
    const ours = (slicesPerOrder: number) =>
      measureBurnDown(stage, "burn-down", us, { size, slicesPerOrder, who: withSlicesPerOrder(slicesPerOrder) })
    const peer = (contender: ContenderName, itsSize = size) =>
      measureBurnDown(stage, "burn-down", tuned(contender), { size: itsSize })
    await ours(100)
    await peer("graphileWorker")
    await ours(10)
    await peer("bareSql")
    await ours(1)
    await peer("pgBoss")
    await peer("graphileGroupedWork")
    // It takes ten times as long for each.
    await peer("graphileSameWork", size / 10)
    await peer("pgBossSameWork")
  },
  "small burn-down": (stage) => measureBurnDown(stage, "small burn-down", us, { size: stage.extent.smallBurnDownSize }),
  "large burn-down": async (stage) => {
    if (stage.repeat > stage.extent.largeRepeats) return
    await measureBurnDown(stage, "large burn-down", us, { size: stage.extent.largeBurnDownSize })
  },
  "held transaction": (stage) =>
    measureBurnDown(stage, "held transaction", us, { size: stage.extent.burnDownSize, around: heldTransaction }),
  "4 daemons": (stage) => measureBurnDown(stage, "4 daemons", us, { size: stage.extent.burnDownSize, count: 4 }),
  "last word": async ({ server, extent, figures }) =>
    figures.add("last word", labels.us, costFigures(await lastWord(server, us, extent.lastWordSize))),
  lateness: async (stage) => {
    await measureLateness(stage, us)
    // How often a peer polls says how late it is, so once is enough.
    for (const contender of stage.repeat === 1 ? peers : []) await measureLateness(stage, tuned(contender))
  },
  split: async ({ server, extent, figures }) => {
    const { ordersPerSecond, bareOrdersPerSecond, walBytesEach } = await split(server, us, extent.splitOrders)
    figures.add("split", labels.us, { "orders per second": ordersPerSecond, "WAL bytes": walBytesEach })
    figures.add("split", labels.bareInsert, { "orders per second": bareOrdersPerSecond })
  },
  start: async ({ server, figures }) => figures.add("start", labels.shipped, { ms: await start(server) })
}

/** Scenarios that take long, vary little, or are only shown: they run once. */
export const scenariosOnce: Scenarios = {
  defaults: async (stage) => {
    const { slowBurnDownSize: size } = stage.extent
    for (const entry of atDefaults) {
      if (contenders[entry.contender].hasDueTimes) await measureLateness(stage, entry)
      await measureBurnDown(stage, "burn-down", entry, { size })
    }
    await measureBurnDown(stage, "burn-down", tuned("persistedQueue"), { size: size * 5 })
  },
  "one instant": async ({ server, extent, figures }) => {
    for (const contender of timed) {
      const sorted = await lateness(server, tuned(contender), { size: extent.instantSize, perSecond: null })
      figures.add("one instant", labelOf(tuned(contender)), latenessFigures(sorted))
    }
  },
  "first burst": async ({ server, extent, figures }) => {
    const bursts = await firstBurst(server, us, {
      size: extent.instantSize,
      quietSeconds: extent.quietSeconds,
      times: extent.repeats
    })
    for (const sorted of bursts) figures.add("first burst", labels.us, latenessFigures(sorted))
  },
  "2 daemons": (stage) => measureBurnDown(stage, "2 daemons", us, { size: stage.extent.burnDownSize, count: 2 }),
  idle: async ({ server, extent, figures }) => {
    const { queriesPerSecond, cpuPercent } = await idle(server, extent.waitingSlices, extent.idleSeconds)
    figures.add("idle", labels.shipped, { "queries per second": queriesPerSecond, "CPU percent": cpuPercent })
  },
  memory: async ({ server, extent, figures }) => {
    const bytes = await memory(server, extent.waitingSlices, extent.memorySeconds)
    figures.add("memory", labels.shipped, { MB: bytes / 1e6 })
  },
  disk: async ({ server, extent, figures }) =>
    figures.add("disk", labels.us, await disk(server, us, extent.burnDownSize)),
  phases: async (stage) => {
    await measurePhases(stage, us)
    await measurePhases(stage, tuned("graphileWorker"))
  },
  "bad flood": (stage) => measureFlood("bad", stage),
  "tiny flood": (stage) => measureFlood("tiny", stage),
  "limited flood": (stage) => measureFlood("limited", stage),
  growth: async ({ server, extent, figures }) => {
    const { empty, grown, held } = await growth(server, us, {
      rows: extent.growthRows,
      size: extent.growthSize,
      repeats: extent.largeRepeats
    })
    const add = (who: string, all: ReadonlyArray<BurnDown>) => {
      for (const measured of all) figures.add("growth", `${labels.us}, ${who}`, burnDownFigures(measured))
    }
    add("empty", empty)
    add("grown", grown)
    add("grown, transaction held", held)
  }
}
