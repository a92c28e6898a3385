import { Schema } from "effect"

/** A row with nothing but its id. */
export const Id = Schema.Struct({ id: Schema.String })

/** The ids of rows, in the order of the rows. */
export const idsOf = <A>(rows: ReadonlyArray<{ readonly id: A }>): ReadonlyArray<A> => rows.map(({ id }) => id)
