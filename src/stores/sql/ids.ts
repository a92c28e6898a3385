import { Schema } from "effect"

/** A row of which only its id is wanted. */
export const Id = Schema.Struct({ id: Schema.String })

/** The ids of rows, in their order. */
export const idsOf = <A>(rows: ReadonlyArray<{ readonly id: A }>): ReadonlyArray<A> => rows.map(({ id }) => id)
