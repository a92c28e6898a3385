import { Schema } from "effect"
import { createHash } from "node:crypto"

/** A parent order's id: 1 to 64 characters, chosen by pulse-api. */
export const OrderId = Schema.NonEmptyString.check(Schema.isMaxLength(64)).pipe(Schema.brand("OrderId"))
export type OrderId = typeof OrderId.Type

/** The id of an order that is not split yet: words of a shell, without a character that a shell obeys. */
export const NewOrderId = OrderId.check(
  Schema.isPattern(/^[A-Za-z0-9_.:][A-Za-z0-9_.:-]*$/, {
    message: "must consist of the letters A to Z and a to z, digits, and _ . : -, and not begin with -"
  })
)

/** An order slice's id, derived from its order's id and its sequence number. */
export const SliceId = Schema.NonEmptyString.check(Schema.isMaxLength(64)).pipe(Schema.brand("SliceId"))
export type SliceId = typeof SliceId.Type

/** Our id on a broker order: alphanumeric, at most 20 characters, one per slice. */
export const Tag = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9]{1,20}$/)).pipe(Schema.brand("Tag"))
export type Tag = typeof Tag.Type

/** The broker's id of a broker order. Always text: Kite's ids exceed 2^53. */
export const BrokerOrderId = Schema.NonEmptyString.pipe(Schema.brand("BrokerOrderId"))
export type BrokerOrderId = typeof BrokerOrderId.Type

/**
 * The id of slice `sequenceNumber` (1-based) of an order. It depends on nothing else, so splitting an order twice cannot create
 * second slices.
 */
export const sliceIdOf = (orderId: OrderId, sequenceNumber: number): SliceId =>
  SliceId.make(`s${digestBase36(`${orderId}\n${sequenceNumber}`, 30)}`)

/**
 * The tag of a slice: "PB" and 18 base-36 characters of the id's SHA-256 (93 bits). The database's unique constraint rules out
 * collisions.
 */
export const tagOf = (sliceId: SliceId): Tag => Tag.make(`PB${digestBase36(sliceId, 18).toUpperCase()}`)

/** Whether a tag has the form of {@link tagOf}: an order with it is from this service, or from another installation of it. */
export const isTagOfOurs = (tag: string): tag is Tag => /^PB[0-9A-Z]{18}$/.test(tag)

const digestBase36 = (text: string, length: number): string =>
  BigInt(`0x${createHash("sha256").update(text).digest("hex")}`)
    .toString(36)
    .padStart(50, "0")
    .slice(-length)
