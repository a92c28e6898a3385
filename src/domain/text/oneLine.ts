/** A text as one line, without control characters and characters that change the writing direction. */
export const oneLine = (text: string): string => text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim()
