import { Effect } from "effect"

/** A step that an actor is about to make: to send a statement, or to commit. */
export interface Step {
  readonly actor: number
  readonly label: string
}

interface Waiting extends Step {
  readonly go: () => void
}

/**
 * Who of the actors of a run waits at a statement boundary, and who is on the way to the next one. An actor that is on the
 * way either reaches a boundary, ends, or waits for a lock. Called by the connections at each boundary, and by `interleave`.
 */
export class Turns {
  private readonly waiting = new Map<number, Waiting>()
  private readonly onTheWay = new Map<number, string>()
  private listeners: ReadonlyArray<() => void> = []
  private changes = 0

  constructor(actors: number) {
    for (let actor = 0; actor < actors; actor++) this.onTheWay.set(actor, "its first statement")
  }

  /** Waits at a boundary until `go` lets this actor on. */
  reach(actor: number, label: string): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.onTheWay.delete(actor)
      this.waiting.set(actor, { actor, label, go: () => resume(Effect.void) })
      this.changed()
    })
  }

  ended(actor: number): void {
    this.onTheWay.delete(actor)
    this.changed()
  }

  /** The actors at a boundary, in the order of their numbers. */
  get ready(): ReadonlyArray<Step> {
    return [...this.waiting.values()].toSorted((a, b) => a.actor - b.actor)
  }

  /** The actors on the way to a boundary, with the step that each is making. */
  get moving(): ReadonlyArray<Step> {
    return [...this.onTheWay].map(([actor, label]) => ({ actor, label }))
  }

  /** How often an actor has reached a boundary or ended so far. */
  get version(): number {
    return this.changes
  }

  go({ actor, label }: Step): void {
    const waiting = this.waiting.get(actor)
    this.waiting.delete(actor)
    this.onTheWay.set(actor, label)
    waiting?.go()
  }

  /** Returns once there was a change after that version. */
  after(version: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.changes > version) return resume(Effect.void)
      this.listeners = [...this.listeners, () => resume(Effect.void)]
    })
  }

  private changed(): void {
    this.changes++
    const { listeners } = this
    this.listeners = []
    for (const listener of listeners) listener()
  }
}
