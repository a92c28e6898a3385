import { Option } from "effect"
import { Argument, Flag } from "effect/cli"

// Flags and arguments with a range or a length, and a message that says which. What must have a shape, such as an
// instrument or a price, is checked where the shape is known.

/**
 * A flag with a whole number in plain digits: `0x10` and `1e3` are refused. Without a range it is for numbers that the
 * command checks together with others.
 */
export const wholeFlag = (
  name: string,
  { minimum, maximum }: { readonly minimum: number; readonly maximum: number } = anyNumber
): Flag.Flag<number> =>
  Flag.String(name).pipe(
    Flag.filterMap(
      (text) => wholeIn(text, minimum, maximum),
      () =>
        minimum === -Infinity
          ? "a whole number of at most 15 digits, such as 100"
          : `a whole number from ${minimum} to ${maximum}`
    ),
    Flag.withMetavar("integer")
  )

/** The same as an argument, within a range. */
export const wholeArgument = (
  name: string,
  { minimum, maximum }: { readonly minimum: number; readonly maximum: number }
): Argument.Argument<number> =>
  Argument.String(name).pipe(
    Argument.filterMap(
      (text) => wholeIn(text, minimum, maximum),
      () => `a whole number from ${minimum} to ${maximum}`
    )
  )

const wholeIn = (text: string, minimum: number, maximum: number): Option.Option<number> =>
  Option.some(text).pipe(
    Option.filter((digits) => /^-?\d{1,15}$/.test(digits)),
    Option.map(Number),
    Option.filter((value) => value >= minimum && value <= maximum)
  )

const anyNumber = { minimum: -Infinity, maximum: Infinity }

/** A flag with a text of at most so many characters. */
export const textFlag = (name: string, maximum: number): Flag.Flag<string> =>
  Flag.String(name).pipe(
    Flag.filter(
      (text) => text.length <= maximum,
      () => `at most ${maximum} characters`
    )
  )

/** An argument with a text of at most so many characters. */
export const textArgument = (name: string, maximum: number): Argument.Argument<string> =>
  Argument.String(name).pipe(
    Argument.filter(
      (text) => text.length <= maximum,
      () => `at most ${maximum} characters`
    )
  )

/** The most characters of an id, an instrument and the like: rows of other programs may have longer ids than new orders. */
export const maxIdLength = 200
/** The most characters of a list of numbers. */
export const maxListLength = 20_000
/** The most characters of a file's name. */
export const maxPathLength = 4096
/** The most characters of a reason: it is stored, and people are told of it. */
export const maxReasonLength = 1000

/** How many rows a list has at most. */
export const limitFlag = wholeFlag("limit", { minimum: 1, maximum: 10_000 }).pipe(
  Flag.withDescription("How many at most"),
  Flag.withDefault(20)
)

/** How many seconds to wait, up to a day. */
export const waitFlag = (seconds: number, description: string) =>
  wholeFlag("wait", { minimum: 0, maximum: 86_400 }).pipe(Flag.withDescription(description), Flag.withDefault(seconds))
