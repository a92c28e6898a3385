import { DateTime, Effect, Exit } from "effect"
import { type Configuration, planningRules } from "../src/config/Configuration.ts"
import { unknownInstrument } from "../src/domain/planning/planOrder.ts"
import { type Amendment, amend } from "../src/domain/planning/replan/amend.ts"
import type { Halt } from "../src/stores/operations/HaltStore.ts"
import type { Asked } from "../src/stores/sql/insertActions.ts"
import type { DaemonProcesses } from "./DaemonProcesses.ts"
import { countFault, type Run } from "./Run.ts"
import type { Action } from "./Scenario.ts"

/** How often a command asks whether the daemons have obeyed it. */
const askMillis = 200
const asked: Asked = { by: "operator", reason: "simulation" }

/**
 * Operators and the platform: they submit, amend, cancel and pause orders, halt and stop daemons, and cause incidents. Faults
 * never hit their own statements, because only the daemons are under test. They report to the judge what they were promised.
 */
export class Operators {
  private readonly run: Run
  private readonly config: Configuration["Service"]
  private readonly daemons: DaemonProcesses
  private readonly resumed = new Set<string>()
  private hasForgotten = false

  constructor(run: Run, config: Configuration["Service"], daemons: DaemonProcesses) {
    this.run = run
    this.config = config
    this.daemons = daemons
  }

  submitOrders(): void {
    for (const { insertedAtSeconds, ...order } of this.run.scenario.orders) {
      this.run.world.after(insertedAtSeconds * 1000, () =>
        this.command("insert", this.run.database.insertOrder(order), () => this.run.notify("orders"))
      )
    }
  }

  /** Schedules the actions with a fixed time. */
  scheduleActions(): void {
    for (const action of this.run.scenario.actions) {
      if ("seconds" in action.when) this.run.world.after(action.when.seconds * 1000, () => this.act(action))
    }
  }

  /** The n-th placement begins: schedules the actions that follow it. */
  placementBegins(number: number): void {
    for (const action of this.run.scenario.actions) {
      if ("seconds" in action.when || action.when.placement !== number) continue
      this.run.world.after(action.when.afterMillis, () => this.act(action))
    }
  }

  /** Resumes orders that the service has put on hold, once for each hold. Without a person they would stay on hold. */
  resumeHeld(): void {
    this.resumeHalted()
    for (const order of this.run.database.tables().orders.values()) {
      const hold = `${order.id} since ${order.heldAt}`
      if (order.holdReason === null || this.resumed.has(hold)) continue
      this.resumed.add(hold)
      this.run.world.after(1000, () => this.resume(order.id))
    }
  }

  /** Who halted learns that the halt is gone, and is told of what the service halts by itself. */
  databaseForgot(): void {
    this.hasForgotten = true
  }

