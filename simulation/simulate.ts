import { DateTime, Effect, Exit } from "effect"
import { type Configuration, planningRules } from "../src/config/Configuration.ts"
import { unknownMarket } from "../src/domain/planning/planOrder.ts"
import { type Amendment, amend } from "../src/domain/planning/replan/amend.ts"
import type { Asked } from "../src/stores/sql/insertActions.ts"
import { configurationOf, type Daemon, startDaemon } from "./daemon.ts"
import { Exchange } from "./Exchange.ts"
import { Judge } from "./Judge.ts"
import { Process } from "./Process.ts"
import { type Counts, countFault, faultHits, isFaulty, type Run } from "./Run.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import { finalProblems, isOverdue, unfinished } from "./runVerdict.ts"
import { type Action, scenarioOf, type ScenarioOptions } from "./Scenario.ts"
import type { Database } from "./store/Database.ts"
import { World } from "./World.ts"

export interface SimulationResult {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly counts: Counts
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
  const simulation = new Simulation(seed, database, options)
  await simulation.toTheEnd()
  const { run } = simulation
  return { seed, problems: run.judge.problems, counts: run.counts, seconds: run.world.seconds, run }
}

/** How often it is asked whether everything has come to rest. */
const checkMillis = 1000
const restMillis = 2000
/** How often an operator's command asks whether it is obeyed. */
const askMillis = 200
/** The operator of a run. */
const asked: Asked = { by: "operator", reason: "simulation" }

class Simulation {
  readonly run: Run
  private readonly config: Configuration["Service"]
  private readonly daemons = new Map<string, Daemon>()
  private isAtRest = false
  private isOver = false

  constructor(seed: number, database: Database, options: SimulationOptions) {
    const world = new World(`${seed}`, options.trace)
    const scenario = scenarioOf(world.chance("scenario"), world.chance("second thoughts"), world.nowMillis, options)
    const exchange = new Exchange(world.chance("exchange"))
    this.run = {
      world,
      scenario,
      chance: world.chance("run"),
      database,
      exchange,
      judge: new Judge(world, database, exchange),
      counts: { faults: new Map(), crashes: new Map(), brokerOrders: 0, statements: 0 },
      processes: new Map(),
      incidents: new Map(scenario.incidents.map((incident) => [incident.point, incident])),
      notify: (topic) => this.notify(topic),
      placing: (number) => this.placing(number),
      restart: (process) => this.restart(process)
    }
    this.config = configurationOf(scenario.environment)
  }

  async toTheEnd(): Promise<void> {
    const { world, scenario, judge } = this.run
    for (const name of scenario.processes) {
      world.after(this.run.chance.between(0, 2000), () => this.start(name, 1))
    }
    for (const { insertedAtSeconds, ...order } of scenario.orders) {
      world.after(insertedAtSeconds * 1000, () =>
        this.command("insert", this.run.database.insertOrder(order), () => this.notify("orders"))
      )
    }
    for (const action of scenario.actions) {
      if ("seconds" in action.when) world.after(action.when.seconds * 1000, () => this.act(action))
    }
    world.after(checkMillis, () => this.check())
    await world.run(() => this.isOver || judge.problems.length > 0)
    this.run.counts.brokerOrders = this.run.exchange.ledger.length
  }

  private start(name: string, generation: number): void {
    const process = new Process(this.run, name, generation)
    this.run.world.traced?.(() => `${process.id} starts`)
    this.run.processes.set(name, process)
    this.daemons.set(name, startDaemon(process, this.config))
  }

  private restart({ name, generation }: RunningProcess): void {
    this.run.world.after(this.run.chance.between(200, 8000), () => this.start(name, generation + 1))
  }

  private notify(topic: string): void {
    const { world, chance, processes } = this.run
    for (const process of processes.values()) {
      if (faultHits(this.run, "notification lost", this.run.scenario.faults.notificationLost)) continue
      const daemon = this.daemons.get(process.name)
      world.after(chance.between(0.2, 20), () => process.enter(() => daemon?.wake(topic)))
    }
  }

  private placing(number: number): void {
    const { world, scenario } = this.run
    for (const action of scenario.actions) {
      if ("seconds" in action.when || action.when.placement !== number) continue
      world.after(action.when.afterMillis, () => this.act(action))
    }
  }

  private check(): void {
    if (this.isOver) return
    const left = unfinished(this.run)
    if (left.length === 0 && !this.isAtRest) {
      // Nothing may change any more.
      this.isAtRest = true
      this.run.world.after(restMillis, () => this.check())
    } else if (left.length === 0) {
      this.isOver = true
      for (const problem of finalProblems(this.run)) this.run.judge.reportViolation(problem)
    } else if (isOverdue(this.run)) {
      this.run.judge.reportViolation(`not at rest: ${left.slice(0, 5).join("; ")}`)
    } else {
      this.isAtRest = false
      if (!isFaulty(this.run)) this.resumeHeld()
      this.run.world.after(checkMillis, () => this.check())
    }
  }

