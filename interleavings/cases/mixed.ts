import { Effect } from "effect"
import { type SeededChoices, seededChoices } from "../../simulation/SeededChoices.ts"
import type { ClaimedSlice } from "../../src/domain/model/OrderSlice.ts"
import { seededRandom } from "../../src/domain/planning/schedule/SeededRandom.ts"
import { type Actor, actor, type Case } from "../harness/Case.ts"
import type { Services } from "../harness/Session.ts"
import {
  acknowledged,
  amendOrder,
  brokerOrderOf,
  cancel,
  claim,
  daySlices,
  followed,
  followThrough,
  hold,
  inDoubt,
  mayRefuse,
  notPlaced,
  openSlices,
  pause,
  placed,
  prune,
  refused,
  releaseStuck,
  repair,
  resume,
  retry,
  returned,
  skip,
  skipCancelled,
  skipStale,
  takeOver,
  unknown,
  write
} from "./actions.ts"
import {
  actionsRecorded,
  afterWindow,
  claimOrders,
  completeSplits,
  planned,
  sliceStates,
  splitOrder,
  submit,
  unless
} from "./world.ts"

export const mixedName = "anything beside anything"

type Act = Effect.Effect<unknown, unknown, Services>

/** What a seed can do with the world: a name, and the act at a second. `held` are the slices in an executor's hands. */
type Deed = (
  choices: SeededChoices,
  seconds: number,
  held: ReadonlyArray<ClaimedSlice>
) => Effect.Effect<Act, unknown, Services>

const outcomes = [acknowledged, refused, unknown, returned] as const

const anySlice = (choices: SeededChoices, then: (id: ClaimedSlice["id"]) => Act) =>
  Effect.map(sliceStates, (slices) => {
    const slice = slices[choices.whole(0, slices.length - 1)]
    return slice === undefined ? Effect.void : then(slice.id)
  })

const statuses = ["OPEN", "PARTIALLY_FILLED", "CANCELLED", "COMPLETE"] as const

const sayOf = (choices: SeededChoices) => {
  const status = choices.oneOf(statuses)
  return { status, filled: status === "COMPLETE" ? 20 : status === "OPEN" ? 0 : choices.whole(1, 19) }
}

/** The deeds read what they are about before the run, as workers and people do, and act on it in the run. */
const deeds: Readonly<Record<string, Deed>> = {
  claim: (choices, seconds) => Effect.succeed(claim("b", seconds, { limit: choices.whole(1, 5) })),
  outcome: (choices, seconds, held) => {
    const next = choices.oneOf(outcomes)
    return Effect.succeed(write(held, next, seconds, next !== returned))
  },
  reconcile: (choices, seconds) =>
    Effect.map(inDoubt(seconds + 200), (doubted) =>
      write(doubted, choices.oneOf([acknowledged, notPlaced, refused]), seconds + 200, false)
    ),
  lookUp: (choices, seconds) => {
    const { status, filled } = sayOf(choices)
    return Effect.map(openSlices(seconds), (open) => followed(open, status, filled, seconds))
  },
  takeOver: (choices, seconds) =>
    Effect.succeed(takeOver(seconds, choices.oneOf(["OPEN", "CANCELLED"]), choices.whole(0, 1))),
  cancel: (_, seconds) => Effect.succeed(cancel("o1", seconds)),
  pause: (_, seconds) => Effect.succeed(pause("o1", seconds)),
  hold: (_, seconds) => Effect.succeed(hold("o1", seconds)),
  resume: (_, seconds) => Effect.succeed(resume("o1", seconds)),
  amend: (choices, seconds) =>
    Effect.succeed(amendOrder("o1", seconds, { remainingQuantity: choices.oneOf([null, 30, 70]) })),
  follow: (choices, seconds) => Effect.succeed(followThrough("o1", seconds + choices.oneOf([0, 60]))),
  skip: (choices, seconds) => anySlice(choices, (id) => skip(id, seconds + 200)),
  placed: (choices, seconds) => {
    const filled = choices.oneOf([null, 0, 7, 20])
    return anySlice(choices, (id) => placed(id, brokerOrderOf({ id }), filled, seconds + 200))
  },
  retry: (choices, seconds) => anySlice(choices, (id) => retry(id, seconds)),
  settle: (choices, seconds) => {
    const { status, filled } = sayOf(choices)
    return Effect.map(daySlices, (slices) =>
      repair(
        slices.filter(({ brokerOrderId }) => brokerOrderId !== null),
        status,
        filled,
        seconds
      )
    )
  },
  skipStale: () => Effect.succeed(skipStale(afterWindow)),
  skipCancelled: (_, seconds) => Effect.succeed(skipCancelled(seconds)),
  split: (_, seconds) =>
    Effect.succeed(
      Effect.gen(function* () {
        yield* completeSplits(yield* planned(yield* claimOrders("c", seconds), seconds), seconds)
      })
    ),
  releaseStuck: (_, seconds) => Effect.succeed(releaseStuck(seconds + 200)),
  prune: () => Effect.succeed(prune)
}

