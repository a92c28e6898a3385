import { type Clock, Duration, Effect, References, type Scheduler } from "effect"
import { ClockRate } from "./ClockRate.ts"
import { knownPoints, type Phase, pointOf } from "./crashPoints.ts"
import { countFault, type Run } from "./Run.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import type { IncidentKind } from "./Scenario.ts"

type ProcessState = "alive" | "frozen" | "suspended" | "dead"

const incidentWords: Readonly<Record<IncidentKind, string>> = {
  kill: "process killed",
  freeze: "process frozen",
  suspend: "process suspended",
  "set the clock": "host's clock set"
}

/** The name of the worker that is running, from its log annotations; `daemon` outside of all workers. */
export const currentWorker: Effect.Effect<string> = Effect.map(References.CurrentLogAnnotations, (annotations) =>
  String(annotations["worker"] ?? "daemon")
)

/** How far Node's timers are off, as measured: they fire up to 0.6 ms early. */
const earliestMillis = -0.6
const latestMillis = 1.5
/** An answer of the database that took less is quick. */
const quickMicros = 10_000
/** Two clocks part by less than this each microsecond. */
const maxRateDifference = 0.0011

/**
 * The operating system process of one daemon: its event loop, its clocks, and what can happen to it. All fibers of the daemon
 * run through `enter` and the scheduler here. Once the process is dead nothing of it runs again, finalizers included, as after
 * kill -9. A frozen process (SIGSTOP) and a suspended host queue their work; on a suspended host the monotonic clock stops too.
 */
export class Process implements RunningProcess {
  readonly id: string
  private state: ProcessState = "alive"
  /** The daemon was told to stop. Work that it cannot finish within its grace period is left to other daemons. */
  isEnding = false
  /** Work that became due while the process did not run. Timers run before I/O, as in Node's event loop. */
  private timers: Array<() => void> = []
  private incoming: Array<() => void> = []
  private stoppedAtMicros = 0
  private suspendedMicros = 0
  /** How long the host had been suspended when it had the last answer of the database's clock. */
  private sleptAtAnswerMicros = 0
  private monotonicShownMicros = 0
  /** When the database read its clock for the last quick answer, and for the last that shows a step of it. */
  private quicklyReadMicros = 0
  private clockReadMicros = 0
  private wallOffsetMicros: number
  private readonly rate: ClockRate

  readonly run: Run
  readonly name: string
  readonly generation: number

  constructor(run: Run, name: string, generation: number) {
    this.run = run
    this.name = name
    this.generation = generation
    this.id = `${name}${generation}`
    this.wallOffsetMicros = Math.round(run.chance.between(-3e6, 3e6))
    this.rate = new ClockRate(run.world.chance(`clocks of ${this.id}`), run.scenario.slewPpm, run.world.nowMicros)
  }

  get isDead(): boolean {
    return this.state === "dead"
  }

  get isStanding(): boolean {
    return this.state === "frozen" || this.state === "suspended"
  }

  /** Runs a task in this process, or queues it until the process runs again. A dead process drops it. */
  enter(task: () => void): void {
    if (this.state === "alive") task()
    else if (this.state !== "dead") this.incoming.push(task)
  }

  private wake(task: () => void): void {
    if (this.state === "alive") task()
    else if (this.state !== "dead") this.timers.push(task)
  }

