import { Context, Duration } from "effect"

/**
 * What a layer above tells the simulated exchange to do with one placement. It travels with the call, past every layer
 * in between; a layer changes its part with `Effect.updateService(Instruction, …)`.
 */
export interface Instruction {
  /** Fill all of it, or a part while the rest stays open. */
  readonly fill: "whole" | "part"
  /** Refuse it at once, for good. */
  readonly refusal: { readonly code: string; readonly message: string } | null
  /** Acknowledge it, and reject it later for this reason. */
  readonly rejection: string | null
  /** How long the exchange takes to notice it: so long it is in nobody's sight. */
  readonly arrivesAfter: Duration.Duration
}

export const Instruction = Context.Reference<Instruction>("pulse-background/mock/Instruction", {
  defaultValue: () => ({ fill: "whole", refusal: null, rejection: null, arrivesAfter: Duration.zero })
})
