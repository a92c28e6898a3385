/** Whether the order `o` is on hold for a double placement; false if that was resolved and the order was paused later. */
export const heldForDouble = `
  (o.hold_reason IS NOT NULL
    AND EXISTS (SELECT FROM double_placements d WHERE d.order_id = o.id AND d.seen_at >= o.held_at))`
