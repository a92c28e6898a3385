import { Result } from "effect"
import { parseArgs } from "node:util"

/** What the command line asks for. */
export interface FuzzArguments {
  readonly seed: number
  /** How many inputs, over all areas. */
  readonly count: number
  /** The only index of the seed to run; null for all from 0 to the area's share of `count`. */
  readonly only: number | null
  /** The names of the areas to run. */
  readonly areas: ReadonlyArray<string>
}

const usage = (names: ReadonlyArray<string>): string =>
  `npm run fuzz -- --seed N --count M [--only INDEX] [--area NAME …], with the areas ${names.join(", ")}`

/** Reads the arguments; fails with what is wrong with them, and how they are written. */
export const readArguments = (
  args: ReadonlyArray<string>,
  names: ReadonlyArray<string>
): Result.Result<FuzzArguments, string> =>
  Result.gen(function* () {
    const given = yield* parsed(args)
    const areas = given.area ?? names
    const strange = areas.find((name) => !names.includes(name))
    if (strange !== undefined) return yield* Result.fail(`There is no area ${JSON.stringify(strange)}`)
    const [seed, count, only] = yield* Result.all([
      wholeNumber("seed", given.seed ?? "1"),
      wholeNumber("count", given.count ?? "10000"),
      given.only === undefined ? Result.succeed(null) : wholeNumber("only", given.only)
    ])
    return { seed, count, only, areas: names.filter((name) => areas.includes(name)) }
  }).pipe(Result.mapError((problem) => `${problem}.\nUse ${usage(names)}`))

const parsed = (args: ReadonlyArray<string>) =>
  Result.try({
    try: () =>
      parseArgs({
        args: [...args],
        options: {
          seed: { type: "string" },
          count: { type: "string" },
          only: { type: "string" },
          area: { type: "string", multiple: true }
        }
      }).values,
    catch: (error) => (error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error))
  })

const wholeNumber = (flag: string, text: string): Result.Result<number, string> =>
  /^\d{1,15}$/.test(text)
    ? Result.succeed(Number(text))
    : Result.fail(`--${flag} must be a whole number from 0, not ${JSON.stringify(text)}`)
