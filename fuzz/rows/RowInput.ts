import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { boundaryMoments, boundaryNumbers, hostileText } from "../harness/texts.ts"

/** An order row as another program writes it. */
export interface RowInput {
  /** `pulse-api` may write the columns of the contract only; `stranger` any column of the table. */
  readonly writer: "pulse-api" | "stranger"
  /** Whether PostgreSQL itself may refuse it, for a value that its column cannot hold: it is inserted alone then. */
  readonly isRefusable: boolean
  /** Whether nothing is wrong with it: it must be split, and placed in full. */
  readonly isPlain: boolean
  /** The values by column, as JSON; each row has an id of its own. */
  readonly columns: Readonly<Record<string, unknown>> & { readonly id: string }
}

type Kind = "text" | "integer" | "boolean" | "price" | "float" | "floats" | "moment" | "status" | "key"

/** The type as which a value reaches its column: numbers as numeric, which PostgreSQL rounds where a column is an integer. */
export const typeOf: Readonly<Record<Kind, string>> = {
  text: "text",
  key: "text",
  status: "text",
  integer: "numeric",
  price: "numeric",
  boolean: "boolean",
  float: "float8",
  floats: "float8[]",
  moment: "timestamptz"
}

/** The columns that pulse-api writes. */
export const contractColumns: Readonly<Record<string, Kind>> = {
  id: "text",
  instrument: "text",
  side: "text",
  total_quantity: "integer",
  num_splits: "integer",
  duration_minutes: "integer",
  randomize: "boolean",
  order_unique_key: "key",
  order_queue_status: "status",
  origin_trace_id: "text",
  origin_trace_source: "text",
  origin_request_id: "text",
  origin_request_source: "text",
  request_id: "text",
  created_at: "moment",
  updated_at: "moment"
}

/** All other columns of `orders`. */
export const otherColumns: Readonly<Record<string, Kind>> = {
  order_type: "text",
  limit_price: "price",
  product_type: "text",
  validity: "text",
  status_reason: "text",
  claim_version: "integer",
  claimed_by: "text",
  claimed_at: "moment",
  split_attempts: "integer",
  split_at: "moment",
  cancel_requested_at: "moment",
  cancel_requested_by: "text",
  held_at: "moment",
  hold_reason: "text",
  lateness_policy: "text",
  max_lateness_seconds: "integer",
  cancel_unfilled_after_seconds: "integer",
  strategy: "text",
  risk_aversion: "float",
  weights: "floats",
  plan_seed: "text",
  carry_unfilled: "boolean",
  carry_rejected: "boolean",
  completion: "text",
  settled_at: "moment",
  session_policy: "text",
  reference_price: "price",
  reason_code: "text",
  hold_reason_code: "text",
  algo_id: "text"
}

/** The words that the columns of words take. */
const words: Readonly<Record<string, readonly [string, ...ReadonlyArray<string>]>> = {
  side: ["BUY", "SELL", "buy", "HOLD", "BUY ", ""],
  order_type: ["MARKET", "LIMIT", "SL", "market"],
  product_type: ["CNC", "MIS", "NRML", "MTF"],
  validity: ["DAY", "IOC", "TTL"],
  lateness_policy: ["SEND", "SKIP", "RESPREAD", "NEVER"],
  strategy: ["TWAP", "VWAP", "FRONT_LOADED", "BACK_LOADED", "WEIGHTS", "POV"],
  completion: ["REPORT", "CROSS", "GIVE_UP"],
  session_policy: ["SAME_DAY", "NEXT_SESSION", "ANY"],
  instrument: [
    "NSE:M&M",
    "NSE:",
    ":INFY",
    "reliance",
    "NSE:RELIANCE ",
    "NSE:RELIANCE;",
    "N:A",
    "TOOLONGNAME:X",
    `NSE:${"A".repeat(65)}`
  ]
}

/** The columns of `orders` that must not be NULL, with their defaults. */
export const defaults = {
  order_queue_status: "PENDING",
  order_type: "MARKET",
  product_type: "CNC",
  validity: "DAY",
  claim_version: 0,
  split_attempts: 0,
  lateness_policy: "SEND",
  strategy: "TWAP",
  carry_unfilled: false,
  carry_rejected: false,
  completion: "REPORT",
  session_policy: "SAME_DAY"
}

const required: ReadonlySet<string> = new Set([...Object.keys(defaults), "created_at", "updated_at", "id"])

const instruments = [
  "NSE:RELIANCE",
  "NSE:INFY",
  "BSE:SBIN",
  "NFO:NIFTY99DECFUT",
  "NSE:M&M",
  "MCX:GOLD26DECFUT"
] as const

/** An order row: one in six plain, the others with one to three odd columns, or with nothing but odd ones. */
export const generateRow = (choices: SeededChoices): RowInput => {
  const writer = choices.hits(0.5) ? "pulse-api" : "stranger"
  const plain = plainColumns(choices, writer)
  if (choices.hits(1 / 6)) return { writer, isRefusable: false, isPlain: true, columns: plain }
  const isRefusable = choices.hits(0.02)
  const kinds = writer === "pulse-api" ? contractColumns : { ...contractColumns, ...otherColumns }
  const names = Object.keys(kinds)
  const [first = "id", ...more] = names
  // What another program says to be split today may count for the limits of the day.
  if (writer === "stranger" && choices.hits(0.05))
    return { writer, isRefusable, isPlain: false, columns: saidToBeSplit(choices, plain) }
  const odd = choices.hits(0.05)
    ? names
    : Array.from({ length: choices.hits(0.6) ? 1 : choices.whole(2, 3) }, () => choices.oneOf([first, ...more]))
  const changed = Object.fromEntries(
    odd.map((name) => [name, oddValue(choices, name, kinds[name] ?? "text", isRefusable)])
  )
  const id = typeof changed["id"] === "string" ? changed["id"] : plain.id
  return { writer, isRefusable, isPlain: false, columns: { ...plain, ...changed, id } }
}

