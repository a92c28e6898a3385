import { pointOf } from "./crashPoints.ts"
import { countFault, type Run } from "./Run.ts"
import type { FailOver, Incident, Scenario } from "./Scenario.ts"
import { pauseOf } from "./scenarioIncidents.ts"
import type { SeededChoices } from "./SeededChoices.ts"
import { World } from "./World.ts"

/** In one of five runs the database fails over to a standby, which lags by up to ten seconds. */
const failOverOf = (chance: SeededChoices, calmFromSeconds: number): FailOver | null => {
  if (!chance.hits(0.2)) return null
  const atSeconds = chance.between(2, calmFromSeconds)
  return {
    atSeconds,
    lagSeconds: Math.min(atSeconds, chance.hits(0.2) ? 0 : chance.between(0, 10)),
    outageSeconds: chance.hits(0.5) ? 0 : chance.between(0.1, 5)
  }
}

const stream = "fail-overs"

/** Whether the run of this seed has a fail-over. */
export const failsOver = (seed: number): boolean => failOverOf(new World(`${seed}`, null).chance(stream), 10) !== null

/** The calls of the way back. */
const callsOfSettling: ReadonlyArray<string> = [
  "daemon HistoryStore.mark",
  "executor HaltStore.restore",
  "executor HistoryStore.adopt",
  "monitor HistoryStore.unsettled",
  "monitor Broker.listAll",
  "monitor Broker.findByTag",
  "monitor HistoryStore.tagged",
  "monitor HistoryStore.adopt",
  "executor Broker.place",
  "executor SliceStore.transition"
]

const incidentOf = (chance: SeededChoices): Incident => {
  const call = chance.oneOf(["monitor HistoryStore.settle", ...callsOfSettling])
  const [worker = "", operation = ""] = call.split(" ")
  return {
    point: pointOf(worker, operation, chance.oneOf(["before", "sent", "done"])),
    kind: chance.oneOf(["kill", "freeze"]),
    pauseMillis: pauseOf(chance),
    afterMillis: chance.between(0, 1000),
    countdown: chance.whole(1, 3)
  }
}

/** In half of these runs a halt that outlasts the way back, often one that the standby has not got. One at a time: ending one ends all. */
const withHalt = (
  chance: SeededChoices,
  actions: Scenario["actions"],
  { atSeconds, lagSeconds }: FailOver
): Scenario["actions"] => {
  if (chance.hits(0.5)) return actions
  const seconds = Math.max(0, atSeconds - chance.between(0, lagSeconds))
  const halt = { _tag: "Halt", when: { seconds }, forSeconds: chance.between(30, 90) } as const
  return [...actions.filter(({ _tag }) => _tag !== "Halt"), halt]
}

/**
 * Adds a fail-over to a scenario, with incidents on the way back from it. A process that alone cannot reach the database could not
 * tell it of a halt, so there is none then.
 */
export const withFailOver = (world: World, scenario: Scenario): Scenario => {
  const chance = world.chance(stream)
  const failOver = failOverOf(chance, scenario.calmFromSeconds)
  if (failOver === null) return scenario
  const { atSeconds, outageSeconds } = failOver
  return {
    ...scenario,
    failOver,
    environment: {
      ...scenario.environment,
      AFTER_DATABASE_LOSS: chance.hits(0.15) ? "halt" : "continue"
    },
    actions: withHalt(chance, scenario.actions, failOver),
    incidents: [...scenario.incidents, ...Array.from({ length: chance.whole(0, 2) }, () => incidentOf(chance))],
    outages: [
      ...scenario.outages.filter(({ process }) => process === null),
      { process: null, isAt: (seconds) => seconds >= atSeconds && seconds < atSeconds + outageSeconds }
    ]
  }
}

/** Schedules the fail-over of a run, on a database that can keep a standby. */
export const scheduleFailOver = ({
  run,
  tellOperators
}: {
  readonly run: Run
  readonly tellOperators: () => void
}): void => {
  const { world, database, judge } = run
  const { failOver } = run.scenario
  if (failOver === null || database.standby === null) return
  const { standby } = database
  let promote: ReturnType<typeof standby> | null = null
  world.after((failOver.atSeconds - failOver.lagSeconds) * 1000, () => {
    promote = standby()
  })
  world.after(failOver.atSeconds * 1000, () => {
    if (promote === null) return
    countFault(run, "database fails over and forgets")
    judge.forgot(promote(), [...run.processes.values()])
    tellOperators()
  })
}
