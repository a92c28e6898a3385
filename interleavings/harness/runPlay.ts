import { Effect } from "effect"
import type { Play } from "./Case.ts"
import { type Choose, type Interleaving, interleave } from "./interleave.ts"
import { brokenInvariants } from "./judge.ts"
import type { Session } from "./Session.ts"

/** One run, and what does not hold at its end. */
export interface RunResult {
  readonly problems: ReadonlyArray<string>
  readonly trace: ReadonlyArray<string>
}

/** Lets the actors of a play act against each other as `choose` decides, and judges the end. */
export const runPlay = Effect.fnUntraced(function* (session: Session, { actors, problems }: Play, choose: Choose) {
  const acting = actors.map((actor, number) => {
    const connection = session.connections[number]
    if (connection === undefined) throw new Error(`There is no connection for the actor ${actor.name}`)
    return (reach: (label: string) => Effect.Effect<void>) =>
      Effect.suspend(() => {
        connection.reach = reach
        return Effect.provide(actor.run, connection.services)
      })
  })
  const { steps, waits } = yield* interleave(acting, choose, session.lockWaits)
  // What a judge still does through an actor's stores has no turns to wait for.
  for (const connection of session.connections) connection.reach = () => Effect.void
  const nameOf = (number: number) => actors[number]?.name ?? `actor ${number}`
  const found = [
    ...actors.flatMap(({ failure }) => failure ?? []),
    ...(yield* brokenInvariants(session.db)),
    ...(yield* Effect.provide(problems, session.services)),
    ...waits.flatMap(({ actor, label }) =>
      actors[actor]?.neverWaits === true ? [`${nameOf(actor)} waits for a lock in ${label}`] : []
    )
  ]
  const result: RunResult = { problems: found, trace: traceOf({ steps, waits }, nameOf) }
  return result
})

const traceOf = ({ steps, waits }: Interleaving, nameOf: (actor: number) => string): ReadonlyArray<string> =>
  steps.map(({ actor, label }) => {
    const hasWaited = waits.some((wait) => wait.actor === actor && wait.label === label)
    return `${nameOf(actor)}: ${label}${hasWaited ? " (waits for a lock)" : ""}`
  })
