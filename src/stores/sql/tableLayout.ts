/**
 * The layout of the slices' tables that this service reads and writes. It stands in each heartbeat and each claim of an order: the
 * database refuses those of a daemon that knows another one.
 */
export const tableLayout = 2
