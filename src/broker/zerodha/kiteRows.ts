import { Option, Result, Schema } from "effect"
import { Tag } from "../../domain/model/Ids.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { safe } from "../../domain/text/safe.ts"
import type { Fields } from "./kiteFields.ts"
import { jsonReader } from "./kiteJson.ts"

const readRows = jsonReader(Schema.Struct({ status: Schema.Literal("success"), data: Schema.Array(Schema.Unknown) }))

/** The rows of a list; a body without a list, such as `"data": null`, is never an empty one. */
export const rowsOf = (body: string): Result.Result<ReadonlyArray<unknown>, string> =>
  Option.match(readRows(body), {
    onNone: () => Result.fail(`the answer is not a list of rows: ${safe(excerpt(body, "an empty body"))}`),
    onSome: ({ data }) => Result.succeed(data)
  })

/** The tags of a row: in its field `tag`, in its field `tags`, or in both. Null if one of the fields is anything else. */
export const tagsIn = ({ tag, tags }: Fields): ReadonlyArray<string> | null => {
  const isTag = tag === undefined || tag === null || typeof tag === "string"
  const isTags = tags === undefined || tags === null || Array.isArray(tags)
  return isTag && isTags ? textsIn([tag, ...(tags ?? [])]) : null
}

/** Those of our tags that the fields `tag` and `tags` have in them, whatever else is in these. */
export const ownTagsIn = ({ tag, tags }: Fields, ours: ReadonlySet<string>): ReadonlyArray<Tag> =>
  textsIn([tag, ...(Array.isArray(tags) ? tags : [])]).flatMap((text) => ownTag(text, ours))

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
