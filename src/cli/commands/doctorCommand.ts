import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { type Check } from "../../doctor/Check.ts"
import { counted } from "../../domain/text/plural.ts"
import { newestSlices } from "../../stores/operations/DoctorStore.ts"
import { examine } from "../doctor/examine.ts"
import { CommandFailed, json, print } from "../shared/environment.ts"
import { pad, widthOf } from "../terminal/text.ts"

const allSlices = Flag.Boolean("all-slices").pipe(
  Flag.withDescription(
    `Look for every slice in its table, not for the newest ${newestSlices} of each: minutes where there are millions`
  ),
  Flag.withDefault(false)
)

export const doctorCommand = Command.make(
  "doctor",
  { json, allSlices },
  Effect.fnUntraced(function* (given) {
    const checks = yield* examine(given.allSlices ? "all" : "newest")
    const problems = checks.filter(({ verdict }) => verdict === "PROBLEM")
    yield* print(given.json, { healthy: problems.length === 0, checks }, () => checksText(checks))
    if (problems.length > 0) {
      const names = [...new Set(problems.map(({ name }) => name))]
      return yield* new CommandFailed({ message: `${counted(problems.length, "PROBLEM")}: ${names.join(", ")}` })
    }
  })
).pipe(
  Command.withDescription(
    "Check everything that placements depend on, and say what to do; exit 0 when nothing is a PROBLEM, 1 otherwise"
  )
)

const checksText = (checks: ReadonlyArray<Check>): ReadonlyArray<string> => {
  const width = Math.max(...checks.map(({ name }) => widthOf(name)))
  const indent = " ".repeat("PROBLEM".length + 2 + width + 2)
  return checks.flatMap(({ name, verdict, found, todo }) => [
    `${pad(verdict, "PROBLEM".length)}  ${pad(name, width)}  ${found}`,
    ...(todo === null ? [] : [`${indent}→ ${todo}`])
  ])
}
