import { Option, Schema } from "effect"

/** Kite's answers are about four levels deep. */
const maxDepth = 64

/**
 * The most values of a body. The order list of a whole day has about 40 for each of at most 5,000 orders. The time to parse
 * depends on their number: 16 MiB of empty rows take some seconds, in which no slice is placed.
 */
const maxValues = 500_000

export const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/**
 * Reads a body of Kite as JSON of the given shape; none if it is anything else. Time grows with the length of the body: JSON
 * of more than {@link maxDepth} levels is not parsed, because a megabyte of brackets takes a tenth of a second, and neither is
 * JSON of more than {@link maxValues} values.
 */
export const jsonReader = <A>(schema: Schema.Decoder<A>): ((body: string) => Option.Option<A>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (body) => (isTooMuch(body) ? Option.none() : Option.flatMap(parse(body), (value) => decode(value)))
}

const isTooMuch = (json: string): boolean => {
  let depth = 0
  let values = 0
  for (let at = 0; at < json.length; at += 1) {
    switch (json.charCodeAt(at)) {
      case quote:
        at = endOfString(json, at)
        break
      case openBracket:
      case openBrace:
        depth += 1
        values += 1
        if (depth > maxDepth || values > maxValues) return true
        break
      case comma:
        values += 1
        if (values > maxValues) return true
        break
      case closeBracket:
      case closeBrace:
        depth -= 1
        break
    }
  }
  return false
}

/** The most characters of a row, and of what is around the list. Kite's rows have about a thousand. */
const maxRowLength = 1024 * 1024

/**
 * The texts of the elements of the list `data` in a JSON object, one by one and unparsed. Returns the object without them, or null
 * if there is no such list, or a longer or deeper one than Kite sends. Between two rows it reads no more than a row's length, so
 * that its caller can pause.
 */
export function* rowTexts(json: string): Generator<string, string | null> {
  let depth = 0
  let listStart = -1
  let rowStart = 0
  for (let at = 0; at < json.length && at - rowStart <= maxRowLength; at += 1) {
    switch (json.charCodeAt(at)) {
      case quote:
        at = endOfString(json, at, rowStart + maxRowLength)
        break
      case openBracket:
      case openBrace:
        depth += 1
        if (depth > maxDepth) return null
        if (depth === 2 && listStart === -1 && opensList.test(json.slice(Math.max(0, at - maxOpening), at + 1))) {
          listStart = at + 1
          rowStart = listStart
        }
        break
      case closeBracket:
      case closeBrace:
        depth -= 1
        if (depth === 1 && listStart !== -1) {
          if (rowStart > listStart || json.slice(listStart, at).trim() !== "") yield json.slice(rowStart, at)
          return json.length - at > maxRowLength ? null : json.slice(0, listStart) + json.slice(at)
        }
        break
      case comma:
        if (depth !== 2 || listStart === -1) break
        yield json.slice(rowStart, at)
        rowStart = at + 1
        break
    }
  }
  return null
}

/** The end of a text in which the list `data` is opened, and how much of the text is looked at. */
const opensList = /(?<!\\)"data"\s*:\s*\[$/
const maxOpening = 50

/** The place of the quote that ends the string that begins at `start`, or the end of the text, or `limit`. */
const endOfString = (json: string, start: number, limit = json.length): number => {
  // A text without an end is looked through once, because its reader stops there.
  for (let at = json.indexOf('"', start + 1); at !== -1 && at < limit; at = json.indexOf('"', at + 1)) {
    let escapes = at - 1
    while (escapes > start && json.charCodeAt(escapes) === backslash) escapes -= 1
    if ((at - 1 - escapes) % 2 === 0) return at
  }
  return limit
}

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
