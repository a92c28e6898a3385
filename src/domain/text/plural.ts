/** `1 slice`, `3 slices`. */
export const counted = (count: number | string, what: string): string =>
  `${count} ${what}${String(count) === "1" ? "" : "s"}`
