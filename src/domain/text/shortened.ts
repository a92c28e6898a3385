/** The beginning of a text that is longer than `max` characters, with its length; any other text as it is. */
export const shortened = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max)}… (${text.length} characters)`
