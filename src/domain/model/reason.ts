import { Schema } from "effect"

/**
 * The states that a reason code explains. `slice SCHEDULED` is a slice that went back into the queue without having been
 * placed; `slice not cancelled` is one whose order is open at the broker, and should not be.
 */
export type ReasonSubject =
  | "order PENDING"
  | "order FAILED"
  | "order SKIPPED"
  | "order DONE"
  | "order on hold"
  | "slice FAILED"
  | "slice SKIPPED"
  | "slice SCHEDULED"
  | "slice in doubt"
  | "slice PROCESSED"
  | "slice not cancelled"

interface Meaning {
  readonly of: ReadonlyArray<ReasonSubject>
  /** The cause, and the remedy where a person has to act. */
  readonly meaning: string
}

/**
 * The reasons for the state of an order or a slice, for programs. A code keeps its meaning, new codes may be added, and the
 * prose beside a code may change in any release. The table of `doc/guides/reasons.md` is generated from this one.
 */
export const reasonMeanings = {
  invalid_order: {
    of: ["order FAILED"],
    meaning:
      "A column of the order is missing, malformed or out of range, or its segment does not take the product, validity or " +
      "type. Submit a correct order under another key."
  },
  not_pending: {
    of: ["order FAILED", "order DONE"],
    meaning:
      "Another program has inserted the order as IN_PROGRESS or DONE, and nothing is done for it. Only an order that is " +
      "inserted as PENDING is split."
  },
  instrument_unknown: { of: ["order FAILED"], meaning: "The broker's instrument list does not have the instrument." },
  instrument_expired: {
    of: ["order FAILED"],
    meaning: "The instrument has expired, or expires before the order's window is over."
  },
  plan_infeasible: {
    of: ["order FAILED"],
    meaning:
      "No schedule fits: whole lots, one lot for each slice, the largest slice (`LIMIT_SLICE_QUANTITY` too) or the least gap rule it out."
  },
  pre_trade_limit: {
    of: ["order FAILED", "slice FAILED"],
    meaning: "A pre-trade limit (`LIMIT_…`) forbids the order, or one of its slices, however the market moves."
  },
  price_collar: {
    of: ["order FAILED"],
    meaning: "The limit price is farther from the last price than `LIMIT_PRICE_COLLAR_PERCENT` allows."
  },
  day_limit: {
    of: ["order FAILED"],
    meaning: "With this order the day would exceed `LIMIT_ORDERS_PER_DAY` or `LIMIT_VALUE_PER_DAY`."
  },
  broker_rate: {
    of: ["order FAILED"],
    meaning: "The plan needs more requests a second, a minute or a day than the broker account may send."
  },
  market_closed: {
    of: ["order FAILED", "slice SKIPPED", "slice SCHEDULED"],
    meaning:
      "The order's window does not fit into the trading session; or a slice met a closed market, and waits for the next " +
      "session within its order's window (SCHEDULED) or is given up because there is none (SKIPPED)."
  },
  hours_unknown: {
    of: ["order FAILED"],
    meaning: "No trading hours are known for the instrument's exchange."
  },
  calendar_ends: {
    of: ["order FAILED"],
    meaning: "The window reaches beyond the last day of the trading calendar. Extend it with `TRADING_CALENDAR_FILE`."
  },
  split_timed_out: {
    of: ["order PENDING"],
    meaning: "An attempt to split the order did not end within `ORDER_SPLIT_TIMEOUT_MINUTES`. Another one follows."
  },
  split_attempts_exhausted: {
    of: ["order FAILED"],
    meaning: "No attempt to split the order came to an end. See the splitter's log, then submit under another key."
  },
  internal_error: {
    of: ["order FAILED"],
    meaning:
      "The order could not be planned, or the database refused its rows. See the log; this is worth a bug report."
  },
  already_split: {
    of: ["order DONE"],
    meaning: "The order was set back to PENDING after its split. It is not split a second time."
  },
  order_cancelled: { of: ["order SKIPPED", "slice SKIPPED"], meaning: "A person cancelled the order." },
  window_over: {
    of: ["order SKIPPED", "slice SKIPPED"],
    meaning: "The order's window and its grace, or the lateness that the order allows, were over."
  },
  no_room: {
    of: ["order DONE", "slice SKIPPED"],
    meaning: "What is left of the window has no room for the quantity at the pace that the plan allows."
  },
  unfilled: {
    of: ["order DONE"],
    meaning:
      "The order is finished and not filled; its slices say why. In notifications, where the order has no other code."
  },
  not_whole_lots: {
    of: ["order DONE"],
    meaning: "The unfilled rest is not in whole lots, so nothing can be sent for it."
  },
  completion_impossible: {
    of: ["order DONE"],
    meaning: "The unfilled rest was to be completed at the market, and that was refused or could not be planned."
  },
  paused_by_operator: {
    of: ["order on hold"],
    meaning: "A person paused the order. `order resume` lets it go on."
  },
  refused_repeatedly: {
    of: ["order on hold"],
    meaning:
      "The broker refused three slices of the order in a row, with the same words. Mend the cause, then resume or cancel it."
  },
  orphaned_orders: {
    of: ["order on hold"],
    meaning:
      "The broker had orders for slices of this plan before the plan was written: the database had lost an earlier writing of it. " +
      "The slices take them over. See whether that is as it should be (`order show`, `settle`), then resume."
  },
  double_placement: {
    of: ["order on hold"],
    meaning:
      "The broker has more orders for a slice than there should be. Cancel by hand what is too much, then resume."
  },
  broker_differs: {
    of: ["order on hold"],
    meaning:
      "The broker's order list says of a slice what this service did not do, or what contradicts what it knew: the prose says what. " +
      "Settle it at the broker, then resume or cancel."
  },
  replan_impossible: {
    of: ["order on hold"],
    meaning:
      "The order needs a new plan and none is possible. Amend or cancel it, or resume it after mending the cause."
  },
  broker_refused: {
    of: ["slice FAILED"],
    meaning: "The broker refused the slice's order for good; its own code and words stand in the prose."
  },
  attempts_exhausted: {
    of: ["slice FAILED"],
    meaning: "`SLICE_MAX_ATTEMPTS` placements had no known outcome, and the broker has an order for none of them."
  },
  market_limit: {
    of: ["slice SCHEDULED"],
    meaning: "The last price or the traded volume does not allow the slice at the moment. It is tried again later."
  },
  claim_too_short: {
    of: ["slice SCHEDULED"],
    meaning: "The claim would have ended before a call of the broker could. The slice is claimed anew."
  },
  clock_unsure: {
    of: ["slice SCHEDULED"],
    meaning:
      "The time was in doubt: the host's or the database's clock jumped, or the database could not be asked for it. Claimed anew."
  },
  executor_stopped: {
    of: ["slice SCHEDULED"],
    meaning: "The daemon was told to stop, and gave the slice back before its due time."
  },
  gate_closed: {
    of: ["slice SCHEDULED"],
    meaning:
      "The daemon places nothing for now: halted, no valid credentials, a limit of the day, the circuit, a jump of the " +
      "database's clock, or it stops. `workers` shows why."
  },
  order_stopped: {
    of: ["slice SCHEDULED"],
    meaning: "The order was cancelled or put on hold after the slice was claimed and before the call was made."
  },
  circuit_open: {
    of: ["slice SCHEDULED"],
    meaning:
      "The broker gave no clear answers, to any order or to this one alone, so the circuit breaker leaves it alone for a while."
  },
  deadline_passed: {
    of: ["slice SCHEDULED"],
    meaning: "The request had not left by the slice's deadline, and was not sent."
  },
  rate_limit: {
    of: ["slice SCHEDULED"],
    meaning: "The account's budget of requests for the moment is used up. The slice waits for its turn."
  },
  daily_request_limit: {
    of: ["slice SCHEDULED", "slice SKIPPED", "slice not cancelled"],
    meaning:
      "The account's requests of the day are used up; `ZERODHA_DAILY_LIMIT_POLICY` says whether the slice waits. Open orders " +
      "can only be cancelled at the broker."
  },
  cancel_refused: {
    of: ["slice not cancelled"],
    meaning:
      "The broker refused to cancel the slice's open order; its own code and words stand in the prose. It is tried again after " +
      "pauses that grow to ten minutes. Cancel it at the broker if it must not wait."
  },
  dry_run: { of: ["slice SKIPPED"], meaning: "`DRY_RUN` is set: all was done but the sending." },
  credentials_invalid: {
    of: ["slice SCHEDULED", "slice not cancelled"],
    meaning:
      "The broker takes no orders with this token, from this address, or with these rights. Log in again, or have the address " +
      "listed; until then open orders can only be cancelled at the broker."
  },
  broker_try_later: {
    of: ["slice SCHEDULED", "slice not cancelled"],
    meaning:
      "The broker certainly did not take the request, and may take it later: too fast, not reachable, or not at this time of the day."
  },
  not_placed: {
    of: ["slice SCHEDULED"],
    meaning: "The outcome was unknown, and the broker's order list proves that there is no order. It is placed again."
  },
  retried_by_operator: {
    of: ["slice SCHEDULED", "slice in doubt"],
    meaning:
      "A person had the slice sent again (`slice retry`). One that may be at the broker is in doubt, and reconciled first."
  },
  outcome_unknown: {
    of: ["slice in doubt", "slice not cancelled"],
    meaning:
      "The broker may or may not have the order. It is reconciled with the broker's order list before anything else."
  },
  call_interrupted: {
    of: ["slice in doubt", "slice not cancelled"],
    meaning: "The call of the broker did not end in order, and may have had an effect. It is reconciled first."
  },
  claim_lapsed: {
    of: ["slice in doubt"],
    meaning:
      "The claim ended without an outcome: the daemon died or hangs. Derived when the slice is shown, never stored; it is " +
      "reconciled first."
  },
  replaced_by_plan: {
    of: ["slice SKIPPED"],
    meaning: "A newer plan of the order has taken over the slice's quantity."
  },
  skipped_by_operator: { of: ["slice SKIPPED"], meaning: "A person skipped the slice (`slice skip`)." },
  late_arrival: {
    of: ["slice PROCESSED"],
    meaning: "The broker's order list showed an order for the slice after it had been given up. The slice took it over."
  },
  forgotten_by_database: {
    of: ["slice PROCESSED"],
    meaning:
      "The database had lost that the slice was placed (a fail-over, a restored backup). The broker has an order for it, and the " +
      "slice took it over."
  },
  left_order_list: {
    of: ["slice PROCESSED"],
    meaning:
      "The broker's order list ceased to show the slice's open order. Derived when the slice is shown, never stored; a " +
      "person gives its outcome with `slice placed`."
  },
  repaired_from_order_list: {
    of: ["slice PROCESSED"],
    meaning: "`settle --repair` made the slice what the broker's order list says."
  },
  found_by_operator: {
    of: ["slice PROCESSED"],
    meaning: "A person said which broker order is the slice's (`slice placed`)."
  }
} satisfies Readonly<Record<string, Meaning>>

export type ReasonCode = keyof typeof reasonMeanings

/** All codes, in the order of the table. */
export const reasonCodes: ReadonlyArray<ReasonCode> = Object.keys(reasonMeanings).filter(
  (code): code is ReasonCode => code in reasonMeanings
)

/** A stored code, which is not validated, because another version may have written it. */
export const StoredReasonCode = Schema.NullOr(Schema.String)

/** A reason: the code for programs, and the words for people. */
export interface Reason {
  readonly code: ReasonCode
  readonly text: string
}

export const because = (code: ReasonCode, text: string): Reason => ({ code, text })