const saidToBeSplit = (choices: SeededChoices, plain: RowInput["columns"]): RowInput["columns"] => ({
  ...plain,
  order_queue_status: choices.oneOf(["DONE", "DONE", "IN_PROGRESS"]),
  split_at: "now",
  claimed_at: choices.oneOf([null, "now", "infinity", "-infinity"]),
  order_type: "LIMIT",
  limit_price: choices.oneOf(["NaN", "-99999999999", "99999999999.9999", "0"]),
  reference_price: choices.oneOf([null, "NaN", "-1"]),
  total_quantity: choices.oneOf([-2_147_483_648, 2_147_483_647, 0, 10])
})

const plainColumns = (choices: SeededChoices, writer: RowInput["writer"]): RowInput["columns"] => {
  const isLarge = choices.hits(0.001)
  const splits = isLarge ? choices.whole(20, 1000) : choices.whole(1, 3)
  const id = `o${Array.from({ length: 3 }, () => choices.whole(0, 36 ** 5).toString(36)).join("")}`
  const instrument = choices.oneOf(instruments)
  const productType = /^(NSE|BSE):/.test(instrument) ? "CNC" : "NRML"
  return {
    ...(writer === "stranger" ? { ...defaults, product_type: productType } : {}),
    ...(writer === "stranger" && choices.hits(0.4) ? { order_type: "LIMIT", limit_price: "1500.05" } : {}),
    id,
    instrument,
    side: choices.oneOf(["BUY", "SELL"]),
    total_quantity: choices.hits(0.05) ? 2_147_483_647 : splits + choices.whole(0, 5000),
    num_splits: splits,
    duration_minutes: choices.hits(0.7) ? 0 : !isLarge && choices.hits(0.02) ? 1 : 1440,
    randomize: choices.hits(0.5),
    order_unique_key: `key-${id}`,
    order_queue_status: "PENDING",
    origin_trace_id: "t1735228800a1b2c3d4e5f6",
    origin_trace_source: "pulse-api",
    origin_request_id: "r1735228800a1b2c3d4e5f6",
    origin_request_source: "pulse-api",
    request_id: "r1735228800a1b2c3d4e5f6"
  }
}

/** A value that its column can hold, but for rows that may be refused. */
const oddValue = (choices: SeededChoices, name: string, kind: Kind, isRefusable: boolean): unknown => {
  if (name === "id") return oddId(choices, isRefusable)
  if (choices.hits(0.1) && (isRefusable || !required.has(name))) return null
  if (isRefusable && choices.hits(0.5)) return numberInJson(choices.oneOf(boundaryNumbers))
  const known = words[name]
  if (known !== undefined && choices.hits(0.5)) return choices.oneOf(known)
  switch (kind) {
    case "text":
      return hostileText(choices, { isStorable: !isRefusable })
    case "key":
      return `${hostileText(choices, { isStorable: !isRefusable, max: isRefusable ? 1_000_000 : 500 })}${choices.whole(0, 2 ** 40)}`
    case "status":
      return choices.oneOf(["PENDING", "IN_PROGRESS", "DONE", "FAILED", "SKIPPED"])
    case "boolean":
      return choices.hits(0.5)
    case "integer":
      return isRefusable || numericColumns.has(name)
        ? numberInJson(choices.oneOf(boundaryNumbers))
        : choices.oneOf(integers)
    case "price":
      return choices.oneOf(["NaN", "0", "-1", "0.0001", "99999999999.9999", "2500.05", "100"])
    case "float":
      return choices.oneOf(["NaN", "Infinity", "-Infinity", "0", "-1", "1e300", "5e-324", "2", "100", "100.5"])
    case "floats":
      return choices.oneOf<unknown>([
        [],
        [1, 2, 3],
        [
          [1, 2],
          [3, 4]
        ],
        ["NaN"],
        [0],
        [-1, 2],
        [null],
        Array.from({ length: 1001 }, () => 1),
        ["Infinity"],
        [1e-300, 1e300]
      ])
    case "moment":
      return choices.oneOf(moments)
  }
}

/** The columns of whole numbers that PostgreSQL keeps as they are written, so that a fraction can be refused. */
const numericColumns: ReadonlySet<string> = new Set([
  "total_quantity",
  "num_splits",
  "duration_minutes",
  "max_lateness_seconds",
  "cancel_unfilled_after_seconds"
])

/** JSON has no infinite numbers and no NaN; PostgreSQL reads them from texts. */
const numberInJson = (number: number): number | string => (Number.isFinite(number) ? number : String(number))

const integers = [
  -2_147_483_648, -1, 0, 1, 2, 999, 1000, 1001, 1440, 1441, 86_400, 86_401, 2_147_483_646, 2_147_483_647
] as const

/** PostgreSQL reads these words when the row is inserted. */
const moments = [...boundaryMoments, "now", "today", "yesterday", "tomorrow"] as const

/** An id that no other row has, with hostile text around it. */
const oddId = (choices: SeededChoices, isRefusable: boolean): string => {
  const own = Array.from({ length: 2 }, () => choices.whole(0, 36 ** 6).toString(36)).join("")
  const text = hostileText(choices, { isStorable: !isRefusable, max: isRefusable ? 100_000 : 48 })
  return choices.hits(0.5) ? `${text}${own}` : `${own}${text}`
}
