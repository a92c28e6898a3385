import { createHash } from "node:crypto"

/** Which orders are traced: all, none, or a share of them. All replicas decide the same, by the trace id. */
export type Sampler =
  | { readonly _tag: "All" }
  | { readonly _tag: "None" }
  | { readonly _tag: "Share"; readonly share: number }

/** The trace of one order. It is derived from the ids of the order, so all replicas agree on it. */
export interface OrderTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits: the span of the split, the parent of the spans that follow. */
  readonly splitSpanId: string
  /** The span of the service that the order came from, if its id contains one. */
  readonly parentSpanId: string | null
  /** When the trace began, in milliseconds since 1970, if its id contains that. */
  readonly beganMillis: number | null
  readonly isSampled: boolean
}

/** A span that has ended. Times in milliseconds since 1970, with fractions. */
export interface EndedSpan {
  readonly name: "split" | "place" | "reconcile"
  readonly kind: "internal" | "client"
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | null
  /** Related spans of the same trace that are not its parent. */
  readonly linkedSpanIds: ReadonlyArray<string>
  readonly beganMillis: number
  readonly endedMillis: number
  readonly attributes: Readonly<Record<string, string | number>>
  /** The error; null when there was none. */
  readonly error: string | null
}

/** Backends assemble a trace within minutes, so spans this much later are linked to the split instead of being its children. */
const longStretchMillis = 3_600_000

/**
 * An order's trace. A hexadecimal trace id, alone or in a `traceparent`, is used as it is. Of any other, such as
 * `t1735228800a1b2c3d4e5f6`, or of the order's id when there is none, it takes the first 16 bytes of the SHA-256.
 */
export const orderTrace = (orderId: string, originTraceId: string | null, sampler: Sampler): OrderTrace => {
  const id = originTraceId === null || originTraceId === "" ? orderId : originTraceId
  const parent = traceParent.exec(id)
  const traceId = parent?.[1] ?? traceIdOf(id)
  const seconds = ownId.exec(id)?.[1]
  return {
    traceId,
    splitSpanId: spanIdOf("split", orderId),
    parentSpanId: parent?.[2] ?? null,
    beganMillis: seconds === undefined ? null : Number(seconds) * 1000,
    isSampled: parent?.[3]?.endsWith("0") !== true && isSampled(traceId, sampler)
  }
}

/** W3C Trace Context: version, trace id, span id, and flags, the last of which says whether the trace is sampled. */
const traceParent = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-(0[01])$/
/** The ids of pulse-api: a letter, the seconds since 1970, and twelve random characters. */
const ownId = /^[a-z](\d{10})[0-9a-z]{12}$/

const traceIdOf = (id: string): string => {
  const hexadecimal = id.replaceAll("-", "").toLowerCase()
  return /^(?!0{32})[0-9a-f]{32}$/.test(hexadecimal) ? hexadecimal : sha256(id).slice(0, 32)
}

/** The id of the span of an operation that happens once for an order, or once for a claim of a slice. */
export const spanIdOf = (...what: ReadonlyArray<string | number>): string => sha256(what.join("\n")).slice(0, 16)

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** By the last eight bytes of the trace id, as in other services; 52 bits of them, which a number holds exactly. */
const isSampled = (traceId: string, sampler: Sampler): boolean =>
  sampler._tag === "Share"
    ? Number.parseInt(traceId.slice(16, 29), 16) < sampler.share * 2 ** 52
    : sampler._tag === "All"

/** The place of a span in the order's trace: a child of the split, or, long after it, linked to it. */
export const placeInTrace = (
  { splitSpanId, beganMillis }: OrderTrace,
  atMillis: number
): { readonly parentSpanId: string | null; readonly linkedSpanIds: ReadonlyArray<string> } =>
  beganMillis !== null && atMillis - beganMillis > longStretchMillis
    ? { parentSpanId: null, linkedSpanIds: [splitSpanId] }
    : { parentSpanId: splitSpanId, linkedSpanIds: [] }
