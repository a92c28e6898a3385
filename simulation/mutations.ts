import type { Edit } from "./mutatedCode.ts"

/** The removal of one guard from the code. The simulation must fail without it, or it does not test the guard. */
export interface Mutation {
  readonly name: string
  readonly edits: ReadonlyArray<Edit>
  /** Arguments of the simulation that select the seeds in which the guard is needed. */
  readonly needs?: ReadonlyArray<string>
}

const decisions = "src/domain/lifecycle/placement.ts"
const reconciliation = "src/domain/lifecycle/reconciliation.ts"
const settlement = "src/domain/lifecycle/settlement.ts"
const memorySlices = "simulation/store/memorySlices.ts"
const memoryOrders = "simulation/store/memoryOrders.ts"
const memoryPlans = "simulation/store/memoryPlans.ts"
const writeOutcomes = "src/stores/slices/writeOutcomes.ts"
const sliceStore = "src/stores/slices/SliceStore.ts"
const serverHistory = "src/domain/operations/serverHistory.ts"
const claimDue = "src/stores/slices/claimDue.ts"

const mutation = (
  name: string,
  ...edits: ReadonlyArray<readonly [file: string, text: string, becomes: string]>
): Mutation => ({
  name,
  edits: edits.map(([file, text, becomes]) => ({ file, text, becomes }))
})

/** A guard against a database that forgets: only seeds in which it does are of use. */
const ofForgetting = (...given: Parameters<typeof mutation>): Mutation => ({
  ...mutation(...given),
  needs: ["--fail-over"]
})

