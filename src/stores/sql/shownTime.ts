/**
 * A time column for a statement that shows it: another program may have written any time that PostgreSQL can hold, and a Date
 * holds fewer. NULL stays NULL.
 */
export const shownTime = (column: string): string =>
  `CASE WHEN ${column} IS NOT NULL THEN least(greatest(${column}, '0001-01-01Z'), '9999-12-31Z') END`
