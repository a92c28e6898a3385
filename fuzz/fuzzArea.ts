import { Array as Arrays, Effect, type Scope } from "effect"
import process from "node:process"
import { choicesOf } from "./choicesOf.ts"
import type { Area, Finding, Sample } from "./harness/Area.ts"
import { Effort } from "./harness/Effort.ts"
import { watchEventLoop } from "./harness/eventLoop.ts"
import { FuzzRun } from "./harness/FuzzRun.ts"

/** A violation, with what reproduces it. */
export interface Violation extends Finding {
  readonly area: string
  /** The input as text, cut where it is long. */
  readonly input: string
}

/** What a run of one area has found, and what it cost. */
export interface AreaReport {
  readonly area: string
  readonly inputs: number
  readonly seconds: number
  /** The CPU time of this process, which a busy machine lengthens little. */
  readonly cpuSeconds: number
  readonly worstDelayMillis: number
  /** The most CPU time of this thread during one delay. */
  readonly ownDelayMillis: number
  readonly worstCpuMillis: number
  readonly worstCpuIndex: number | null
  readonly peakMemoryMebibytes: number
  readonly violations: ReadonlyArray<Violation>
}

/** Event-loop delay that is no stall of the service, in milliseconds; a busy machine lengthens CPU time, too. */
const maxDelayMillis = ({ isJudgedByClock }: AreaOptions): number => (isJudgedByClock ? 200 : 500)
/** The most memory of the whole process, in MiB: more than the service and the longest inputs at a time need. */
const maxMemoryMebibytes = 2048

export interface AreaOptions {
  readonly isJudgedByClock: boolean
  readonly database: FuzzRun["Service"]["database"]
}

/** Judges inputs of an area: `indexes` of a seed, and cases given as they are. */
export const fuzzArea = Effect.fnUntraced(function* <Input>(
  area: Area<Input>,
  given: { readonly seed: number; readonly indexes: Iterable<number>; readonly cases?: ReadonlyArray<Input> },
  options: AreaOptions
): Effect.fn.Return<AreaReport, unknown, Scope.Scope> {
  const effort = new Effort()
  const run = FuzzRun.of({ ...options, effort })
  const judge = yield* Effect.provideService(area.open, FuzzRun, run)
  const began = performance.now()
  const cpuBegan = process.cpuUsage()
  const eventLoop = yield* watchEventLoop
  let inputs = 0
  let peakBytes = 0
  const violations: Array<Violation> = []

  const judgeBatch = (samples: ReadonlyArray<Sample<Input>>) =>
    Effect.gen(function* () {
      const findings = yield* Effect.provideService(judge(samples), FuzzRun, run)
      inputs += samples.length
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
      for (const finding of findings) {
        const sample = samples.find(({ index }) => index === finding.index)
        violations.push({ ...finding, area: area.name, input: sample === undefined ? "" : area.shown(sample.input) })
      }
      // A batch of a pure area is one turn of the event loop; what lies between batches is measured.
      yield* Effect.yieldNow
    })

  const cases = (given.cases ?? []).map((input, number) => ({ index: -1 - number, input }))
  yield* Effect.forEach(Arrays.chunksOf(cases, area.batchSize), judgeBatch, { discard: true })
  const batches = batchesOf(area, given)[Symbol.iterator]()
  const judgeRest = Effect.gen(function* () {
    for (let batch = batches.next(); batch.done !== true; batch = batches.next()) yield* judgeBatch(batch.value)
  })
  yield* Effect.all(
    Array.from({ length: area.inFlight }, () => judgeRest),
    { discard: true, concurrency: "unbounded" }
  )

  const worstDelayMillis = eventLoop.worstMillis()
  const ownDelayMillis = eventLoop.worstOwnMillis()
  const peakMemoryMebibytes = peakBytes / 1024 / 1024
  const ofAll = (what: string) => violations.push({ area: area.name, index: -1, input: "", what })
  if (ownDelayMillis > maxDelayMillis(options)) {
    ofAll(`the event loop stood still for ${Math.round(ownDelayMillis)} ms`)
  }
  if (peakMemoryMebibytes > maxMemoryMebibytes) ofAll(`the process took ${Math.round(peakMemoryMebibytes)} MiB`)
  return {
    area: area.name,
    inputs,
    cpuSeconds: cpuSecondsSince(cpuBegan),
    seconds: (performance.now() - began) / 1000,
    worstDelayMillis,
    ownDelayMillis,
    worstCpuMillis: effort.worstMillis,
    worstCpuIndex: effort.worstIndex,
    peakMemoryMebibytes,
    violations
  }
})

const cpuSecondsSince = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

/** Batches of inputs, each made when its turn comes, so that a million are never in memory. */
function* batchesOf<Input>(
  area: Area<Input>,
  { seed, indexes }: { readonly seed: number; readonly indexes: Iterable<number> }
): Iterable<ReadonlyArray<Sample<Input>>> {
  let batch: Array<Sample<Input>> = []
  for (const index of indexes) {
    batch.push({ index, input: area.generate(choicesOf(area.name, seed, index)) })
    if (batch.length < area.batchSize) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
