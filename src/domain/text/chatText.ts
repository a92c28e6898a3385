import { safe } from "./safe.ts"

/**
 * A text for a chat message, in a form that shows as it is in Slack, in Mattermost, and wherever code spans are known:
 * without markup, mentions, links and emoji.
 *
 * It is one code span, in which none of them is recognised, so that ids and commands can be copied from it. Slack and
 * Mattermost translate some sequences before they read the markup, push notifications show the text without reading it, and
 * Mattermost ignores the fields that turn mentions off. Therefore the characters that begin such a sequence, and that no
 * id of a valid order has, are also replaced by their fullwidth forms, which look alike and mean nothing: `@` by `＠`. So are
 * the colons of `:name:` and of `scheme://`. A pictograph becomes `?`: it would look like the mark before a message.
 */
export const chatText = (text: string): string => {
  const inert = safe(text)
    .replaceAll(/\p{Extended_Pictographic}\ufe0f?/gu, "?")
    .replaceAll(/[&<>@`*~|[\]]/g, fullwidth)
    .replaceAll(/:(?=\/\/|(?!\d+:)[^\s:]+:)/g, fullwidth)
  return `\`${inert}\``
}

const fullwidth = (ascii: string): string => String.fromCharCode(ascii.charCodeAt(0) + 0xfee0)
