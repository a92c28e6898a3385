import { Result, Schema, SchemaIssue } from "effect"
import { SplittableOrder } from "./Order.ts"

/**
 * Checks an order row. The failure names every problem, each by its column, in words for whoever wrote the row:
 * `instrument: must look like EXCHANGE:SYMBOL in capitals, for example NSE:RELIANCE, not "reliance"`.
 */
export const validateOrder = (row: UntrustedOrder): Result.Result<SplittableOrder, string> =>
  Result.mapError(decode(row), (error) =>
    listProblems(error.issue)
      .issues.map(({ message, path }) => {
        const key = String(path?.[0] ?? "")
        const value = Object.entries(row).find(([field]) => field === key)?.[1]
        const said = message.startsWith("is ") ? message : `${message}, not ${JSON.stringify(value)}`
        return `${columnOf(key)}: ${said}`
      })
      .join("; ")
  )

const columnOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const listProblems = SchemaIssue.makeFormatterStandardSchemaV1()

/** An order as another service wrote it. */
export interface UntrustedOrder {
  readonly id: string
  readonly instrument: string | null
  readonly side: string | null
  readonly totalQuantity: number | null
  readonly numSplits: number | null
  readonly durationMinutes: number | null
  readonly randomize: boolean | null
  readonly orderType: string | null
  readonly limitPrice: string | null
  readonly productType: string | null
  readonly validity: string | null
  readonly latenessPolicy: string | null
  readonly maxLatenessSeconds: number | null
  readonly cancelUnfilledAfterSeconds: number | null
}

const decode = Schema.decodeUnknownResult(SplittableOrder, { errors: "all" })
