import { instancesOf, isLive, type Judged, type SignOfLife } from "../domain/operations/workerHealth.ts"
import { counted } from "../domain/text/plural.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** A worker's heartbeat, and what keeps it from its work; null for nothing. */
export interface WorkerFacts extends SignOfLife {
  readonly worker: string
  readonly version: string
  readonly hold: string | null
}

/** Live, stale and missing daemons, and whether all live ones run this version. */
export const workerCheck = (workers: ReadonlyArray<Judged<WorkerFacts>>, version: string): Check => {
  const name = "daemons"
  if (workers.length === 0) return problem(name, "none runs: nothing is split, placed or followed", pulse(""))
  const all = instancesOf(workers)
  const live = all.filter(isLive)
  const stale = all
    .filter((instance) => !isLive(instance))
    .map((instance) => {
      const names = instance.flatMap(({ worker, isStale }) => (isStale ? [worker] : []))
      return `${instance[0]?.instanceId ?? "?"} (${names.join(", ")})`
    })
  if (live.length === 0) {
    return problem(name, `stale: ${stale.join(", ")}; no other runs`, `See its log, and start one: ${pulse("")}`)
  }
  const found = `${counted(live.length, "daemon")} of version ${versionsOf(live).join(", ")}`
  if (stale.length > 0) {
    return warning(
      name,
      `${found}; stale: ${stale.join(", ")}`,
      `Killed or stuck? Start it anew if it is missed: ${pulse("workers")}`
    )
  }
  return versionsOf(live).some((other) => other !== version)
    ? warning(name, `${found}; this is version ${version}`, "Bring them all to one version")
    : ok(name, found)
}

const versionsOf = (instances: ReadonlyArray<ReadonlyArray<WorkerFacts>>): ReadonlyArray<string> => [
  ...new Set(instances.flat().map(({ version }) => version))
]
