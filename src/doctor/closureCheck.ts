import type { Judged } from "../domain/operations/workerHealth.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"
import type { WorkerFacts } from "./workerCheck.ts"

/**
 * The closures of the placement gates of live daemons, and the reasons why other workers are blocked. A halt has a check of
 * its own: its words are left out here, null when there is none.
 */
export const closureCheck = (workers: ReadonlyArray<Judged<WorkerFacts>>, halt: string | null): Check => {
  const name = "holds"
  const live = workers.filter(({ isStale }) => !isStale)
  const closuresOf = (isMeant: (worker: WorkerFacts) => boolean) => [
    ...new Set(live.flatMap((worker) => (worker.hold !== null && isMeant(worker) ? [worker.hold] : [])))
  ]
  const placing = closuresOf(({ worker, hold }) => worker === "executor" && hold !== halt)
  const others = closuresOf(({ worker }) => worker !== "executor")
  if (placing.length > 0)
    return problem(
      name,
      `nothing is placed: ${placing.join("; ")}`,
      `Mend that; ${pulse("workers")} shows whom it holds`
    )
  return others.length > 0
    ? warning(name, others.join("; "), `See the log, and the broker's own pages; ${pulse("workers")}`)
    : ok(name, "no daemon is on hold" + (halt === null ? "" : " but by the halt"))
}
