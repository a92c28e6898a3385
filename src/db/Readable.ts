/** Rows that could be read. `leftOut`: how many the statement answered beside them that could not; none where it is not there. */
export type Readable<A> = ReadonlyArray<A> & { readonly leftOut?: number }

/** How many rows the statement answered: whether there may be more is told by these, not by those that could be read. */
export const answeredRows = (rows: Readable<unknown>): number => rows.length + (rows.leftOut ?? 0)