  readonly scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: (fiber) => fiber.currentOpCount >= 2048,
    makeDispatcher: () => ({
      scheduleTask: (task) => {
        if (!this.isDead) this.run.world.tasks.push(() => this.enter(task))
      },
      flush: () => {}
    })
  }

  /** For how long the host has been suspended. */
  private get sleptMicros(): number {
    const standing = this.state === "suspended" ? this.run.world.nowMicros - this.stoppedAtMicros : 0
    return this.suspendedMicros + standing
  }

  /**
   * CLOCK_MONOTONIC, which does not count the time in which the host is suspended. It is slewed like the wall clock, and never
   * goes back.
   */
  private get monotonicMicros(): number {
    const shown =
      this.rate.shownAt(this.run.world.nowMicros - this.sleptMicros) + this.run.databaseStep.hostsMovedMicros
    this.monotonicShownMicros = Math.max(this.monotonicShownMicros, shown)
    return this.monotonicShownMicros
  }

  private get wallMicros(): number {
    return this.monotonicMicros + this.sleptMicros + this.wallOffsetMicros
  }

  /** The host's clocks. The wall clock is off by seconds; the service's DatabaseClock corrects it. */
  readonly clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => Math.floor(this.wallMicros / 1000),
    currentTimeMillis: Effect.sync(() => Math.floor(this.wallMicros / 1000)),
    currentTimeNanosUnsafe: () => BigInt(this.wallMicros) * 1000n,
    currentTimeNanos: Effect.sync(() => BigInt(this.wallMicros) * 1000n),
    monotonicTimeNanosUnsafe: () => BigInt(this.monotonicMicros) * 1000n,
    monotonicTimeNanos: Effect.sync(() => BigInt(this.monotonicMicros) * 1000n),
    sleep: (duration) => Effect.flatMap(currentWorker, (worker) => this.sleep(worker, Duration.toMillis(duration)))
  }

  /**
   * An answer of the database's clock, read at a time and asked for at another. A slow one does not show a small step, and none
   * shows a step during itself: by this host's clock it then took longer by the step.
   */
  clockRead(atMicros: number, asked: { readonly atMicros: number; readonly monotonicNanos: bigint }): void {
    const tookMicros = this.run.world.nowMicros - asked.atMicros
    const tookByHostMicros = Number(this.clock.monotonicTimeNanosUnsafe() - asked.monotonicNanos) / 1000
    const isSet = tookByHostMicros - tookMicros > 100
    if (!isSet) this.sleptAtAnswerMicros = this.sleptMicros
    if (isSet) return
    // What was known before is behind by at most the way of a quick answer, and by what two clocks may part in since.
    const behindMicros = quickMicros + (atMicros - this.quicklyReadMicros) * maxRateDifference
    const isQuick = tookMicros < quickMicros
    if (isQuick) this.quicklyReadMicros = Math.max(this.quicklyReadMicros, atMicros)
    if (isQuick || this.run.databaseStep.isShownBy(tookMicros + behindMicros)) {
      this.clockReadMicros = Math.max(this.clockReadMicros, atMicros)
    }
  }

  get mayBeAheadMillis(): number {
    return this.run.databaseStep.mayBeAheadMillis(this.clockReadMicros)
  }

  /**
   * Sets the wall clock to the database's time. On a host that was suspended it waits for the next answer: set back by as much as
   * the suspension took, its clocks would show that neither had happened, which no check of the service could find out.
   */
  setWallClockRight(): void {
    if (this.sleptMicros > this.sleptAtAnswerMicros) {
      this.run.world.after(1000, () => this.setWallClockRight())
      return
    }
    this.wallOffsetMicros = this.run.world.nowMicros - this.monotonicMicros - this.sleptMicros
  }

  private sleep(worker: string, millis: number): Effect.Effect<void> {
    if (millis === Infinity) return Effect.never
    return Effect.callback<void>((resume) => {
      const { chance, world } = this.run
      if (this.isDead) return
      const dueMicros = this.monotonicMicros + Math.round(Math.max(millis, 1) * 1000)
      let timer = { cancel: () => {} }
      const wait = (left: number) => {
        timer = world.after(left, () => {
          this.wake(() => {
            const missing = (dueMicros - this.monotonicMicros) / 1000
            // The monotonic clock stood still while the host was suspended.
            if (missing > 1) wait(missing)
            else resume(Effect.void)
          })
        })
      }
      wait(Math.max(millis, 1) + chance.between(earliestMillis, latestMillis))
      this.reach(worker, "", "waits")
      return Effect.sync(() => timer.cancel())
    })
  }

  /** The process has reached a crash point: an incident that is planned for it is inflicted. */
  reach(worker: string, operation: string, phase: Phase): void {
    if (this.isDead) return
    const point = pointOf(worker, operation, phase)
    if (!knownPoints.has(point)) this.run.judge.reportViolation(`${point} is no known crash point`)
    const incident = this.run.incidents.get(point)
    if (incident === undefined || --incident.countdown !== 0) return
    const { crashes } = this.run.counts
    crashes.set(point, (crashes.get(point) ?? 0) + 1)
    this.run.world.traced?.(() => `${this.id} AT ${point}`)
    const happen = () => this.inflict(incident.kind, incident.pauseMillis)
    // A worker that waits is hit in the middle of its wait, not at the start.
    if (phase === "waits") this.run.world.after(incident.afterMillis, happen)
    else happen()
  }

  inflict(kind: IncidentKind, pauseMillis: number): void {
    if (this.state !== "alive") return
    countFault(this.run, incidentWords[kind])
    this.run.world.traced?.(() => `${this.id} ${kind} ${kind === "kill" ? "" : `${Math.round(pauseMillis)} ms`}`)
    if (kind === "kill") return this.end()
    if (kind === "set the clock") {
      this.wallOffsetMicros += Math.round(this.run.chance.between(-3, 3) * pauseMillis * 1000)
      return
    }
    this.state = kind === "freeze" ? "frozen" : "suspended"
    this.stoppedAtMicros = this.run.world.nowMicros
    this.run.world.after(pauseMillis, () => this.goOn())
  }

  private goOn(): void {
    if (this.isDead) return
    if (this.state === "suspended") this.suspendedMicros += this.run.world.nowMicros - this.stoppedAtMicros
    this.state = "alive"
    this.run.world.traced?.(() => `${this.id} goes on`)
    const waiting = [...this.timers, ...this.incoming]
    this.timers = []
    this.incoming = []
    for (const task of waiting) this.enter(task)
  }

  /** Ends the process; another is started in its place. */
  end(): void {
    if (this.isDead) return
    this.state = "dead"
    this.timers = []
    this.incoming = []
    this.run.restart(this)
  }
}
