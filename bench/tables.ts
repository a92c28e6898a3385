import type { Extent } from "./extent.ts"
import type { GoalVerdict } from "./goals.ts"
import { type Figures, withSpread } from "./measuredFigures.ts"

/** All figures as a Markdown table. */
export const figureTable = (figures: Figures): string =>
  [
    "| scenario | who | figure | median (min to max) |",
    "| --- | --- | --- | --- |",
    ...figures.all.map(
      ({ scenario, who, what, values }) => `| ${scenario} | ${who} | ${what} | ${withSpread(values)} |`
    )
  ].join("\n")

/** The goals as a Markdown table. */
export const goalTable = (verdicts: ReadonlyArray<GoalVerdict>): string =>
  [
    "| what | reach | measured | reached |",
    "| --- | --- | --- | --- |",
    ...verdicts.map(
      ({ what, reach, measured, isMet }) => `| ${what} | ${reach} | ${measured} | ${isMet ? "yes" : "**no**"} |`
    )
  ].join("\n")

/** How often what is compared was measured. */
export const repeatsText = ({ repeats, largeRepeats }: Pick<Extent, "repeats" | "largeRepeats">): string =>
  `What a goal compares is measured ${times(repeats)}, what is large ${times(Math.min(repeats, largeRepeats))}.`

const times = (count: number): string => (count === 1 ? "once" : `${count} times`)

/** The page with its parts between `<!-- name -->` and `<!-- end -->` replaced. Throws if the page has no such part. */
export const withParts = (page: string, parts: Readonly<Record<string, string>>): string =>
  Object.entries(parts).reduce((text, [name, part]) => {
    const marks = new RegExp(`(<!-- ${name} -->)[^]*?(<!-- end -->)`)
    if (!marks.test(text)) throw new Error(`The page has no part <!-- ${name} --> … <!-- end -->`)
    return text.replace(marks, (_, start: string, end: string) => `${start}\n\n${part}\n\n${end}`)
  }, page)
