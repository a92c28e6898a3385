import { Cause, DateTime, Duration, Effect, Queue, Schedule, Stream } from "effect"
import { summary } from "../../runtime/logAndContinue.ts"
import { frame, rowKeys, type View } from "./frame.ts"
import { type Input, openScreen } from "./screen.ts"
import type { Snapshot } from "./Snapshot.ts"

/** An input or a refresh that changes the screen. */
export type Event =
  | Input
  | { readonly _tag: "Refreshed"; readonly snapshot: Snapshot }
  | { readonly _tag: "Failed"; readonly message: string }
  /** Redraws the countdowns. */
  | { readonly _tag: "Ticked" }

export interface State extends View {
  readonly columns: number
  readonly rows: number
  readonly isOver: boolean
}

/** The state after an event. */
export const next = (state: State, event: Event, now: DateTime.Utc): State => {
  switch (event._tag) {
    case "Refreshed":
      return { ...state, snapshot: event.snapshot, failure: null }
    case "Failed":
      return { ...state, failure: event.message }
    case "Resized":
      return { ...state, columns: event.columns, rows: event.rows }
    case "Ended":
      return { ...state, isOver: true }
    case "Key":
      return pressed(state, event.name, now)
    case "Ticked":
      return state
  }
}

const pressed = (state: State, key: string, now: DateTime.Utc): State => {
  const select = (selected: string | null | undefined): State => ({ ...state, selected: selected ?? null })
  const keys = rowKeys(state.snapshot, now)
  const index = state.selected === null ? -1 : keys.indexOf(state.selected)
  switch (key) {
    case "q":
      return { ...state, isOver: true }
    case "escape":
      return select(null)
    case "down":
    case "j":
      return select(keys[Math.min(index + 1, keys.length - 1)])
    case "up":
    case "k":
      return select(keys[index === -1 ? keys.length - 1 : Math.max(index - 1, 0)])
    case "home":
      return select(keys[0])
    case "end":
      return select(keys.at(-1))
    default:
      return state
  }
}

/** Countdowns are redrawn this often, between two refreshes as well. */
const tick = "500 millis"
/** A refresh that takes longer than this is reported on the screen. */
const slowMillis = 3000

/**
 * The live screen of `top`: runs `take` every `interval` and draws each snapshot, until the user quits. Keys,
 * resizes, refreshes and ticks go through one queue; {@link next} turns each into the next state, and frame.ts draws
 * the state. The first snapshot must succeed. Later failures are shown on the screen with the last snapshot, and it
 * is tried again. Reads only: keys select rows and never change anything.
 */
export const showLive = Effect.fnUntraced(function* <E, R>(
  take: Effect.Effect<Snapshot, E, R>,
  options: { readonly interval: Duration.Duration; readonly hasColour: boolean }
) {
  const first = yield* take
  const events = yield* Queue.unbounded<Event>()
  const refresh = take.pipe(
    Effect.map((snapshot): Event => ({ _tag: "Refreshed", snapshot })),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.succeed<Event>({ _tag: "Failed", message: summary(cause) })
    ),
    Effect.flatMap((event) => Queue.offer(events, event))
  )
  yield* Effect.forkScoped(Effect.repeat(refresh, Schedule.spaced(options.interval)))
  yield* Effect.forkScoped(Effect.repeat(Queue.offer(events, { _tag: "Ticked" }), Schedule.spaced(tick)))
  // The screen has a scope of its own: the terminal is restored before the refresh, which may hang, is interrupted.
  const oldAfterMillis = Duration.toMillis(options.interval) + slowMillis
  yield* Effect.scoped(
    follow({ snapshot: first, failure: null, selected: null, oldAfterMillis }, events, options.hasColour)
  )
})

const follow = Effect.fnUntraced(function* (first: View, events: Queue.Queue<Event>, hasColour: boolean) {
  const screen = yield* openScreen(hasColour)
  yield* Effect.forkScoped(Stream.runForEach(screen.inputs, (input) => Queue.offer(events, input)))
  let state: State = { ...first, columns: 80, rows: 24, isOver: false }
  while (!state.isOver) {
    // Events that have gathered are drawn once, so that a key held down does not fall behind.
    const gathered = yield* Queue.takeAll(events)
    const now = yield* DateTime.now
    for (const event of gathered) state = next(state, event, now)
    yield* screen.draw(frame(state, { columns: state.columns, rows: state.rows }, now))
  }
})
