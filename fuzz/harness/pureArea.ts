import { Effect } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import type { Area, Finding } from "./Area.ts"
import type { Effort } from "./Effort.ts"
import { FuzzRun } from "./FuzzRun.ts"
import { inReport } from "./texts.ts"

interface Boundary<Input, Read> {
  readonly name: string
  readonly weight?: number
  readonly generate: (choices: SeededChoices) => Input
  readonly read: (input: Input) => Read
  readonly verdict: (input: Input, read: Read) => string | null
}

/**
 * An area whose boundary is a function: `read` is the service's own, and its cost is measured; `verdict` says what is wrong
 * with what it returned, or null.
 */
export const pureArea = <Input, Read>(of: Boundary<Input, Read>): Area<Input> => ({
  name: of.name,
  batchSize: 100,
  inFlight: 1,
  weight: of.weight ?? 1,
  generate: of.generate,
  shown: (input) => inReport(typeof input === "string" ? input : JSON.stringify(input)),
  open: Effect.succeed(
    Effect.fnUntraced(function* (samples) {
      const { effort } = yield* FuzzRun
      const findings: Array<Finding> = []
      let beganMillis = performance.now()
      for (const { index, input } of samples) {
        const what = problemWith(of, effort, index, input)
        if (what !== null) findings.push({ index, what })
        if (performance.now() - beganMillis < maxTurnMillis) continue
        yield* Effect.yieldNow
        beganMillis = performance.now()
      }
      return findings
    })
  )
})

/** The event loop gets a turn after this time, so that its delay shows single inputs and not whole batches. */
const maxTurnMillis = 20

const problemWith = <Input, Read>(
  of: Boundary<Input, Read>,
  effort: Effort,
  index: number,
  input: Input
): string | null => {
  try {
    const { result, problem } = effort.of(index, () => of.read(input))
    return of.verdict(input, result) ?? problem
  } catch (error) {
    return `a defect: ${describe(error)}`
  }
}

/** A thrown value with its place, on one line. */
const describe = (error: unknown): string =>
  error instanceof Error
    ? `${error.name}: ${error.message} ${(error.stack ?? "").split("\n")[1]?.trim() ?? ""}`
    : String(error)
