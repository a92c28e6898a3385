import { DateTime, Effect, Option, Result, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { cancelText } from "../../domain/lifecycle/cancels.ts"
import { isWaitingForCalendar } from "../../domain/lifecycle/orderState.ts"
import { afterTrading } from "../../domain/market/TradingTime.ts"
import { explainSchedule } from "../../domain/planning/schedule/explain.ts"
import { AlgorithmVersion } from "../../domain/planning/schedule/Schedule.ts"
import { OrderCommands, type SliceView } from "../../stores/orders/OrderCommands.ts"
import { decodePlanInput, PlanStore, type StoredPlan } from "../../stores/orders/PlanStore.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { maxIdLength, textArgument } from "../shared/flags.ts"
import { getOrder } from "../shared/lookUp.ts"
import { type Explanation, explanationText } from "../terminal/renderExplanation.ts"

export const explainCommand = Command.make(
  "explain",
  { orderId: textArgument("ID", maxIdLength).pipe(Argument.withDescription("The order's id")), json },
  Effect.fnUntraced(function* (given) {
    const plans = yield* (yield* PlanStore).plans(given.orderId)
    if (plans.length === 0) {
      const order = yield* getOrder(given.orderId)
      if (isWaitingForCalendar(order)) {
        const message = `Order ${order.orderId} has no plan yet: ${order.statusReason ?? "?"}`
        return yield* new CommandFailed({ message })
      }
      return yield* new CommandFailed({
        message: `No plan is recorded for order ${JSON.stringify(given.orderId)}: it is not split, or it was split before plans were recorded`
      })
    }
    const stored = yield* (yield* OrderCommands).slices(given.orderId, yield* DateTime.now)
    const explained = plans.map((plan) => explain(plan, stored))
    yield* print(given.json, explained, (all) =>
      all.flatMap((plan, index) => [...(index === 0 ? [] : [""]), ...explanationText(plan)])
    )
    const wrong = explained.filter(({ problem }) => problem !== null)
    if (wrong.length > 0) {
      return yield* new CommandFailed({
        message: wrong.map(({ revision, problem }) => `Plan ${revision}: ${problem}`)
      })
    }
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Make an order's plans again from what decided them, and compare with its slices"))

/** Computes a stored plan again and compares it with the slices that are stored. */
export const explain = (plan: StoredPlan, stored: ReadonlyArray<SliceView>): Explanation => {
  const { revision, cause, note, startsAt, endsAt, sessions, createdAt, algorithmVersion: version } = plan
  const base = { revision, cause, note, startsAt, endsAt, sessions, createdAt, algorithmVersion: version }
  const input = decodePlanInput(plan.input)
  if (!isKnownVersion(version) || Option.isNone(input)) {
    const known = AlgorithmVersion.literals.join(" and ")
    const problem = `it was made by version ${version} of the algorithm, and this service knows versions ${known}`
    return { ...base, input: null, slices: [], problem }
  }
  const slices = explainSchedule(input.value, version)
  if (Result.isFailure(slices)) {
    return { ...base, input: input.value, slices: [], problem: `it cannot be made again: ${slices.failure.message}` }
  }
  const bySequence = new Map(stored.map((slice) => [slice.sequenceNumber, slice]))
  const compared = slices.success.map((slice, index) => {
    const sequenceNumber = plan.firstSequence + index
    const dueAt = momentOf(plan, slice.offsetMillis)
    const row = bySequence.get(sequenceNumber)
    const matches = row?.quantity === slice.quantity && isSameMilli(row.scheduledAt, dueAt)
    return {
      sequenceNumber,
      ...slice,
      dueAt,
      slotFromAt: momentOf(plan, slice.slotFromMillis),
      slotToAt: momentOf(plan, slice.slotToMillis),
      matches,
      stage: row?.stage ?? null,
      stageReason: row?.stageReason ?? null,
      cancel: row === undefined ? null : cancelText(row)
    }
  })
  const differing = compared.filter(({ matches }) => !matches).map(({ sequenceNumber }) => sequenceNumber)
  const problem =
    differing.length === 0 ? null : `slices ${differing.join(", ")} are not as planned: somebody changed the rows`
  return { ...base, input: input.value, slices: compared, problem }
}

const isKnownVersion = Schema.is(AlgorithmVersion)

/** The wall clock time of an offset in a plan's schedule. */
const momentOf = ({ startsAt, endsAt, sessions }: StoredPlan, offsetMillis: number): DateTime.Utc => {
  if (sessions === null) return DateTime.addDuration(startsAt, offsetMillis)
  const moment = afterTrading(sessions, DateTime.toEpochMillis(startsAt), offsetMillis)
  return moment === null ? endsAt : DateTime.makeUnsafe(moment)
}

const isSameMilli = (one: DateTime.Utc, other: DateTime.Utc): boolean =>
  Math.abs(DateTime.toEpochMillis(one) - DateTime.toEpochMillis(other)) < 1
