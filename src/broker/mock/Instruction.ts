import { Context, Duration } from "effect"

/**
 * The instruction of a layer above to the simulated exchange, for one placement. It travels with the call through all
 * layers in between; a layer changes its part with `Effect.updateService(Instruction, …)`.
 */
export interface Instruction {
  /** Fill the whole order, or a part while the rest stays open. */
  readonly fill: "whole" | "part"
  /** Refuse the placement at once and for good; null does not. */
  readonly refusal: { readonly code: string; readonly message: string } | null
  /** Acknowledge the order and reject it later for this reason; null does not. */
  readonly rejection: string | null
  /** How long the order takes to appear in the order list. */
  readonly arrivesAfter: Duration.Duration
}

export const Instruction = Context.Reference<Instruction>("pulse-background/mock/Instruction", {
  defaultValue: () => ({ fill: "whole", refusal: null, rejection: null, arrivesAfter: Duration.zero })
})
