import { crashPoints } from "./crashPoints.ts"
import type { DatabaseOutage, Incident, IncidentKind } from "./Scenario.ts"
import type { SeededChoices } from "./SeededChoices.ts"

/** A short pause, or one that outlasts leases. In milliseconds. */
export const pauseOf = (chance: SeededChoices): number =>
  chance.hits(0.5) ? chance.between(50, 3000) : chance.between(3000, 20_000)

/** Suspension or clock setting, not both: a clock set back by the length of a suspension would hide it from the service. */
export const kindsOf = (chance: SeededChoices): readonly [IncidentKind, ...ReadonlyArray<IncidentKind>] => [
  "kill",
  "freeze",
  chance.hits(0.8) ? "suspend" : "set the clock"
]

/** Crash points around a placement, chosen more often than others. */
const pointsOfPlacing: readonly [string, ...ReadonlyArray<string>] = [
  "executor Broker.place before",
  "executor Broker.place sent",
  "executor Broker.place done"
]

export const incidentsOf = (chance: SeededChoices, kinds: ReadonlyArray<IncidentKind>): Array<Incident> =>
  Array.from({ length: chance.hits(0.35) ? 0 : chance.whole(1, 6) }, () => ({
    point: chance.hits(0.15) ? chance.oneOf(pointsOfPlacing) : chance.oneOf(["daemon waits", ...crashPoints]),
    kind: chance.oneOf(["kill", ...kinds]),
    pauseMillis: pauseOf(chance),
    afterMillis: chance.between(0, 1000),
    countdown: chance.whole(1, 4)
  }))

export const outagesOf = (
  chance: SeededChoices,
  processes: ReadonlyArray<string>,
  calmFromSeconds: number
): Array<DatabaseOutage> =>
  Array.from({ length: chance.hits(0.4) ? chance.whole(1, 2) : 0 }, () => {
    const from = chance.between(0, calmFromSeconds)
    const until = Math.min(from + chance.between(0.5, 15), calmFromSeconds)
    return {
      process: chance.hits(0.5) ? null : (processes[chance.whole(0, processes.length - 1)] ?? null),
      isAt: (at) => at >= from && at < until
    }
  })