  /** Resumes what the service itself has halted, or what is halted because the resume was lost. */
  private resumeHalted(): void {
    const halt = this.run.database.tables().halts.at(-1)
    if (!this.hasForgotten || halt?.isHalted !== true || this.run.judge.promises.isClaimingHalted) return
    const name = `halt ${halt.id}`
    if (this.resumed.has(name)) return
    this.resumed.add(name)
    this.run.world.after(1000, () => this.requestHalt("resume all", false, () => this.run.notify("halts")))
  }

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
        return this.daemons.stop(action.process)
      case "Happen":
        return this.run.processes.get(action.process)?.inflict(action.kind, action.pauseMillis)
    }
  }

  private cancel(orderId: string): void | Promise<void> {
    if (!this.run.database.tables().orders.has(orderId)) return
    const { commands } = this.run.database.stores
    return this.command(`cancel ${orderId}`, commands.requestCancel(orderId, asked, this.now), () => {
      this.run.notify("cancels")
      this.untilUnplaceable(orderId)
    })
  }

  private untilUnplaceable(orderId: string): void {
    if ((this.run.database.tables().orders.get(orderId)?.cancelRequestedAt ?? null) === null) return
    const slices = [...this.run.database.tables().slices.values()].filter((slice) => slice.orderId === orderId)
    const isPlaceable = slices.some(({ stage }) => stage === "SCHEDULED" || stage === "IN_PROGRESS")
    // Claims that the database has forgotten are not over before.
    if (isPlaceable || !this.run.database.tables().isHistorySettled)
      this.run.world.after(askMillis, () => this.untilUnplaceable(orderId))
    else this.run.judge.promises.cancelAcknowledged(orderId)
  }

  /** An amendment that is too late, not possible, or not safe on a database that has forgotten, is refused and changes nothing. */
  private amend(orderId: string, amendment: Amendment): void | Promise<void> {
    const { replans } = this.run.database.stores
    const context = { rules: planningRules(this.config, null), market: unknownInstrument, now: this.now }
    const options = { now: this.now, windowGrace: this.config.orderWindowGrace }
    const change = replans
      .change(orderId, options, (running) => amend(running, amendment, context))
      .pipe(Effect.catchTag(["CannotReplan", "DbError"], () => Effect.succeed(null)))
    return this.command(`amend ${orderId}`, change, (replan) => {
      if (replan === null) return
      countFault(this.run, "operator: an amendment is a new plan")
      this.run.notify("slices")
    })
  }

  private pause(orderId: string, forSeconds: number): void | Promise<void> {
    const { commands } = this.run.database.stores
    return this.command(`pause ${orderId}`, commands.pause(orderId, asked, this.now), (isNew) => {
      this.run.notify("cancels")
      if (isNew) this.untilQuiet(orderId)
      this.run.world.after(forSeconds * 1000, () => this.resume(orderId))
    })
  }

  private untilQuiet(orderId: string): void {
    const { orders, slices, isHistorySettled } = this.run.database.tables()
    if ((orders.get(orderId)?.holdReason ?? null) === null) return
    const isBusy = [...slices.values()].some((slice) => slice.orderId === orderId && slice.stage === "IN_PROGRESS")
    if (isBusy || !isHistorySettled) this.run.world.after(askMillis, () => this.untilQuiet(orderId))
    else this.run.judge.promises.paused(orderId, true)
  }

  private resume(orderId: string): void | Promise<void> {
    const { commands } = this.run.database.stores
    this.run.judge.promises.paused(orderId, false)
    return this.command(`resume ${orderId}`, commands.resume(orderId, asked, this.now), () => this.run.notify("slices"))
  }

  private requestHalt(name: string, isHalted: boolean, then: (halt: Halt) => void): void | Promise<void> {
    const { halts } = this.run.database.stores
    const halt = { isHalted, reason: "simulation", requestedBy: "operator", requestedAt: this.now }
    return this.command(name, halts.request(halt), then)
  }

  private halt(forSeconds: number): void | Promise<void> {
    return this.requestHalt("halt", true, (halt) => {
      this.run.judge.promises.haltRequested(true)
      this.run.notify("halts")
      this.run.world.after(askMillis, () => this.untilHalted(halt, forSeconds))
    })
  }

  private untilHalted(halt: Halt, forSeconds: number): void | Promise<void> {
    const { world, judge, database } = this.run
    if (judge.promises.isHaltLost) return
    const statement = database.stores.halts.waitingFor(halt, this.now)
    return this.command("HaltStore.waitingFor", statement, (waitingFor) => {
      if (waitingFor.length > 0) {
        world.after(askMillis, () => this.untilHalted(halt, forSeconds))
        return
      }
      judge.promises.halted(true)
      world.after(forSeconds * 1000, () => this.endHalt())
    })
  }

  private endHalt(): void | Promise<void> {
    const { promises } = this.run.judge
    promises.halted(false)
    promises.haltRequested(false)
    return this.requestHalt("resume all", false, () => this.run.notify("halts"))
  }
}
