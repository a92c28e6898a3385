import { Context, Effect, Layer } from "effect"
import { KiteSimulator, type SimulatorOptions } from "../../src/kite-simulator/KiteSimulator.ts"

export interface Response {
  /** Null when the connection broke. */
  readonly status: number | null
  readonly text: string
  readonly json: { readonly [key: string]: unknown } | null
}

const broken: Response = { status: null, text: "", json: null }

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null

const parse = (text: string) => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}

/** One plain HTTP request; a broken connection is an answer with status null. */
export const ask = (url: string, init: RequestInit = {}): Effect.Effect<Response> =>
  Effect.promise(async (signal) => {
    try {
      const response = await fetch(url, { ...init, signal })
      const text = await response.text()
      return { status: response.status, text, json: parse(text) }
    } catch {
      return broken
    }
  })

/** A client with a token for Kite's requests. */
export class Kite extends Context.Service<
  Kite,
  {
    readonly call: (method: string, path: string, form?: Form) => Effect.Effect<Response>
    readonly place: (tag: string, changes?: Form) => Effect.Effect<Response>
    readonly rows: Effect.Effect<ReadonlyArray<Row>>
    readonly row: (tag: string) => Effect.Effect<Row | undefined>
  }
>()("test/Kite") {
  static readonly layer = Layer.effect(
    Kite,
    Effect.gen(function* () {
      const { url, issueToken } = yield* KiteSimulator
      const headers = { "X-Kite-Version": "3", authorization: `token simulator-key:${yield* issueToken}` }
      const call = (method: string, path: string, form?: Form) =>
        ask(`${url}${path}`, {
          method,
          headers,
          ...(form === undefined ? {} : { body: new URLSearchParams(form) })
        })
      const rows = Effect.map(call("GET", "/orders"), ({ json }) => rowsOf(json))
      return Kite.of({
        call,
        place: (tag, changes = {}) => call("POST", "/orders/regular", { ...market, tag, ...changes }),
        rows,
        row: (tag) => Effect.map(rows, (rows) => rows.find(({ tags }) => tags.includes(tag)))
      })
    })
  )
}

type Form = { readonly [name: string]: string }

export interface Row {
  readonly order_id: string
  readonly tag: string | null
  readonly tags: ReadonlyArray<string>
  readonly status: string
  readonly status_message: string | null
  readonly quantity: number
  readonly filled_quantity: number
  readonly average_price: number
  readonly order_type: string
  readonly product: string
  readonly algo_id: string | null
}

/** The rows of an answer; empty when it has none. */
export const rowsOf = <A = Row>(json: Response["json"]): ReadonlyArray<A> => {
  const data: unknown = json?.["data"]
  return Array.isArray(data) ? data : []
}

export const market: Form = {
  exchange: "NSE",
  tradingsymbol: "RELIANCE",
  transaction_type: "BUY",
  order_type: "MARKET",
  quantity: "100",
  product: "CNC",
  validity: "DAY",
  market_protection: "-1"
}

/** A LIMIT order whose price the market never reaches. */
export const resting: Form = { order_type: "LIMIT", price: "0.05" }

export const simulator = (options: Partial<SimulatorOptions> = {}) =>
  Kite.layer.pipe(Layer.provideMerge(KiteSimulator.layer({ lookupsPerSecond: 1000, ...options })))
