import { createHash } from "node:crypto"

/** Which orders are traced: all, none, or a share of them. Every replica decides alike, by the trace id. */
export type Sampler =
  | { readonly _tag: "All" }
  | { readonly _tag: "None" }
  | { readonly _tag: "Share"; readonly share: number }

/** The trace of one order, which all replicas find without asking each other: everything is derived from its ids. */
export interface OrderTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits: the span in which the order is split, the parent of all that follows. */
  readonly splitSpanId: string
  /** The span of another service that the order came from, where its id says so. */
  readonly parentSpanId: string | null
  /** When the trace began, in milliseconds since 1970, where its id says so. */
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
  /** Spans of the same trace that it has to do with, but is not part of. */
  readonly linkedSpanIds: ReadonlyArray<string>
  readonly beganMillis: number
  readonly endedMillis: number
  readonly attributes: Readonly<Record<string, string | number>>
  /** What went wrong; null when nothing did. */
  readonly error: string | null
}

/** Backends put a trace together within minutes: what comes so much later is linked to its split, not part of it. */
const longStretchMillis = 3_600_000

/**
 * An order's trace. A trace id in hexadecimal, alone or in a `traceparent`, is used as it is; of any other, such as
 * `t1735228800a1b2c3d4e5f6`, and of the order's id when there is none, the first 16 bytes of its SHA-256.
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
/** Ids as pulse-api makes them: a letter, the seconds since 1970, and twelve characters by chance. */
const ownId = /^[a-z](\d{10})[0-9a-z]{12}$/

const traceIdOf = (id: string): string => {
  const hexadecimal = id.replaceAll("-", "").toLowerCase()
  return /^(?!0{32})[0-9a-f]{32}$/.test(hexadecimal) ? hexadecimal : sha256(id).slice(0, 32)
}

/** The id of the span of what is done once for an order, or once for a claim of a slice. */
export const spanIdOf = (...what: ReadonlyArray<string | number>): string => sha256(what.join("\n")).slice(0, 16)

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** By the last eight bytes of the trace id, as other services decide: as much of them as a number holds exactly. */
const isSampled = (traceId: string, sampler: Sampler): boolean =>
  sampler._tag === "Share"
    ? Number.parseInt(traceId.slice(16, 29), 16) < sampler.share * 2 ** 52
    : sampler._tag === "All"

/** Where something that is done for an order belongs: in its split's span, or, long after, beside it. */
export const placeInTrace = (
  { splitSpanId, beganMillis }: OrderTrace,
  atMillis: number
): { readonly parentSpanId: string | null; readonly linkedSpanIds: ReadonlyArray<string> } =>
  beganMillis !== null && atMillis - beganMillis > longStretchMillis
    ? { parentSpanId: null, linkedSpanIds: [splitSpanId] }
    : { parentSpanId: splitSpanId, linkedSpanIds: [] }
