import type { BrokerAnswer } from "./areas/answers.ts"
import type { RowInput } from "./rows/RowInput.ts"

/** An input that a judge has accused, and what the service did with it before its mistake was mended. */
export interface Case<Input> {
  readonly input: Input
  readonly bug: string
}

/** Every input that ever failed, by its area. Each is judged again in every test run and before every fuzz run. */
export const cases = {
  rows: [] satisfies ReadonlyArray<Case<RowInput>>,
  answers: [] satisfies ReadonlyArray<Case<BrokerAnswer>>
}
