import { Option, Schema } from "effect"

/** Kite's answers are about four levels deep. */
const maxDepth = 64

/**
 * The most values of a body. The order list of a whole day has about 40 for each of at most 5,000 orders. The time to parse
 * depends on their number: 16 MiB of empty rows take some seconds, in which no slice is placed.
 */
const maxValues = 500_000

const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

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

/** The place of the quote that ends the string that begins at `start`, or the end of the text. */
const endOfString = (json: string, start: number): number => {
  for (let at = start + 1; at < json.length; at += 1) {
    const code = json.charCodeAt(at)
    if (code === quote) return at
    if (code === backslash) at += 1
  }
  return json.length
}

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
