import { Result, Schema, SchemaIssue } from "effect"
import { csvValues } from "../text/csv.ts"
import { excerpt } from "../text/excerpt.ts"
import { safe } from "../text/safe.ts"
import { type FreezeExchange, FreezeQuantity } from "./FreezeQuantity.ts"

/** What a file does not say itself. */
export interface FreezeFileOptions {
  /** Of a file without a column for it. */
  readonly exchange: FreezeExchange
  /** The first day on which its quantities apply, where it names none. */
  readonly since: string
  readonly source: string
}

/** The columns by which each form is known, in upper case. */
const published = { underlying: "SYMBOL", quantity: "VOL_FRZ_QTY" }
const plain = { underlying: "UNDERLYING", quantity: "QUANTITY" }

/** Where each value stands in a line; -1 if the form does not have it. */
interface Columns {
  readonly count: number
  readonly exchange: number
  readonly underlying: number
  readonly quantity: number
  readonly since: number
}

/**
 * Reads a file of freeze quantities: the exchange's qtyfreeze.csv (`S.No.`, `SYMBOL`, `VOL_FRZ_QTY`, padded with spaces), or a plain
 * one (`exchange`, `underlying`, `quantity`, and `since` where it is wanted). Fails with every problem, each by its line.
 */
export const readFreezeFile = (
  text: string,
  options: FreezeFileOptions
): Result.Result<ReadonlyArray<FreezeQuantity>, ReadonlyArray<string>> => {
  const lines = text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .map((line, index) => ({ number: index + 1, line }))
    .filter(({ line }) => line.trim() !== "")
  const [head, ...rows] = lines
  if (head === undefined) return Result.fail(["the file is empty"])
  const columns = columnsOf(head.line)
  if (columns === null) {
    return Result.fail([
      `line ${head.number} must name the columns SYMBOL and VOL_FRZ_QTY, as the exchange's file does, or exchange, underlying and ` +
        `quantity, not: ${shown(head.line)}`
    ])
  }
  if (rows.length === 0) return Result.fail(["the file has no quantities in it"])
  const quantities: Array<FreezeQuantity> = []
  const problems: Array<string> = []
  const lineOf = new Map<string, number>()
  for (const { line, number } of rows) {
    const read = readRow(line, columns, options)
    if (Result.isFailure(read)) {
      problems.push(`line ${number}: ${read.failure}: ${shown(line)}`)
      continue
    }
    const key = [read.success.exchange, read.success.underlying, read.success.since].join(" ")
    const before = lineOf.get(key)
    if (before !== undefined) problems.push(`line ${number}: ${key} is in line ${before} already`)
    lineOf.set(key, number)
    quantities.push(read.success)
  }
  return problems.length === 0 ? Result.succeed(quantities) : Result.fail(problems)
}

const columnsOf = (line: string): Columns | null => {
  const names = (csvValues(line) ?? []).map((name) => name.trim().toUpperCase())
  const form = [published, plain].find(({ underlying, quantity }) =>
    [underlying, quantity].every((name) => names.includes(name))
  )
  if (form === undefined || (form === plain && !names.includes("EXCHANGE"))) return null
  return {
    count: names.length,
    exchange: names.indexOf("EXCHANGE"),
    underlying: names.indexOf(form.underlying),
    quantity: names.indexOf(form.quantity),
    since: names.indexOf("SINCE")
  }
}

const decode = Schema.decodeUnknownResult(FreezeQuantity, { errors: "all" })
const listProblems = SchemaIssue.makeFormatterStandardSchemaV1()

const readRow = (line: string, columns: Columns, { exchange, since, source }: FreezeFileOptions) => {
  const values = csvValues(line)?.map((value) => value.trim())
  if (values?.length !== columns.count) return Result.fail(`it does not have ${columns.count} values`)
  const at = (column: number) => values[column] ?? ""
  const quantity = at(columns.quantity)
  if (!/^\d{1,15}$/.test(quantity)) return Result.fail("the quantity must be a whole number")
  return Result.mapError(
    decode({
      exchange: columns.exchange === -1 ? exchange : at(columns.exchange).toUpperCase(),
      underlying: at(columns.underlying).toUpperCase(),
      quantity: Number(quantity),
      since: at(columns.since) === "" ? since : at(columns.since),
      source
    }),
    ({ issue }) =>
      listProblems(issue)
        .issues.map(({ message, path }) => `${String(path?.[0])} ${message}`)
        .join("; ")
  )
}

const shown = (line: string): string => safe(excerpt(line, "it is empty"))