/** One mutation for each guard of the promise. A guard in a statement is removed from the stores in memory and in SQL. */
export const mutations: ReadonlyArray<Mutation> = [
  mutation(
    "fence: a stale owner's outcome is written",
    [memorySlices, "if (slice.claimVersion !== transition.slice.claimVersion) continue", ""],
    [writeOutcomes, " AND q.version = i.version AND q.claim + 0 <> 0", " AND q.claim + 0 <> 0"]
  ),
  mutation(
    "conditional transition: an outcome is written whatever the stage",
    [memorySlices, 'if (slice.stage !== "IN_PROGRESS") continue', ""],
    [writeOutcomes, " AND q.version = i.version AND q.claim + 0 <> 0", " AND q.version = i.version"]
  ),
  mutation(
    "claim: what is IN_PROGRESS is claimed again when its lease is over",
    [
      memorySlices,
      'slice.stage === "SCHEDULED" &&\n            slice.notBefore',
      '(slice.stage === "SCHEDULED" || (slice.stage === "IN_PROGRESS" && (slice.leaseExpiresAt ?? 0) < nowMillis)) &&\n            slice.notBefore'
    ],
    [
      claimDue,
      "WHERE NOT is_held AND claim = 0 AND due_at",
      "WHERE NOT is_held AND (claim = 0 OR EXISTS (SELECT FROM slice_claims c WHERE c.id = claim AND c.lease_expires_at < ${instant(options.now)})) AND due_at"
    ]
  ),
  mutation("reconcile before retry: an unknown outcome is tried again", [
    decisions,
    'return { _tag: "Unknown", code: "outcome_unknown", reason: `${error.code}: ${error.message}` }',
    'return { _tag: "Rescheduled", code: "broker_try_later", reason: `${error.code}: ${error.message}`, notBefore: null }'
  ]),
  mutation("reconcile before retry: an interrupted call counts as not made", [
    decisions,
    '_tag: "Unknown",\n      code: "call_interrupted",',
    '_tag: "Rescheduled",\n      code: "not_placed",\n      notBefore: null,'
  ]),
  mutation("quarantine: not in the order list means not placed, at once", [
    reconciliation,
    "const isEarly = askedMillis < slice.lastSentMillis + Duration.toMillis(limits.quarantine)",
    "const isEarly = false"
  ]),
  mutation(
    "quarantine: counted to the order list's answer, not to the question",
    [
      "src/workers/monitor/lookUpOrders.ts",
      "askedMillis: DateTime.toEpochMillis(askedAt),\n      // Taken at the answer",
      "askedMillis: DateTime.toEpochMillis(at),\n      // Taken at the answer"
    ],
    [reconciliation, "Math.min(lookUp.askedMillis, slice.readMillis)", "lookUp.askedMillis"]
  ),
  mutation("settlement: a cancel by somebody else is not told of", [
    settlement,
    'if (status !== "CANCELLED" || isOurs || filledQuantity >= quantity) return null',
    "return null"
  ]),
  mutation("settlement: a changed quantity is not told of", [
    settlement,
    "if (order.quantity === null || order.quantity === quantity || !isPlacement(order)) return null",
    "return null"
  ]),
  mutation("settlement: a fill after the carry is not told of", [
    settlement,
    "if (carriedQuantity > 0 && filled > filledQuantity)",
    "if (carriedQuantity > quantity)"
  ]),
  mutation("settlement: a row that contradicts itself is believed", [
    "src/domain/model/BrokerOrder.ts",
    "if (contradiction === null) return order",
    "if (contradiction !== undefined) return order"
  ]),
  mutation("settlement: an old list repairs a final slice", [
    "src/workers/monitor/settleOrderList.ts",
    'return kind !== "behind" && !isInState',
    "return !isInState"
  ]),
  mutation(
    "settlement: after the states are written",
    [
      "src/workers/monitor/followBroker.ts",
      "    const { told, unjudged } = yield* settle(unresolved, open, orderList)\n",
      "    const { told, unjudged } = { told: new Map(), unjudged: new Set<string>() }\n"
    ],
    [
      "src/workers/monitor/followBroker.ts",
      "    const shown = new Set(states",
      "    yield* settle(unresolved, open, orderList)\n    const shown = new Set(states"
    ]
  ),
  mutation(
    "lease margin: a placement may begin at the end of its lease",
    [decisions, "slice.leaseExpiresMillis - Duration.toMillis(limits.brokerTimeout),", "Infinity,"],
    [decisions, "nowMillis + Duration.toMillis(limits.brokerTimeout) >= slice.leaseExpiresMillis", "nowMillis < 0"]
  ),
  mutation("deadline: not asked right before sending", [
    "src/broker/deadline.ts",
    "if (latestMillis <= DateTime.toEpochMillis(deadline)) return now",
    "if (latestMillis > 0) return now"
  ]),
  mutation("deadline: the time of a suspension is not counted", [
    "src/clock/TimeBounds.ts",
    "larger(passed, passedByWallClock + wallTickNanos)",
    "passed"
  ]),
  mutation(
    "clock: a suspended host's answer counts as quick",
    ["src/clock/askDatabase.ts", "if (haveParted(before, after)) return { answered, told: null }", ""],
    [
      "src/clock/TimeBounds.ts",
      "latestNanos: databaseNanos + longestBetween(before, after)",
      "latestNanos: databaseNanos + after.monotonicNanos - before.monotonicNanos"
    ]
  ),
  mutation("clock: bounds are carried on as if two clocks differed by 50 ppm at most", [
    "src/clock/TimeBounds.ts",
    "maxRateDifferencePerMillion = 1_100n",
    "maxRateDifferencePerMillion = 50n"
  ]),
  mutation("clock: bounds are carried on at the full rate", [
    "src/clock/TimeBounds.ts",
    "maxRateDifferencePerMillion = 1_100n",
    "maxRateDifferencePerMillion = 0n"
  ]),
  mutation("clock: a slow answer ends the doubt about a jump of the database's clock", [
    "src/clock/TimeBounds.ts",
    "return isSure && isQuick ? { trusted: answer, doubted: null }",
    "return isSure ? { trusted: correct(trusted, answer), doubted: null }"
  ]),
  mutation("clock: an answer counts as old only by half its round trip", [
    "src/clock/TimeBounds.ts",
    "  earliestNanos: databaseNanos,\n  latestNanos",
    "  earliestNanos: databaseNanos + (after.monotonicNanos - before.monotonicNanos) / 2n,\n  latestNanos"
  ]),
  mutation("quarantine: counted from before the request left, on a host that was suspended", [
    "src/workers/executor/place.ts",
    "Effect.map(doubtBegins, (at) => outcomeOf(all, at))",
    "Effect.succeed(outcomeOf(all, answered.at))"
  ]),
  mutation("timeout: a placement may take any time", [
    "src/broker/layers/withTimeout.ts",
    "place: (placement) => limited(below.place(placement), unknown),",
    ""
  ]),
  mutation(
    "tag: each attempt has its own",
    [
      "src/workers/executor/place.ts",
      "tag: slice.tag,\n  requestId",
      "tag: Tag.make(`${slice.tag.slice(0, 17)}${slice.attempts}`),\n  requestId"
    ],
    [
      "src/workers/executor/place.ts",
      "import type { ClaimedSlice, NextStage, SliceKey }",
      'import { Tag } from "../../domain/model/Ids.ts"\nimport type { ClaimedSlice, NextStage, SliceKey }'
    ]
  ),
  mutation(
    "due time: not looked at",
    [decisions, 'if (nowMillis < slice.notBeforeMillis) return "too early"', ""],
    ["src/domain/lifecycle/turns.ts", "firstWhere(waiting, (millis) => millis > nowMillis, from)", "waiting.length"]
  ),
  mutation(
    "window: not looked at",
    [decisions, "if (isWindowOver(slice.notAfterMillis, nowMillis)) {", "if (nowMillis < 0) {"],
    [decisions, "return Math.min(\n    slice.notAfterMillis,", "return Math.min("],
    [memorySlices, "!isWindowOver(slice.notAfter, nowMillis) &&", ""],
    [claimDue, "AND NOT ${isWindowOver(sql, options.now)}", ""]
  ),
  mutation(
    "cancel: what comes back is scheduled again",
    [memorySlices, "isBack && order !== undefined && order.cancelRequestedAt !== null", "false"],
    [writeOutcomes, "cancel_requested_at IS NOT NULL AS is_cancelled", "false AS is_cancelled"]
  ),
  mutation(
    "cancel: a split that runs meanwhile is scheduled",
    [memoryPlans, "const isCancelled = order.cancelRequestedAt !== null", "const isCancelled = false"],
    ["src/stores/sql/planRows.ts", "o.cancel_requested_at IS NOT NULL AS is_cancelled", "false AS is_cancelled"]
  ),
  mutation(
    "halt: claims go on",
    [memorySlices, "if (memory.isHalted) return []", ""],
    [claimDue, "AND NOT ${isHalted(sql)}", ""]
  ),
  mutation("halt: acknowledged while calls are under way", [
    "src/workers/executor/followHalts.ts",
    "if (isHalted) yield* gate.untilIdle",
    ""
  ]),
  mutation("halt: placements do not ask for holds", [
    "src/broker/layers/withGate.ts",
    "place: (placement) => gate.unlessClosed(placement.sliceId, below.place(placement))",
    "place: (placement) => Effect.andThen(gate.current, below.place(placement))"
  ]),
  mutation(
    "pause: what is on hold is claimed",
    [memorySlices, "!slice.isHeld &&", ""],
    [claimDue, "WHERE NOT is_held AND claim", "WHERE claim"]
  ),
  mutation(
    "pause: what comes back is not on hold",
    [memorySlices, "isBack && order !== undefined && order.holdReason !== null", "false"],
    [writeOutcomes, "is_held = i.order_id = ANY(p.held)", "is_held = false"]
  ),
  // In the database a final state is in another table than those that are written.
  mutation("broker state: a final one is overwritten", [memorySlices, "if (slice.brokerIsFinal) continue", ""]),
  mutation(
    "broker state: what is filled may become less",
    [memorySlices, "if (state.filledQuantity < slice.filledQuantity) continue", ""],
    [sliceStore, " AND i.filled >= w.filled", ""]
  ),
  mutation(
    "split: a DONE order is written again",
    [
      memoryOrders,
      'order?.orderQueueStatus === "IN_PROGRESS" && order.claimVersion',
      "order !== undefined && order.claimVersion"
    ],
    [
      "src/stores/orders/OrderStore.ts",
      "WHERE o.id = mine.id AND o.order_queue_status ${unindexed(sql)} = 'IN_PROGRESS'\n            AND o.claim_version",
      "WHERE o.id = mine.id\n            AND o.claim_version"
    ]
  ),
  mutation("carry: what is in doubt is carried", [
    "src/domain/planning/replan/RunningOrder.ts",
    'slice.stage === "IN_PROGRESS" || isOpenAtBroker(slice)',
    "isOpenAtBroker(slice)"
  ]),
  mutation("carry: what is open at the broker is carried", [
    "src/domain/planning/replan/RunningOrder.ts",
    '"IN_PROGRESS" || isOpenAtBroker(slice)',
    '"IN_PROGRESS"'
  ]),
  mutation("new plan: replaces what has been claimed", [
    "simulation/store/memoryReplans.ts",
    'if (slice.stage === "SCHEDULED") {\n        skip(slice, because("replaced_by_plan"',
    'if (slice.stage === "SCHEDULED" || slice.stage === "IN_PROGRESS") {\n        skip(slice, because("replaced_by_plan"'
  ]),
  mutation("outcomes: one that could not be written is dropped", [
    "src/workers/executor/OutcomeWriter.ts",
    "Schedule.while(({ input }) => input.isTransient)",
    'Schedule.while(({ input }) => input.isTransient && input.message === "")'
  ]),
  mutation(
    "lost claims: an ended lease is not looked for",
    [
      memorySlices,
      "isInDoubt(slice, millisOf(now))",
      'slice.stage === "IN_PROGRESS" && slice.outcomeUnknownAt !== null'
    ],
    [
      "src/stores/sql/claims.ts",
      "SELECT slice, lease_expires_at FROM ${lapsedSlices(sql, now, limit)} lapsed",
      "SELECT NULL, NULL WHERE false"
    ]
  ),
  ofForgetting(
    "forgetting: slices are claimed on any history",
    [memorySlices, "if (!memory.isHistorySettled) return []", ""],
    [
      memorySlices,
      "if (seen !== null && (seen.timeline !== timeline || seen.logPosition > logPosition)) return []",
      ""
    ],
    ["src/stores/sql/history.ts", "WHERE ${isSettledRow(sql)}", 'WHERE ${sql.literal("true")}']
  ),
  ofForgetting("forgetting: the history is settled without a wait", [
    serverHistory,
    "Duration.max(Duration.sum(Duration.sum(times.lease, times.brokerTimeout), times.quarantine), everyoneHasLooked)",
    "Duration.min(times.lease, Duration.zero)"
  ]),
  ofForgetting("forgetting: the quarantine is not waited for", [
    serverHistory,
    "Duration.max(Duration.sum(Duration.sum(times.lease, times.brokerTimeout), times.quarantine), everyoneHasLooked)",
    "Duration.times(times.brokerTimeout, 1)"
  ]),
  ofForgetting("forgetting: what the broker has is not taken over", [
    serverHistory,
    "else if (slice.brokerOrderId === null) found.forgotten.push({ slice, order })",
    ""
  ]),
  ofForgetting("forgetting: broker orders without a slice are no reason for a halt", [
    "src/workers/monitor/settleHistory.ts",
    '...problem(newOrphans, "broker order", "of ours without any slice"),',
    ""
  ]),
  ofForgetting("forgetting: a halt that is lost is not written again", [
    "src/workers/executor/followHalts.ts",
    "if (isForgotten && obeyed !== null) return yield* writeAgain(obeyed)",
    ""
  ]),
  ofForgetting(
    "forgetting: claims have the versions of lost ones",
    [memorySlices, "Math.max(slice.claimVersion, versionBase) + 1", "slice.claimVersion + 1"],
    [claimDue, "greatest(q.version, history.version_base) + 1", "q.version + 1"]
  ),
  ofForgetting(
    "forgetting: orders get new plans on any history",
    ["src/workers/monitor/followPlaced.ts", "Effect.sync(history.isSettled)", "Effect.succeed(true)"],
    ["simulation/store/memoryReplans.ts", "if (!memory.isHistorySettled) return []", ""],
    [
      "simulation/store/memoryReplans.ts",
      "if (decided.success !== null && !memory.isHistorySettled) return Effect.fail(unsettled)",
      ""
    ]
  ),
  ofForgetting(
    "forgetting: a plan that the broker has slices of begins anew",
    ["simulation/store/memoryPlans.ts", "if (brokerOrderId === undefined) return", "if (nowMillis > 0) return"],
    ["simulation/store/memoryPlans.ts", "memory.orphans.has(tag)", "memory.orphans.has(tag) && tag.length > 20"],
    ["src/stores/sql/planRows.ts", "FROM orphaned_tags t WHERE t.tag = s.tag)", "FROM orphaned_tags t WHERE false)"]
  )
]
