import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { detailsText } from "../../domain/operations/operatorAction.ts"
import { type OperatorAction, OperatorActionStore } from "../../stores/operations/OperatorActionStore.ts"
import { CommandLayer, json, print } from "../shared/environment.ts"
import { limitFlag, maxIdLength, textFlag } from "../shared/flags.ts"
import { getOrder } from "../shared/lookUp.ts"
import { timeText } from "../terminal/moments.ts"
import { table } from "../terminal/table.ts"

export const actionsCommand = Command.make(
  "actions",
  {
    order: textFlag("order", maxIdLength).pipe(Flag.withDescription("Only what was done to this order"), Flag.optional),
    limit: limitFlag,
    json
  },
  Effect.fnUntraced(function* (given) {
    const orderId = Option.getOrNull(given.order)
    const actions = yield* (yield* OperatorActionStore).list(orderId, given.limit)
    // Actions outlive their order, so the order is looked up only when there are none.
    if (orderId !== null && actions.length === 0) yield* getOrder(orderId)
    yield* print(given.json, actions, (actions) =>
      actions.length === 0 ? "Nobody has done anything" : actionTable(actions)
    )
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("List what people did, newest first: who, when, what and why"))

const actionTable = (actions: ReadonlyArray<OperatorAction>): ReadonlyArray<string> =>
  table(
    ["WHEN (UTC)", "WHO", "WHAT", "TO", "WHY", "WHAT CAME OF IT"],
    actions.map(({ at, operator, action, orderId, sliceId, sequenceNumber, reason, details }) => [
      timeText(at),
      operator,
      action,
      orderId === null ? "–" : sliceId === null ? orderId : `${orderId}/${sequenceNumber ?? sliceId}`,
      reason,
      detailsText(details)
    ])
  )
