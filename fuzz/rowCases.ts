import type { Case } from "./harness/Case.ts"
import { defaults, type RowInput } from "./rows/RowInput.ts"

const contract = (id: string): RowInput["columns"] => ({
  id,
  instrument: "NSE:INFY",
  side: "BUY",
  total_quantity: 100,
  num_splits: 2,
  duration_minutes: 0,
  randomize: false,
  order_unique_key: `key-${id}`
})

const fromApi = (id: string, columns: Readonly<Record<string, unknown>>): RowInput => ({
  writer: "pulse-api",
  isRefusable: false,
  isPlain: false,
  columns: { ...contract(id), ...columns }
})

const fromStranger = (id: string, columns: Readonly<Record<string, unknown>>): RowInput => ({
  writer: "stranger",
  isRefusable: false,
  isPlain: false,
  columns: { ...contract(id), ...defaults, ...columns }
})

const max = 2_147_483_647

/** Rows that did harm before their kind was mended. */
export const rowCases: ReadonlyArray<Case<RowInput>> = [
  {
    input: fromApi("case-word-10k", { instrument: "A".repeat(10_000) }),
    bug: "every daemon stood still for 0.7 s, in the folding of log lines"
  },
  { input: fromApi("case-word-100k", { instrument: "A".repeat(100_000) }), bug: "every daemon stood still for 54 s" },
  {
    input: fromApi("case-trace-1m", { origin_trace_id: "t".repeat(1_000_000), total_quantity: 1000, num_splits: 1000 }),
    bug: "claims timed out tick after tick, and 127 MB were logged in 40 s"
  },
  {
    input: fromStranger("case-done-nan", {
      order_queue_status: "DONE",
      order_type: "LIMIT",
      limit_price: "NaN",
      split_at: "now"
    }),
    bug: "with a limit of the day every executor tick failed, and good orders became FAILED"
  },
  {
    input: fromStranger("case-done-negative", {
      order_queue_status: "DONE",
      order_type: "LIMIT",
      limit_price: "1500",
      total_quantity: -2_147_483_648,
      split_at: "now"
    }),
    bug: "the limit of the day's value no longer limited"
  },
  { input: fromApi("case-fraction", { total_quantity: 10.5 }), bug: "11 were bought" },
  { input: fromStranger("case-version", { claim_version: max }), bug: "it stayed PENDING for ever, silently" },
  { input: fromStranger("case-attempts", { split_attempts: max }), bug: "it stayed PENDING for ever, silently" },
  {
    input: fromStranger("case-claimed", { order_queue_status: "IN_PROGRESS", claimed_at: "infinity" }),
    bug: "it stayed IN_PROGRESS for ever, silently"
  },
  {
    input: fromStranger("case-claimed-by", { order_queue_status: "IN_PROGRESS", claimed_by: "{".repeat(10_000) }),
    bug: "its reason quoted the claim in full, 10,000 characters"
  },
  { input: fromApi("x;touch y;#", {}), bug: "its id stood unquoted in suggested commands" },
  {
    input: fromApi("case-words", { instrument: "\u001b]0;owned\u0007\u202e\n:rotating_light: forged" }),
    bug: "notifications had its control characters, and a forged line"
  }
]