const names = Object.keys(deeds)
const [anyName = "claim", ...otherNames] = names

const doWhat = (choices: SeededChoices) => choices.oneOf([anyName, ...otherNames])

/** The seed makes a world of one or two orders, in which a few things have happened, and lets two or three more meet. */
export const mixedCase = (seed: number): Case => ({
  name: mixedName,
  prepare: Effect.gen(function* () {
    const choices = seededChoices(seededRandom(`mixed ${seed}`))
    yield* splitOrder("o1", {
      carry_unfilled: choices.hits(0.5),
      carry_rejected: choices.hits(0.5),
      completion: choices.oneOf(["REPORT", "CROSS"]),
      lateness_policy: choices.oneOf(["SEND", "SKIP", "RESPREAD"])
    })
    if (choices.hits(0.3)) yield* submit("o2")
    const held: Array<ClaimedSlice> = []
    let seconds = 0
    for (let count = choices.whole(0, 6); count > 0; count--) {
      seconds += choices.whole(1, 20)
      if (choices.hits(0.5)) held.push(...(yield* claim("a", seconds, { limit: choices.whole(1, 3) })))
      const deed = deeds[doWhat(choices)]
      if (deed !== undefined) yield* Effect.exit(Effect.flatten(deed(choices, seconds, held)))
    }
    seconds += choices.whole(0, 60)
    const acts = yield* Effect.forEach(
      Array.from({ length: choices.whole(2, 3) }, () => doWhat(choices)),
      (name) =>
        Effect.map(deeds[name]?.(choices, seconds, held) ?? Effect.succeed(Effect.void), (act) => ({ name, act }))
    )
    const recorded = yield* countActions
    return () => {
      const actors = acts.map(({ name, act }, index) =>
        actor(`${index + 1} ${name}`, act, { mayFail: mayRefuse, neverWaits: neverWaiting.has(name) })
      )
      return {
        actors,
        problems: Effect.map(countActions, (now) =>
          Object.entries(now).flatMap(([name, count]) => isRecorded(name, count - (recorded[name] ?? 0), actors))
        )
      }
    }
  })
})

const neverWaiting = new Set(["claim", "skipStale", "skipCancelled", "releaseStuck"])

const actions = ["pause", "resume", "skip", "placed", "retry"] as const
const actionOf = (name: string) => `${name === "pause" || name === "resume" ? "order" : "slice"} ${name}`

const countActions = Effect.map(
  Effect.forEach(actions, (name) => Effect.map(actionsRecorded(actionOf(name)), (count) => [name, count] as const)),
  (counts): Readonly<Record<string, number>> => Object.fromEntries(counts)
)

/** Each change that a person was told of is recorded once. */
const isRecorded = (name: string, recorded: number, actors: ReadonlyArray<Actor>) => {
  const told = actors.filter((one) => one.name.endsWith(` ${name}`) && isTold(one.result)).length
  return unless(recorded === told, `${told} times "${name}" was told of, and ${recorded} times recorded`)
}

const isTold = (result: unknown): boolean => result === true || (typeof result === "object" && result !== null)
