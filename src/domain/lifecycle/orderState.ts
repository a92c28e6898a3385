/** Whether nothing more will happen to an order, by the one word that `order_progress` has for it. */
export const isFinishedState = (state: string): boolean =>
  !["pending", "splitting", "working", "held", "cancelling"].includes(state)
