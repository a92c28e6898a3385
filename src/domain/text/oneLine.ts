/** A text as one line, without what would move a terminal's cursor or turn the direction of what follows. */
export const oneLine = (text: string): string => text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim()
