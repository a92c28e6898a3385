/** Whether an order is finished, by its state in the view `order_progress`. */
export const isFinishedState = (state: string): boolean =>
  !["pending", "splitting", "working", "held", "cancelling"].includes(state)
