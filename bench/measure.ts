import { quantile } from "../src/domain/numbers/quantile.ts"
import { contenders, type ContenderName } from "./contenders/contenders.ts"
import { type Entry, labelOf } from "./harness/Bench.ts"
import { labels } from "./labels.ts"
import type { Figures } from "./measuredFigures.ts"
import { burnDown } from "./scenarios/burnDown.ts"
import { flood, type FloodKind, type FloodOptions } from "./scenarios/flood.ts"
import { growth } from "./scenarios/growth.ts"
import { heldTransaction } from "./scenarios/heldTransaction.ts"
import { lateness } from "./scenarios/lateness.ts"
import { idle, memory, start } from "./scenarios/resting.ts"
import { split } from "./scenarios/split.ts"

/** The sizes of the scenarios. */
export interface Extent {
  readonly repeats: number
  readonly burnDownSize: number
  readonly latenessSize: number
  readonly instantSize: number
  readonly splitOrders: number
  readonly idleSeconds: number
  readonly waitingSlices: number
  readonly memorySeconds: number
  readonly growthRows: number
  readonly flood: FloodOptions
}

export const wholeExtent: Extent = {
  repeats: 5,
  burnDownSize: 100_000,
  latenessSize: 2000,
  instantSize: 1000,
  splitOrders: 10_000,
  idleSeconds: 30,
  waitingSlices: 1_000_000,
  memorySeconds: 60,
  growthRows: 10_000_000,
  flood: { rows: 10_000, seconds: 100 }
}

/** Small sizes that only show that every scenario works. */
export const quickExtent: Extent = {
  repeats: 1,
  burnDownSize: 2000,
  latenessSize: 200,
  instantSize: 200,
  splitOrders: 100,
  idleSeconds: 3,
  waitingSlices: 2000,
  memorySeconds: 3,
  growthRows: 5000,
  flood: { rows: 200, seconds: 4 }
}

interface BenchStage {
  readonly server: string
  readonly extent: Extent
  readonly figures: Figures
  readonly say: (line: string) => void
}

const us: Entry = { contender: "pulse", isTuned: true }

const names = Object.keys(contenders) as ReadonlyArray<ContenderName>
const entries: ReadonlyArray<Entry> = names.flatMap((contender): ReadonlyArray<Entry> => [
  { contender, isTuned: true },
  ...(contenders[contender].isMeasuredAtDefaults ? [{ contender, isTuned: false }] : [])
])
const isQuick = ({ contender, isTuned }: Entry): boolean => isTuned && contender !== "persistedQueue"
const timed = entries.filter(({ contender }) => contenders[contender].hasDueTimes)

const measureLateness = async (
  scenario: string,
  entry: Entry,
  stage: BenchStage,
  size: number,
  perSecond: number | null
) => {
  const sorted = await lateness(stage.server, entry, { size, perSecond })
  const at = (share: number) => quantile(sorted, share) ?? Number.NaN
  stage.figures.add(scenario, labelOf(entry), {
    "p50 ms": at(0.5),
    "p99 ms": at(0.99),
    "max ms": at(1),
    "min ms": at(0)
  })
}

const addBurnDown = (
  scenario: string,
  who: string,
  { figures }: BenchStage,
  measured: Awaited<ReturnType<typeof burnDown>>
) =>
  figures.add(scenario, who, {
    "per second": measured.perSecond,
    "WAL bytes": measured.walBytesEach,
    "CPU microseconds": measured.cpuMicrosEach
  })

const measureDaemons = async (scenario: string, count: number, stage: BenchStage) => {
  const measured = await burnDown(stage.server, us, { size: stage.extent.burnDownSize, count })
  addBurnDown(scenario, labels.us, stage, measured)
}

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

/** The scenarios that are repeated. A comparison runs all contenders in turn. */
export const scenarios: Readonly<Record<string, (stage: BenchStage) => Promise<void>>> = {
  lateness: async (stage) => {
    for (const entry of timed) await measureLateness("lateness", entry, stage, stage.extent.latenessSize, 200)
  },
  "one instant": async (stage) => {
    for (const entry of timed) await measureLateness("one instant", entry, stage, stage.extent.instantSize, null)
  },
  "burn-down": async (stage) => {
    for (const entry of entries) {
      addBurnDown(
        "burn-down",
        labelOf(entry),
        stage,
        // Slow contenders get a tenth of the work.
        await burnDown(stage.server, entry, {
          size: isQuick(entry) ? stage.extent.burnDownSize : stage.extent.burnDownSize / 10
        })
      )
    }
  },
  "held transaction": async (stage) => {
    const measured = await burnDown(stage.server, us, { size: stage.extent.burnDownSize, around: heldTransaction })
    addBurnDown("held transaction", labels.us, stage, measured)
  },
  "2 daemons": (stage) => measureDaemons("2 daemons", 2, stage),
  "4 daemons": (stage) => measureDaemons("4 daemons", 4, stage),
  split: async ({ server, extent, figures }) => {
    const { ordersPerSecond, bareOrdersPerSecond } = await split(server, us, extent.splitOrders)
    figures.add("split", labels.us, { "orders per second": ordersPerSecond })
    figures.add("split", labels.bareInsert, { "orders per second": bareOrdersPerSecond })
  },
  start: async ({ server, figures }) => figures.add("start", labels.shipped, { ms: await start(server) })
}

/** Scenarios that take long and vary little: they run once. */
export const scenariosOnce: typeof scenarios = {
  idle: async ({ server, extent, figures }) => {
    const { queriesPerSecond, cpuPercent } = await idle(server, extent.waitingSlices, extent.idleSeconds)
    figures.add("idle", labels.shipped, { "queries per second": queriesPerSecond, "CPU percent": cpuPercent })
  },
  memory: async ({ server, extent, figures }) => {
    const bytes = await memory(server, extent.waitingSlices, extent.memorySeconds)
    figures.add("memory", labels.shipped, { MB: bytes / 1e6 })
  },
  "bad flood": (stage) => measureFlood("bad", stage),
  "tiny flood": (stage) => measureFlood("tiny", stage),
  "limited flood": (stage) => measureFlood("limited", stage),
  growth: async ({ server, extent, figures }) => {
    const { emptyMillis, grownMillis } = await growth(server, extent.growthRows)
    figures.add("growth", labels.shipped, { "empty ms": emptyMillis, "grown ms": grownMillis })
  }
}

/** Runs the wanted scenarios, all of them once for each repeat, and then those that run once. */
export const measure = async (stage: BenchStage, wanted: (scenario: string) => boolean): Promise<void> => {
  const run = async (all: typeof scenarios) => {
    for (const [name, scenario] of Object.entries(all)) {
      if (!wanted(name)) continue
      const began = performance.now()
      await scenario(stage)
      stage.say(`${name}: ${Math.round((performance.now() - began) / 1000)} s`)
    }
  }
  for (let repeat = 1; repeat <= stage.extent.repeats; repeat++) {
    stage.say(`Repeat ${repeat} of ${stage.extent.repeats}`)
    await run(scenarios)
  }
  await run(scenariosOnce)
}
