import { Effect, Result } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { readOrderList } from "../../src/broker/zerodha/kiteOrders.ts"
import { Tag } from "../../src/domain/model/Ids.ts"
import { damaged, hostileValue, withOddPart } from "../harness/json.ts"
import { pureArea } from "../harness/pureArea.ts"
import { hostileText, rawCharacterIn } from "../harness/texts.ts"
import { nameOf, placesOf, type ReadRow, rowsIn } from "./bookReading.ts"

/** The body of an answer to GET /orders. */
export interface BookBody {
  readonly body: string
}

const ours = ["PB0AAAAAAAAAAAAAAAAA", "PB1BBBBBBBBBBBBBBBBB", "PB2CCCCCCCCCCCCCCCCC", "PB3DDDDDDDDDDDDDDDDD"] as const
const tags: ReadonlySet<Tag> = new Set(ours.map((tag) => Tag.make(tag)))

const statuses = [
  "COMPLETE",
  "CANCELLED",
  "REJECTED",
  "OPEN",
  "TRIGGER PENDING",
  "PUT ORDER REQ RECEIVED",
  "OPEN PENDING",
  "CANCEL PENDING",
  "UPDATE",
  "complete"
] as const

const rowOf = (choices: SeededChoices, tag: string | null): Readonly<Record<string, unknown>> => {
  const isInTags = choices.hits(0.4)
  return {
    order_id: `2611230000000${choices.whole(10_000, 99_999)}`,
    status: choices.oneOf(statuses),
    status_message: choices.hits(0.2) ? hostileText(choices) : null,
    filled_quantity: choices.whole(0, 100),
    average_price: choices.whole(0, 300_000) / 100,
    quantity: 100,
    tradingsymbol: "INFY",
    tag: isInTags ? null : tag,
    tags: isInTags ? [tag, "mktp", "mktp:2.00"] : choices.oneOf<unknown>([[], null, ["mktp"]]),
    meta: {}
  }
}

const foreignRow = (choices: SeededChoices): unknown =>
  choices.hits(0.3)
    ? hostileValue(choices)
    : rowOf(choices, choices.hits(0.5) ? null : hostileText(choices, { max: 100 }))

/** A few rows of ours, each odd with a chance of its own, among rows of other programs. */
const generate = (choices: SeededChoices): BookBody => {
  const own = ours.filter(() => choices.hits(0.7))
  const rows: Array<unknown> = own.flatMap((tag) => {
    const row = rowOf(choices, tag)
    const odd = choices.hits(0.35) ? withOddPart(choices, row) : row
    return choices.hits(0.1) ? [odd, rowOf(choices, tag)] : [odd]
  })
  for (let more = choices.whole(0, 4); more > 0; more--) {
    rows.splice(choices.whole(0, rows.length), 0, foreignRow(choices))
  }
  const text = JSON.stringify({ status: "success", data: choices.hits(0.02) ? hostileValue(choices) : rows }) ?? ""
  return { body: choices.hits(0.05) ? damaged(choices, text) : text }
}

const isOf = (read: ReadRow, tag: string): boolean => read.tag === tag

/**
 * The broker's order list. A readable row of ours is found with its state, whatever its neighbours are; and a tag of ours that
 * is anywhere in a row is never taken for not placed.
 */
export const book = pureArea({
  name: "book",
  weight: 3,
  generate,
  read: ({ body }) => Effect.runSync(Effect.result(readOrderList(body, tags))),
  verdict: ({ body }, answer) => {
    const rows = rowsIn(body)
    if (Result.isFailure(answer)) {
      const odd = rawCharacterIn(answer.failure)
      if (odd !== null) return `the problem has a raw ${odd}`
      return rows === null ? null : "a list of rows counts as unreadable"
    }
    if (rows === null) return "no list of rows counts as a list"
    const { rows: found, unreadable } = answer.success
    for (const tag of ours) {
      const readable = rows.flatMap((row) => nameOf(row, ours) ?? []).filter((row) => isOf(row, tag))
      const shown = found.filter((order) => order.tag === tag)
      for (const { id, filled, status } of readable) {
        const isFound = shown.some(
          (order) => order.brokerOrderId === id && order.filledQuantity === filled && order.status === status
        )
        if (!isFound) return `the readable row of ${tag} is not found as ${status} with ${filled}`
      }
      if (shown.length > readable.length)
        return `${tag} has ${shown.length} orders, of which ${readable.length} are readable`
      const isAnywhere = rows.some((row) => placesOf(row, tag))
      if (isAnywhere && shown.length === 0 && !unreadable.some((row) => row.tag === tag)) {
        return `${tag} is in the list, and counts as not placed`
      }
    }
    const texts = [...found.map(({ statusText }) => statusText), ...unreadable.map(({ problem }) => problem)]
    const bad = texts.find((text) => rawCharacterIn(text) !== null || text.length > 1000)
    return bad === undefined ? null : `a text cannot be stored or shown: ${JSON.stringify(bad.slice(0, 200))}`
  }
})
