const maxLength = 200

/** The beginning of what somebody sent, quoted on one line; `empty` says so when there is nothing. */
export const excerpt = (text: string, empty: string): string =>
  text === "" ? empty : JSON.stringify(text.slice(0, maxLength))
