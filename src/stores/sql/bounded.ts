/**
 * A text column that other programs may write, cut at `max` characters: the driver fails a whole statement when one row is longer
 * than 16 MiB, and all rows of a result are in memory at once. It keeps the column's name.
 */
export const bounded = (column: string, max: number): string =>
  `left(${column}, ${max}) AS ${column.slice(column.lastIndexOf(".") + 1)}`

/** The most characters of a column that is shown to people. The service's own reasons have fewer. */
export const maxShown = 10_000
