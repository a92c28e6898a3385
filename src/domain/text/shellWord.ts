/**
 * A text as one word of a suggested command, for any POSIX shell: quoted unless it has only letters, digits and
 * `_.:/-`, and does not begin with `-`. What a shell obeys between double quotes, too, gets a backslash instead of
 * single quotes, so that the command stays harmless when it is pasted with the quotes of the message around it.
 */
export const shellWord = (text: string): string =>
  /^[\w.:/][\w.:/-]*$/.test(text) ? text : text.replaceAll(/[$`"\\!']|[^$`"\\!']+/g, quoted) || "''"

const quoted = (part: string): string => (/^[$`"\\!']$/.test(part) ? `\\${part}` : `'${part}'`)
