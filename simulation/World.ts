import { type SeededRandom, seededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"
import { type SeededChoices, seededChoices } from "./SeededChoices.ts"

/** A scheduled event that can still be cancelled. */
export interface Timer {
  readonly cancel: () => void
}

interface ScheduledEvent {
  readonly atMicros: number
  /** Orders the events of one microsecond at random, by the seed. */
  readonly lot: number
  readonly number: number
  run: (() => void | Promise<void>) | null
}

/** 1 January 2026, 09:30 in India. */
const startMicros = 1_767_240_000_000_000

const isBefore = (a: ScheduledEvent, b: ScheduledEvent): boolean =>
  a.atMicros !== b.atMicros ? a.atMicros < b.atMicros : a.lot !== b.lot ? a.lot < b.lot : a.number < b.number

/**
 * The discrete-event scheduler of a run: true time, the queue of events, and the seeded random streams. Everything that runs,
 * runs because the next event was taken from this queue, so the seed decides the whole run. Times are whole microseconds
 * since 1970.
 */
export class World {
  readonly startMicros = startMicros
  nowMicros = startMicros
  /** The tasks of fibers within the current event, first come first served. */
  readonly tasks: Array<() => void> = []
  private readonly events: Array<ScheduledEvent> = []
  private readonly lots: SeededRandom
  private readonly seed: string
  private count = 0
  readonly traced: ((line: () => string) => void) | null

  constructor(seed: string, traced: ((line: string) => void) | null) {
    this.seed = seed
    this.lots = seededRandom(`${seed}/lots`)
    this.traced =
      traced === null
        ? null
        : (line) => traced(`${((this.nowMicros - startMicros) / 1e6).toFixed(6).padStart(11)} ${comparable(line())}`)
  }

  /** A random stream of its own for each name, so that one more choice in one stream leaves the others as they were. */
  chance(name: string): SeededChoices {
    return seededChoices(seededRandom(`${this.seed}/${name}`))
  }

  get nowMillis(): number {
    return this.nowMicros / 1000
  }

  /** Seconds since the start of the run. */
  get seconds(): number {
    return (this.nowMicros - startMicros) / 1e6
  }

  after(millis: number, run: () => void | Promise<void>): Timer {
    const atMicros = this.nowMicros + Math.max(0, Math.round(millis * 1000))
    const event: ScheduledEvent = { atMicros, lot: this.lots(), number: this.count++, run }
    this.push(event)
    return {
      cancel: () => {
        event.run = null
      }
    }
  }

  /** Runs events until `isOver` or until none is left. Returns a promise only where PostgreSQL has to be waited for. */
  run(isOver: () => boolean): void | Promise<void> {
    while (!isOver()) {
      const stepped = this.step()
      if (stepped instanceof Promise) return stepped.then((goesOn) => (goesOn ? this.run(isOver) : undefined))
      if (!stepped) return
    }
  }

  /** Runs the next event and all tasks that it causes. False when no event is left. */
  private step(): boolean | Promise<boolean> {
    const event = this.pop()
    if (event === undefined) return false
    if (event.run === null) return true
    this.nowMicros = Math.max(this.nowMicros, event.atMicros)
    const running = event.run()
    if (running === undefined) return this.runTasks()
    return running.then(() => this.runTasks())
  }

  private runTasks(): true {
    for (let index = 0; index < this.tasks.length; index++) this.tasks[index]?.()
    this.tasks.length = 0
    return true
  }

  private push(event: ScheduledEvent): void {
    const { events } = this
    let index = events.length
    events.push(event)
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = events[above]
      if (parent === undefined || !isBefore(event, parent)) break
      events[index] = parent
      index = above
    }
    events[index] = event
  }

  private pop(): ScheduledEvent | undefined {
    const { events } = this
    const top = events[0]
    const last = events.pop()
    if (top === undefined || last === undefined || top === last) return top
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      let child = events[below]
      if (child === undefined) break
      const right = events[below + 1]
      if (right !== undefined && isBefore(right, child)) {
        below += 1
        child = right
      }
      if (!isBefore(child, last)) break
      events[index] = child
      index = below
    }
    events[index] = last
    return top
  }
}

/** Drops from a trace what differs between equal runs: fiber numbers, and stacks. */
const comparable = (line: string): string =>
  line.replaceAll(/fiber \(#\d+\)/g, "fiber").replaceAll(/\n\s+at [^\n]*/g, "")
