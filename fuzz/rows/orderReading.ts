import type { OrderEnd } from "./orderTables.ts"
import type { RowInput } from "./RowInput.ts"

/**
 * Why a row must not be split, by the documents of the columns; null if it may be. It reads the row as it was written, and
 * knows nothing of the code that validates orders.
 */
export const whyNotSplit = ({ columns }: RowInput, end: OrderEnd, nowMillis: number): string | null => {
  const value = (name: string) => columns[name]
  const whole = (name: string, from: number, to: number): boolean => {
    const number = value(name)
    return typeof number === "number" && Number.isInteger(number) && number >= from && number <= to
  }
  const oneOf = (name: string, known: ReadonlyArray<string>): boolean =>
    value(name) === undefined || known.some((word) => word === value(name))
  const isOf = (...exchanges: ReadonlyArray<string>): boolean =>
    exchanges.some((exchange) => String(value("instrument")).startsWith(`${exchange}:`))
  const absent = (name: string): boolean => value(name) === undefined || value(name) === null
  const atMost = (name: string, length: number): boolean => {
    const text = value(name)
    return typeof text !== "string" || text.length <= length
  }
  const wrong: ReadonlyArray<readonly [string, boolean]> = [
    ["id", !isId(columns.id)],
    ["instrument", !isInstrument(value("instrument"))],
    ["side", value("side") !== "BUY" && value("side") !== "SELL"],
    ["total_quantity", !whole("total_quantity", 1, 2_147_483_647)],
    ["num_splits", !whole("num_splits", 1, 1000)],
    ["total_quantity below num_splits", Number(value("total_quantity")) < Number(value("num_splits"))],
    ["duration_minutes", !whole("duration_minutes", 0, 1440)],
    // PostgreSQL reads 0 and 1 as booleans.
    ["randomize", ![true, false, 0, 1, "0", "1"].some((known) => known === value("randomize"))],
    ["request_id", !atMost("request_id", 128)],
    ["origin_trace_id", !atMost("origin_trace_id", 128)],
    ["order_type", !oneOf("order_type", ["MARKET", "LIMIT"])],
    ["product_type", !oneOf("product_type", ["CNC", "MIS", "NRML", "MTF"])],
    ["validity", !oneOf("validity", ["DAY", "IOC"])],
    ["product_type of shares", isOf("NSE", "BSE") && !oneOf("product_type", ["CNC", "MIS", "MTF"])],
    ["product_type of contracts", isOf("NFO", "BFO", "CDS", "BCD", "MCX") && !oneOf("product_type", ["NRML", "MIS"])],
    ["validity on MCX", isOf("MCX") && value("validity") === "IOC"],
    ["lateness_policy", !oneOf("lateness_policy", ["SEND", "SKIP", "RESPREAD"])],
    ["strategy", !oneOf("strategy", ["TWAP", "VWAP", "FRONT_LOADED", "BACK_LOADED", "WEIGHTS"])],
    ["completion", !oneOf("completion", ["REPORT", "CROSS"])],
    ["session_policy", !oneOf("session_policy", ["SAME_DAY", "NEXT_SESSION"])],
    ["algo_id", !absent("algo_id") && !isAlgoId(value("algo_id"))],
    ["max_lateness_seconds", !absent("max_lateness_seconds") && !whole("max_lateness_seconds", 1, 86_400)],
    [
      "cancel_unfilled_after_seconds",
      !absent("cancel_unfilled_after_seconds") && !whole("cancel_unfilled_after_seconds", 1, 86_400)
    ],
    ["limit_price", (value("order_type") === "LIMIT") === absent("limit_price")],
    ["limit_price", !absent("limit_price") && !(Number(value("limit_price")) > 0)],
    ["weights", (value("strategy") === "WEIGHTS") === absent("weights")],
    ["plan_seed", value("plan_seed") === "" || !atMost("plan_seed", 200)],
    ["risk_aversion", !absent("risk_aversion") && !["FRONT_LOADED", "BACK_LOADED"].includes(String(value("strategy")))],
    [
      "risk_aversion",
      !absent("risk_aversion") && !(Number(value("risk_aversion")) > 0 && Number(value("risk_aversion")) <= 100)
    ],
    ["created_at", !(Math.abs(end.created - nowMillis) <= 366 * 86_400_000)]
  ]
  return wrong.find(([, isWrong]) => isWrong)?.[0] ?? null
}

/** 1 to 64 printable characters of ASCII, with none of them a space at either end. */
const isAlgoId = (value: unknown): boolean =>
  typeof value === "string" &&
  value.length >= 1 &&
  value.length <= 64 &&
  value.trim() === value &&
  [...value].every((character) => character >= " " && character <= "~")

/** An id that is one word of a shell, and no flag. */
const isId = (id: string): boolean =>
  id.length >= 1 && id.length <= 64 && !id.startsWith("-") && id.replaceAll(/[A-Za-z0-9_.:-]/g, "") === ""

const isInstrument = (value: unknown): boolean => {
  if (typeof value !== "string" || value.length > 75) return false
  const [exchange = "", symbol = "", ...more] = value.split(":")
  const isOf = (text: string, allowed: string) => [...text].every((character) => allowed.includes(character))
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  return (
    more.length === 0 &&
    exchange.length >= 2 &&
    exchange.length <= 10 &&
    isOf(exchange, letters) &&
    symbol.length >= 1 &&
    symbol.length <= 64 &&
    isOf(symbol, `${letters}0123456789&_.-`) &&
    isOf(symbol.slice(0, 1), `${letters}0123456789`)
  )
}
