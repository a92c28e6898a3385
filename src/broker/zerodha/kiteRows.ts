import { Effect, Option, Schema } from "effect"
import { isTagOfOurs, Tag } from "../../domain/model/Ids.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { safe } from "../../domain/text/safe.ts"
import type { Fields } from "./kiteFields.ts"
import { jsonReader, parse, rowTexts } from "./kiteJson.ts"

const readFrame = jsonReader(
  Schema.Struct({ status: Schema.Literal("success"), data: Schema.Array(Schema.Unknown).check(Schema.isMaxLength(0)) })
)

/** An account may send some thousands of orders a day, and each may have some trades. */
const maxRows = 200_000
/** How many rows are handled without a pause, and how many characters: about a millisecond. */
const rowsAtOnce = 100
const charactersAtOnce = 10_000

/** The value of the text at a place in the list; none if it is no JSON. */
export type ParseRow = (text: string, index: number) => Option.Option<unknown>

/**
 * Makes the function that parses the rows of one list and takes those from memory that the list before had in the same words at
 * the same place: most rows of a day's list do not change any more, and parsing takes most of the time of reading one.
 */
export const makeRowMemory = (): (() => ParseRow) => {
  let latest: ReadonlyArray<{ readonly text: string; readonly row: Option.Option<unknown> }> = []
  return () => {
    const before = latest
    const rows: Array<{ readonly text: string; readonly row: Option.Option<unknown> }> = []
    latest = rows
    return (text, index) => {
      const known = before[index]
      const row = known?.text === text ? known.row : parse(text)
      rows[index] = { text, row }
      return row
    }
  }
}

/**
 * Hands each row of a list to `take`, with pauses, so that nothing else in the process waits for a long list. Fails with words
 * after some rows or none if the body is no list, such as with `"data": null`: then no row counts.
 */
export const eachRow = Effect.fnUntraced(function* (
  body: string,
  take: (row: unknown, index: number) => void,
  parseRow: ParseRow = (text) => parse(text)
): Effect.fn.Return<void, string> {
  const texts = rowTexts(body)
  let characters = 0
  for (let index = 0; index <= maxRows; index += 1) {
    const next = texts.next()
    if (next.done === true) {
      if (next.value === null || Option.isNone(readFrame(next.value))) break
      return
    }
    const row = parseRow(next.value, index)
    if (Option.isNone(row)) break
    take(row.value, index)
    characters += next.value.length
    if (characters < charactersAtOnce && index % rowsAtOnce !== 0) continue
    characters = 0
    yield* Effect.yieldNow
  }
  return yield* Effect.fail(`the answer is not a list of rows: ${safe(excerpt(body, "an empty body"))}`)
})

/** Hands each row to `take`, with a pause after each: a row may be a megabyte. */
export const eachOf = (rows: ReadonlyArray<unknown>, take: (row: unknown) => void): Effect.Effect<void> =>
  Effect.forEach(
    rows,
    (row) =>
      Effect.andThen(
        Effect.sync(() => take(row)),
        Effect.yieldNow
      ),
    { discard: true }
  )

/** The tags of a row: in its field `tag`, in its field `tags`, or in both. Null if one of the fields is anything else. */
export const tagsIn = ({ tag, tags }: Fields): ReadonlyArray<string> | null => {
  const isTag = tag === undefined || tag === null || typeof tag === "string"
  const isTags = tags === undefined || tags === null || Array.isArray(tags)
  return isTag && isTags ? textsIn([tag, ...(tags ?? [])]) : null
}

/** Those of our tags, and others of their form, that the fields `tag` and `tags` have in them, whatever else is in these. */
export const ownTagsIn = ({ tag, tags }: Fields, ours: ReadonlySet<string>): ReadonlyArray<Tag> =>
  textsIn([tag, ...(Array.isArray(tags) ? tags : [])]).filter(
    (text): text is Tag => isTagOfOurs(text) || (ours.has(text) && isOurTag(text))
  )

const textsIn = (values: ReadonlyArray<unknown>): ReadonlyArray<string> => [
  ...new Set(values.filter((value) => typeof value === "string"))
]

/** Those of our tags that occur as a word anywhere in a row. */
export const ownTagsMentioned = (row: unknown, ours: ReadonlySet<string>, minLength: number): ReadonlyArray<Tag> => [
  ...new Set(wordsIn(row, minLength).flatMap((word) => ownTag(word, ours)))
]

const ownTag = (text: string, ours: ReadonlySet<string>): ReadonlyArray<Tag> =>
  ours.has(text) && isOurTag(text) ? [text] : []
const isOurTag = Schema.is(Tag)

/** Up to `max` words of at least `minLength` letters and digits in the names and texts of a row. */
export const wordsIn = (row: unknown, minLength: number, max = Number.POSITIVE_INFINITY): ReadonlyArray<string> => {
  const words: Array<string> = []
  const left: Array<unknown> = [row]
  while (left.length > 0 && words.length < max) {
    const value = left.pop()
    if (typeof value === "string") {
      for (const [word] of value.matchAll(/[A-Za-z0-9]+/g)) {
        if (word.length >= minLength && words.length < max) words.push(word)
      }
    } else if (Array.isArray(value)) {
      for (const inner of value) left.push(inner)
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        if (name.length >= minLength) left.push(name)
        if (typeof inner === "object" || (typeof inner === "string" && inner.length >= minLength)) left.push(inner)
      }
    }
  }
  return words
}
