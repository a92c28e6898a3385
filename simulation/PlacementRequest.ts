import { Effect } from "effect"
import { type BrokerError, BrokerOutcomeUnknown, BrokerRefused } from "../src/domain/model/BrokerError.ts"
import type { Acknowledgement } from "../src/domain/model/BrokerOrder.ts"
import type { Send } from "./Evidence.ts"
import type { Process } from "./Process.ts"
import { countFault, faultHits } from "./Run.ts"

type PlacementAnswer = Effect.Effect<Acknowledgement, BrokerError>

export const unknown = (code: string) => new BrokerOutcomeUnknown({ code, message: `no clear answer: ${code}` })

const operation = "Broker.place"

/**
 * One placement on its way from the process to the exchange and back. Every fault of a broker call is injected here: the
 * connection is slow, the request is lost or late, the answer is lost, late, wrong or given twice.
 */
export class PlacementRequest {
  private isGivenUp = false
  private hasLeft = false
  private readonly checkedMillis: number
  private readonly timeoutMillis: number
  /** The maximum delay until the order is in the order list. It is shorter than the quarantine, on which the service relies. */
  private readonly latestMillis: number

  private readonly process: Process
  private readonly worker: string
  private readonly send: Send
  private readonly resume: (answer: PlacementAnswer) => void

  constructor(process: Process, worker: string, send: Send, resume: (answer: PlacementAnswer) => void) {
    const { world, scenario } = process.run
    this.process = process
    this.worker = worker
    this.send = send
    this.resume = resume
    this.checkedMillis = world.nowMillis
    this.timeoutMillis = scenario.brokerTimeoutSeconds * 1000
    this.latestMillis = scenario.latestArrivalSeconds * 1000
  }

  private get run() {
    return this.process.run
  }

  private get rates() {
    return this.run.scenario.faults.place
  }

  /** Connects; the request leaves only after that. */
  begin(): void {
    const { chance, world } = this.run
    const isSlow = this.hits("slow connection", this.rates.slowConnect)
    const connectMillis = isSlow ? chance.upTo(this.timeoutMillis * 1.5) : chance.between(0.2, 5)
    world.after(connectMillis, () => this.process.enter(() => this.leave()))
  }

  /** The caller has timed out. A request that has left cannot be called back. */
  giveUp(): void {
    this.isGivenUp = true
    if (!this.hasLeft) this.run.judge.placements.aborted(this.send)
  }

  private leave(): void {
    const { world, chance, judge, scenario } = this.run
    if (this.isGivenUp) return
    // The host was suspended after its last check. No check of the service can prevent such a send, so the simulation drops
    // it, unless a run is to show exactly that.
    if (world.nowMillis - this.checkedMillis > this.timeoutMillis && !scenario.isHoleOpen) {
      countFault(this.run, "placement: held back beyond its deadline")
      judge.placements.aborted(this.send)
      return this.answer(0, unknown("connection lost"))
    }
    this.hasLeft = true
    judge.placements.left(this.send)
    this.process.reach(this.worker, operation, "sent")
    if (this.hits("request lost", this.rates.requestLost)) {
      if (chance.hits(0.5)) this.answer(chance.between(1, this.timeoutMillis), unknown("connection reset"))
      return
    }
    const isLate = this.hits("late arrival", this.rates.arrivalLate)
    const wayMillis = isLate ? chance.upTo(this.latestMillis) : chance.between(0.5, 30)
    const isHidden = this.hits("late in the order list", this.rates.hidden)
    const hiddenMillis = isHidden ? chance.upTo(Math.max(0, this.latestMillis - wayMillis)) : 0
    world.after(wayMillis, () => this.arrive(hiddenMillis))
    if (this.hits("connection reset", this.rates.reset)) this.answer(chance.between(0, 200), unknown("reset"))
  }

  private arrive(hiddenMillis: number): void {
    const { world, chance, judge, exchange } = this.run
    if (this.hits("rejected", this.rates.rejected)) {
      judge.arrivals.refused(this.send)
      this.process.reach(this.worker, operation, "done")
      const refusal = new BrokerRefused({ code: "InputException", message: "not enough funds" })
      return this.answer(chance.between(1, 30), refusal)
    }
    const order = exchange.arrive(this.send.placement, world.seconds, hiddenMillis / 1000)
    judge.arrivals.arrived(this.send, order)
    const statuses = new Set(order.steps.map(({ status }) => status))
    if (statuses.has("REJECTED")) countFault(this.run, "exchange: rejected after its acknowledgement")
    if (statuses.has("PARTIALLY_FILLED")) countFault(this.run, "exchange: filled in parts")
    if (order.oddity !== null) countFault(this.run, `exchange: ${order.oddity.kind}`)
    if (statuses.has("CANCELLED")) countFault(this.run, "exchange: ended unfilled")
    this.process.reach(this.worker, operation, "done")
    this.acknowledge(Effect.succeed({ brokerOrderId: order.brokerOrderId }))
  }

  private acknowledge(acknowledgement: PlacementAnswer): void {
    const { chance } = this.run
    if (this.hits("answer lost", this.rates.answerLost)) return
    if (this.hits("5xx though it arrived", this.rates.serverError)) {
      return this.answer(chance.between(1, 50), unknown("503"))
    }
    if (this.hits("late answer", this.rates.answerLate)) {
      return this.answer(chance.between(this.timeoutMillis * 0.5, this.timeoutMillis * 3), acknowledgement)
    }
    this.answer(chance.between(1, 40), acknowledgement)
    if (this.hits("answer twice", this.rates.answerTwice)) this.answer(chance.between(1, 4000), acknowledgement)
  }

  private answer(afterMillis: number, answer: PlacementAnswer): void {
    this.run.world.after(afterMillis, () => this.process.enter(() => this.resume(answer)))
  }

  private hits(kind: string, rate: number): boolean {
    return faultHits(this.run, `placement: ${kind}`, rate)
  }
}
