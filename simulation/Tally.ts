import { crashPoints } from "./crashPoints.ts"
import type { SimulationResult } from "./simulate.ts"

const add = (to: Map<string, number>, counts: ReadonlyMap<string, number>): void => {
  for (const [name, count] of counts) to.set(name, (to.get(name) ?? 0) + count)
}

/** Adds up many runs for the report at the end. */
export class Tally {
  readonly failed: Array<number> = []
  private readonly faults = new Map<string, number>()
  private readonly crashes = new Map<string, number>()
  private seeds = 0
  private brokerOrders = 0
  private statements = 0
  private simulatedSeconds = 0

  add({ seed, problems, counts, seconds }: SimulationResult): void {
    this.seeds++
    this.brokerOrders += counts.brokerOrders
    this.statements += counts.statements
    this.simulatedSeconds += seconds
    add(this.faults, counts.faults)
    add(this.crashes, counts.crashes)
    if (problems.length > 0) this.failed.push(seed)
  }

  /** The crash points at which no run has killed or paused a process. */
  get missed(): ReadonlyArray<string> {
    return crashPoints.filter((point) => !this.crashes.has(point))
  }

  /** The lines of the report. */
  report(elapsedSeconds: number): ReadonlyArray<string> {
    const { missed, failed } = this
    const kinds = [...this.faults].toSorted(([a], [b]) => (a < b ? -1 : 1))
    const hours = (this.simulatedSeconds / 3600).toFixed(1)
    return [
      "Faults injected:",
      ...kinds.map(([kind, count]) => `  ${kind}: ${count}`),
      `Crash points hit: ${crashPoints.length - missed.length} of ${crashPoints.length}`,
      ...missed.map((point) => `  not hit: ${point}`),
      `${this.seeds} seeds in ${elapsedSeconds.toFixed(1)} s, ${(this.seeds / elapsedSeconds).toFixed(1)} a second: ` +
        `${this.brokerOrders} broker orders, ${this.statements} statements, ${hours} simulated hours`,
      failed.length === 0
        ? "Nothing was placed twice, nothing lost, nothing early"
        : `${failed.length} seeds FAILED: ${failed.join(", ")}`
    ]
  }
}
