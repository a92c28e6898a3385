import { configurationOf } from "./daemon.ts"
import { DaemonProcesses } from "./DaemonProcesses.ts"
import { Exchange } from "./Exchange.ts"
import { Judge } from "./Judge.ts"
import { Operators } from "./Operators.ts"
import { RestCheck } from "./RestCheck.ts"
import type { Counts, Run } from "./Run.ts"
import type { ScenarioOptions } from "./Scenario.ts"
import { scenarioOf } from "./scenarioOf.ts"
import type { Database } from "./store/Database.ts"
import { World } from "./World.ts"

export interface SimulationResult {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly counts: Counts
  /** How long the run took in its own time. */
  readonly seconds: number
  readonly run: Run
}

export interface SimulationOptions extends ScenarioOptions {
  readonly trace: ((line: string) => void) | null
}

/** One run, from its seed to the verdict. The seed decides everything. */
export const simulate = async (
  seed: number,
  database: Database,
  options: SimulationOptions
): Promise<SimulationResult> => {
  const world = new World(`${seed}`, options.trace)
  const scenario = scenarioOf(world.chance("scenario"), world.chance("second thoughts"), world.nowMillis, options)
  const exchange = new Exchange(world.chance("exchange"))
  const judge = new Judge(world, database, exchange)
  const counts: Counts = { faults: new Map(), crashes: new Map(), brokerOrders: 0, statements: 0 }
  const run: Run = {
    world,
    scenario,
    chance: world.chance("run"),
    database,
    exchange,
    judge,
    counts,
    processes: new Map(),
    incidents: new Map(scenario.incidents.map((incident) => [incident.point, incident])),
    notify: (topic) => daemons.notify(topic),
    placing: (number) => operators.placementBegins(number),
    restart: (process) => daemons.restart(process)
  }
  const config = configurationOf(scenario.environment)
  const daemons = new DaemonProcesses(run, config)
  const operators = new Operators(run, config, daemons)
  const rest = new RestCheck(run, () => operators.resumeHeld())

  // The order of these four is part of every seed: events of one moment draw lots in the order in which they are scheduled.
  daemons.startAll()
  operators.submitOrders()
  operators.scheduleActions()
  rest.begin()
  await world.run(() => rest.isOver || judge.problems.length > 0)
  counts.brokerOrders = exchange.ledger.length
  return { seed, problems: judge.problems, counts, seconds: world.seconds, run }
}
