import { CancelRefusals } from "./CancelRefusals.ts"
import { configurationOf } from "./daemon.ts"
import { DaemonProcesses } from "./DaemonProcesses.ts"
import { DatabaseClockStep } from "./DatabaseClockStep.ts"
import { Exchange } from "./Exchange.ts"
import { Judge } from "./Judge.ts"
import { Operators } from "./Operators.ts"
import { RestCheck } from "./RestCheck.ts"
import { countFault, type Counts, type Run } from "./Run.ts"
import type { ScenarioOptions } from "./Scenario.ts"
import { scenarioOf } from "./scenarioOf.ts"
import type { Database } from "./store/Database.ts"
import { World } from "./World.ts"

export interface SimulationResult {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly counts: Counts
  /** The simulated length of the run. */
  readonly seconds: number
  readonly run: Run
}

export interface SimulationOptions extends ScenarioOptions {
  readonly trace: ((line: string) => void) | null
}

/** Runs one seed to its verdict. The same seed on the same code gives the same run. */
export const simulate = async (
  seed: number,
  database: Database,
  options: SimulationOptions
): Promise<SimulationResult> => {
  const world = new World(`${seed}`, options.trace)
  const scenario = scenarioOf(
    world.chance("scenario"),
    world.chance("second thoughts"),
    world.chance("clocks"),
    world.chance("refusal rates"),
    world.nowMillis,
    options
  )
  const exchange = new Exchange(world.chance("exchange"), world.chance("oddities"))
  const judge = new Judge(world, database, exchange)
  const counts: Counts = { faults: new Map(), crashes: new Map(), brokerOrders: 0, statements: 0 }
  const run: Run = {
    world,
    scenario,
    chance: world.chance("run"),
    database,
    exchange,
    cancelRefusals: new CancelRefusals(world.chance("refused cancels")),
    judge,
    counts,
    databaseStep: new DatabaseClockStep(world, scenario.databaseStep),
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

  // The order of these five calls is part of every seed: each event draws its lot when it is scheduled.
  daemons.startAll()
  operators.submitOrders()
  operators.scheduleActions()
  rest.begin()
  scheduleStep(run)
  await world.run(() => rest.isOver || judge.problems.length > 0)
  counts.brokerOrders = exchange.ledger.length
  return { seed, problems: judge.problems, counts, seconds: world.seconds, run }
}

/** Counts the step of the database's clock, and sets the hosts' clocks right after a long one. */
const scheduleStep = (run: Run): void => {
  const { world, scenario } = run
  const step = scenario.databaseStep
  if (step === null) return
  world.after(step.atSeconds * 1000, () =>
    countFault(run, `database's clock set ${step.byMillis > 0 ? "forward" : "back"}`)
  )
  if (step.repairedAtSeconds === null) return
  world.after(step.repairedAtSeconds * 1000, () => {
    world.traced?.(() => "the hosts' clocks are set right")
    for (const process of run.processes.values()) process.setWallClockRight()
  })
}
