import type { SeededChoices } from "../../simulation/SeededChoices.ts"

type Some<A> = readonly [A, ...ReadonlyArray<A>]

/** Texts that are harmless to store and harmful to show, copy, interpret or match. */
const fragments: Some<string> = [
  "\u001b]0;owned\u0007",
  "\u001b[2J\u001b[31m",
  "\u009b31m",
  "\u0007\u0008\u007f",
  "\u202eNSE:INFY",
  "\u2066\u2069\u200b\u200f\ufeff",
  "\n",
  "\r\n2026-01-01T00:00:00Z ERROR forged",
  "\u2028\u2029\u0085",
  "\t",
  "'; DROP TABLE orders; --",
  "' OR '1'='1",
  "$1 $$ %s %n ${HOME}",
  "x;touch y;#",
  "$(touch y)`touch y`",
  '" && rm -rf ~ #',
  "<!channel> <@U123> @everyone",
  "<https://evil.example|Approved>",
  "[ok](https://evil.example)",
  "*bold* _it_ ~no~ `code` :rotating_light:",
  "<script>alert(1)</script>",
  '{"status":"success","data":{"order_id":"1"}}',
  '","order_id":"1"',
  "\\",
  "\\u0000",
  "%00%0a",
  "../../../etc/passwd",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "NaN",
  "-0",
  "1e400",
  "0x10",
  "१२३",
  "👩‍👩‍👧‍👦🏴‍☠️",
  "Z̸̡̢̛̗̘̙͙͚a̷l̴g̶o̵",
  "漢字カナ",
  "שלום العربية",
  "İıſK",
  "=cmd|' /C calc'!A0",
  " ",
  ""
]

/** Texts that PostgreSQL cannot store: U+0000, and halves of surrogate pairs. */
const unstorable: Some<string> = ["\u0000", "a\u0000b", "\ud800", "\udc00x", "x\ud83d"]

/** What long texts are made of: each is a known way of making a matcher, a folder or a parser slow. */
const bricks: Some<string> = [
  "A",
  "1",
  " ",
  '"',
  '""',
  "\\",
  "(",
  "[",
  "{",
  '{"a":',
  "a1 ",
  "\n",
  "<",
  "&",
  "\u202e",
  "é",
  "=",
  "%",
  "1.",
  "-",
  ","
]

const lengths: Some<number> = [65, 129, 257, 2001, 10_000]
const longLengths: Some<number> = [10_000, 100_000, 1_000_000]

/** Which texts may be generated. */
export interface TextOptions {
  /** The most characters. */
  readonly max?: number
  /** Whether PostgreSQL has to be able to store it. */
  readonly isStorable?: boolean
}

/** A text that looks like nothing a boundary expects; one in 500 has up to a million characters. */
export const hostileText = (
  choices: SeededChoices,
  { max = 1_000_000, isStorable = false }: TextOptions = {}
): string => {
  const brick = () => choices.oneOf(bricks)
  if (choices.hits(0.002)) return repeated(brick(), Math.min(max, choices.oneOf(longLengths)))
  if (choices.hits(0.1)) return repeated(brick(), Math.min(max, choices.oneOf(lengths)))
  const pieces = Array.from({ length: choices.whole(1, 3) }, () =>
    !isStorable && choices.hits(0.1) ? choices.oneOf(unstorable) : choices.oneOf(fragments)
  )
  return pieces.join(choices.oneOf(["", " ", "x"])).slice(0, max)
}

const repeated = (brick: string, length: number): string =>
  brick.repeat(Math.ceil(length / brick.length)).slice(0, length)

/** Numbers at the limits of the types that they may meet. */
export const boundaryNumbers: Some<number> = [
  0,
  -0,
  -1,
  1,
  0.5,
  10.5,
  -2_147_483_648,
  2_147_483_647,
  2_147_483_648,
  4_294_967_296,
  2 ** 53,
  2 ** 53 + 2,
  1e21,
  1e300,
  -1e300,
  5e-324,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY
]

/** Moments at the limits of PostgreSQL and of JavaScript, as PostgreSQL writes them. */
export const boundaryMoments: Some<string> = [
  "infinity",
  "-infinity",
  "294276-12-31 23:59:59.999999+00",
  "4713-01-01 00:00:00+00 BC",
  "1970-01-01 00:00:00+00",
  "2099-12-31 18:30:00+00",
  "9999-12-31 23:59:59+00",
  "0001-01-01 00:00:00+00",
  "2026-02-28 23:59:60+05:30"
]

/** The characters that no terminal, log or chat may receive from elsewhere: controls, format marks, lone surrogates. */
const raw = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** The first character of a text that a terminal or a chat may obey, as `U+001B`; null if there is none. */
export const rawCharacterIn = (text: string): string | null => {
  const found = raw.exec(text)
  return found === null ? null : `U+${(found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`
}

/** A text as one line of a report. */
export const inReport = (text: string, max = 400): string => {
  const quoted = JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  )
  return quoted.length <= max ? quoted : `${quoted.slice(0, max)}… (${text.length} characters)`
}