  /** A statement of an operator's. Nothing goes wrong with it: it is the service that is tested. */
  private command<A, E>(name: string, statement: Effect.Effect<A, E>, then: (answer: A) => void): void | Promise<void> {
    const committed = (exit: Exit.Exit<A, E>) => {
      if (Exit.isFailure(exit)) return this.run.judge.reportViolation(`operator: ${name}: ${String(exit.cause)}`)
      this.run.judge.committed(name)
      then(exit.value)
    }
    this.run.world.traced?.(() => `operator: ${name}`)
    const exit = this.run.database.run(name, statement)
    return exit instanceof Promise ? exit.then(committed) : committed(exit)
  }

  private get now(): DateTime.Utc {
    return DateTime.makeUnsafe(Math.floor(this.run.world.nowMillis))
  }

  private act(action: Action): void | Promise<void> {
    if (action._tag !== "Happen") countFault(this.run, `operator: ${action._tag.toLowerCase()}`)
    switch (action._tag) {
      case "Cancel":
        return this.cancel(action.orderId)
      case "Amend":
        return this.amend(action.orderId, action.amendment)
      case "Pause":
        return this.pause(action.orderId, action.forSeconds)
      case "Halt":
        return this.halt(action.forSeconds)
      case "Stop":
        this.run.world.traced?.(() => `${action.process} is told to stop`)
        return this.daemons.get(action.process)?.stop()
      case "Happen":
        return this.run.processes.get(action.process)?.inflict(action.kind, action.pauseMillis)
    }
  }

  private cancel(orderId: string): void | Promise<void> {
    if (!this.run.database.tables().orders.has(orderId)) return
    const { commands } = this.run.database.stores
    return this.command(`cancel ${orderId}`, commands.requestCancel(orderId, asked, this.now), () => {
      this.notify("cancels")
      this.untilUnplaceable(orderId)
    })
  }

  private untilUnplaceable(orderId: string): void {
    const slices = [...this.run.database.tables().slices.values()].filter((slice) => slice.orderId === orderId)
    const isPlaceable = slices.some(({ stage }) => stage === "SCHEDULED" || stage === "IN_PROGRESS")
    if (isPlaceable) this.run.world.after(askMillis, () => this.untilUnplaceable(orderId))
    else this.run.judge.cancelAcknowledged(orderId)
  }

  /** It may come too late, or ask for what cannot be: then nothing is changed. */
  private amend(orderId: string, amendment: Amendment): void | Promise<void> {
    const { replans } = this.run.database.stores
    const context = { rules: planningRules(this.config, null), market: unknownMarket, now: this.now }
    const options = { now: this.now, windowGrace: this.config.orderWindowGrace }
    const change = replans
      .change(orderId, options, (running) => amend(running, amendment, context))
      .pipe(Effect.catchTag("CannotReplan", () => Effect.succeed(null)))
    return this.command(`amend ${orderId}`, change, (replan) => {
      if (replan === null) return
      countFault(this.run, "operator: an amendment is a new plan")
      this.notify("slices")
    })
  }

  private pause(orderId: string, forSeconds: number): void | Promise<void> {
    const { commands } = this.run.database.stores
    return this.command(`pause ${orderId}`, commands.pause(orderId, asked, this.now), (isNew) => {
      this.notify("cancels")
      if (isNew) this.untilQuiet(orderId)
      this.run.world.after(forSeconds * 1000, () => this.resume(orderId))
    })
  }

  private untilQuiet(orderId: string): void {
    const { orders, slices } = this.run.database.tables()
    if ((orders.get(orderId)?.holdReason ?? null) === null) return
    const isBusy = [...slices.values()].some((slice) => slice.orderId === orderId && slice.stage === "IN_PROGRESS")
    if (isBusy) this.run.world.after(askMillis, () => this.untilQuiet(orderId))
    else this.run.judge.paused(orderId, true)
  }

  private resume(orderId: string): void | Promise<void> {
    const { commands } = this.run.database.stores
    this.run.judge.paused(orderId, false)
    return this.command(`resume ${orderId}`, commands.resume(orderId, asked, this.now), () => this.notify("slices"))
  }

  private readonly resumed = new Set<string>()

  /** An order that the service has put on hold waits for a person. */
  private resumeHeld(): void {
    for (const order of this.run.database.tables().orders.values()) {
      if (order.holdReason === null || this.resumed.has(order.id)) continue
      this.resumed.add(order.id)
      this.run.world.after(1000, () => this.resume(order.id))
    }
  }

  private halt(forSeconds: number): void | Promise<void> {
    const { halts } = this.run.database.stores
    const request = (isHalted: boolean) =>
      halts.request({ isHalted, reason: "simulation", requestedBy: "operator", requestedAt: this.now })
    return this.command("halt", request(true), (halt) => {
      this.run.judge.haltRequested(true)
      this.notify("halts")
      const ask = (): void | Promise<void> =>
        this.command("HaltStore.waitingFor", halts.waitingFor(halt, this.now), (waitingFor) => {
          if (waitingFor.length > 0) {
            this.run.world.after(askMillis, ask)
            return
          }
          this.run.judge.halted(true)
          this.run.world.after(forSeconds * 1000, () => {
            this.run.judge.halted(false)
            this.run.judge.haltRequested(false)
            return this.command("resume all", request(false), () => this.notify("halts"))
          })
        })
      this.run.world.after(askMillis, ask)
    })
  }
}
