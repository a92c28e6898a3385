/*
 * How far back claims look. Slices are claimed in the order of their due times, and the places that claimed ones had remain in the
 * index for as long as any transaction can still see them; a look from the beginning would read them all again. So once a look has
 * seen all that is due, the next ones begin a minute ago, and only now and then one sees all again. So that they
 * see it, a slice that comes into the queue, or back to it, is due there no longer ago than half of that: the other half is for the
 * transaction that brings it. One that takes longer costs its slices the time until all is looked at again, half a minute at most.
 */

export const lookBackMillis = 60_000

export const maxOverdueMillis = lookBackMillis / 2

/** When a slice is due in the queue that comes to it now, all in milliseconds since 1970. */
export const dueInQueue = (dueMillis: number, nowMillis: number): number =>
  dueMillis < nowMillis - maxOverdueMillis ? nowMillis : dueMillis
