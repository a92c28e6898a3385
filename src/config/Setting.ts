import { BigDecimal, Duration, Option, Redacted, Result } from "effect"

/** One environment variable: how its text is decoded, and its default. */
export interface Setting<A> {
  readonly name: string
  /** Another name of the variable, which wins where both are set. */
  readonly alias?: string
  /** The default as it would be written in the environment; empty when there is none. */
  readonly defaultText: string
  readonly defaultValue: A
  readonly isSecret?: true
  /** The most characters of its text; {@link usualLength} if left out. */
  readonly maxLength?: number
  /** Fails with a description that completes "NAME must be …". */
  readonly decode: (text: string) => Result.Result<A, string>
}

export const usualLength = 1000
const urlLength = 8192
const listLength = 65_536
const wordLength = 64

/**
 * The number that is written in digits, such as `10` or `0.25`; null for any other text, such as `0x10`, `1e3`, `-0` and
 * `Infinity`: what a person reads in a setting is what it is.
 */
export const plainNumber = (text: string): number | null =>
  /^(\d{1,16}(\.\d{1,16})?|\.\d{1,16})$/.test(text) ? Number(text) : null

const number =
  (isWhole: boolean, minimum: number, maximum: number) =>
  (text: string): Result.Result<number, string> => {
    const value = plainNumber(text)
    return value !== null && value >= minimum && value <= maximum && (!isWhole || Number.isInteger(value))
      ? Result.succeed(value)
      : Result.fail(`a ${isWhole ? "whole " : ""}number from ${minimum} to ${maximum}`)
  }

const durationIn =
  (toDuration: (amount: number) => Duration.Duration) =>
  (name: string, value: number, minimum: number, maximum: number): Setting<Duration.Duration> => ({
    name,
    defaultText: `${value}`,
    defaultValue: toDuration(value),
    decode: (text) => Result.map(number(false, minimum, maximum)(text), toDuration)
  })

export const millis = durationIn(Duration.millis)
export const seconds = durationIn(Duration.seconds)
export const minutes = durationIn(Duration.minutes)

export const whole = (name: string, value: number, minimum: number, maximum: number): Setting<number> => ({
  name,
  defaultText: `${value}`,
  defaultValue: value,
  decode: number(true, minimum, maximum)
})

export const share = (name: string, value: number): Setting<number> => ({
  name,
  defaultText: `${value}`,
  defaultValue: value,
  decode: number(false, 0, 1)
})

export const oneOf = <const A extends string>(
  name: string,
  value: NoInfer<A>,
  choices: ReadonlyArray<A>
): Setting<A> => ({
  name,
  defaultText: value,
  defaultValue: value,
  decode: (text) =>
    Result.fromNullishOr(
      choices.find((choice) => choice === text),
      () => `one of ${choices.join(", ")}`
    )
})

export const listOf = <const A extends string>(
  name: string,
  value: ReadonlyArray<NoInfer<A>>,
  choices: ReadonlyArray<A>
): Setting<ReadonlyArray<A>> => ({
  name,
  defaultText: value.join(","),
  defaultValue: value,
  maxLength: listLength,
  decode: (text) => {
    const words = text.split(",").map((word) => word.trim())
    const known = choices.filter((choice) => words.includes(choice))
    return words.every((word) => known.some((choice) => choice === word))
      ? Result.succeed(words.flatMap((word) => known.filter((choice) => choice === word)))
      : Result.fail(`a comma-separated list of ${choices.join(", ")}`)
  }
})

export const text = (name: string, value: string): Setting<string> => ({
  name,
  defaultText: value,
  defaultValue: value,
  decode: (given) => (given === "" ? Result.fail("non-empty") : Result.succeed(given))
})

/** The path of a file or a folder. */
export const path = (name: string, value: string): Setting<string> => ({ ...text(name, value), maxLength: 4096 })

/** A comma-separated list of words of one shape, each of at most 64 characters. */
export const wordList = (name: string, shape: RegExp, example: string): Setting<ReadonlyArray<string>> => ({
  name,
  defaultText: "",
  defaultValue: [],
  maxLength: listLength,
  decode: (given) => {
    const words = given.split(",").map((word) => word.trim())
    return words.every((word) => word.length <= wordLength && shape.test(word))
      ? Result.succeed(words)
      : Result.fail(`a comma-separated list such as ${example}`)
  }
})

/** An amount of money above 0, exact. */
export const money = (name: string): Setting<Option.Option<BigDecimal.BigDecimal>> => ({
  name,
  defaultText: "",
  defaultValue: Option.none(),
  decode: (given) =>
    /^\d{1,20}(\.\d{1,4})?$/.test(given) && !/^[0.]+$/.test(given)
      ? Result.succeed(BigDecimal.fromString(given))
      : Result.fail("an amount above 0 such as 250000 or 99.95")
})

/** A percentage above 0 and up to 100, exact. */
export const percent = (name: string): Setting<Option.Option<BigDecimal.BigDecimal>> => ({
  name,
  defaultText: "",
  defaultValue: Option.none(),
  decode: (given) =>
    /^\d{1,3}(\.\d{1,4})?$/.test(given) && Number(given) > 0 && Number(given) <= 100
      ? Result.succeed(BigDecimal.fromString(given))
      : Result.fail("a percentage above 0 and up to 100, such as 5 or 2.5")
})

export const optional = <A>(setting: Setting<A>): Setting<Option.Option<A>> => ({
  ...setting,
  defaultText: "",
  defaultValue: Option.none(),
  decode: (given) => Result.map(setting.decode(given), Option.some)
})

/** A secret. It is never shown, not even when it is invalid. */
export const secret = (name: string): Setting<Option.Option<Redacted.Redacted>> => ({
  name,
  defaultText: "",
  defaultValue: Option.none(),
  isSecret: true,
  maxLength: urlLength,
  decode: (given) =>
    /^[\x21-\x7e]+$/.test(given)
      ? Result.succeed(Option.some(Redacted.make(given)))
      : Result.fail("one word of plain characters, without spaces or line breaks")
})

export const secretUrl = (
  name: string,
  protocols: ReadonlyArray<string>,
  example: string
): Setting<Option.Option<Redacted.Redacted>> => ({
  ...secret(name),
  decode: (given) =>
    isUrl(given, protocols)
      ? Result.succeed(Option.some(Redacted.make(given)))
      : Result.fail(`a URL such as ${example}`)
})

/** A base URL, without credentials, and read without a trailing slash. */
export const url = (name: string, value: string, protocols: ReadonlyArray<string>): Setting<string> => ({
  name,
  defaultText: value,
  defaultValue: value,
  maxLength: urlLength,
  decode: (given) => Result.fromNullishOr(baseUrl(given, protocols), () => `a URL such as ${value}`)
})

/** A URL without trailing slashes; null for one of another protocol, or with credentials, a query or a fragment. */
export const baseUrl = (given: string, protocols: ReadonlyArray<string>): string | null => {
  if (!isUrl(given, protocols)) return null
  const { username, password, search, hash } = new URL(given)
  return `${username}${password}${search}${hash}` === "" ? given.replace(/(?<!\/)\/+$/, "") : null
}

const isUrl = (given: string, protocols: ReadonlyArray<string>): boolean =>
  URL.canParse(given) && protocols.includes(new URL(given).protocol)
