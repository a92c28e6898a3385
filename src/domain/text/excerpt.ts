const maxLength = 200

/** The beginning of a received text, quoted on one line; `empty` stands for a text without content. */
export const excerpt = (text: string, empty: string): string =>
  text === "" ? empty : JSON.stringify(text.slice(0, maxLength))
