import { reasonCodes, reasonMeanings } from "../../src/domain/model/reason.ts"

const begin = "<!-- The table is generated: npm run docs:reasons -->\n"
const end = "<!-- End of the table -->\n"

/** The page with its table of reason codes made anew from the code's own. */
export const reasonsPage = (page: string): string => {
  const [before, rest = ""] = page.split(begin)
  const [, after = ""] = rest.split(end)
  const rows = reasonCodes.map((code) => {
    const { of, meaning } = reasonMeanings[code]
    return `| \`${code}\` | ${of.join(", ")} | ${meaning} |\n`
  })
  return `${before}${begin}\n| code | of | meaning |\n| --- | --- | --- |\n${rows.join("")}\n${end}${after}`
}
