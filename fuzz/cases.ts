import type { BrokerAnswer } from "./areas/answers.ts"
import type { BookBody } from "./areas/book.ts"
import type { CalendarText } from "./areas/calendar.ts"
import type { ChatInput } from "./areas/chat.ts"
import type { Dump } from "./areas/dump.ts"
import type { FileInput } from "./areas/files.ts"
import type { FlagsInput } from "./areas/flags.ts"
import type { Frames } from "./areas/frames.ts"
import type { HttpAnswer } from "./areas/http.ts"
import type { QuotesBody } from "./areas/quotes.ts"
import type { Environment } from "./areas/settings.ts"
import type { Case } from "./harness/Case.ts"
import { rowCases } from "./rowCases.ts"

/** Every input that ever failed, by its area. Each is judged again in every test run and before every fuzz run. */
export const cases = {
  rows: rowCases,
  answers: [
    {
      input: { request: "order", status: 503, body: "\ufeff\u009b31m\u202e<html>Bad Gateway</html>" },
      bug: "the message quoted the body with its control and format characters"
    }
  ] satisfies ReadonlyArray<Case<BrokerAnswer>>,
  http: [] satisfies ReadonlyArray<Case<HttpAnswer>>,
  quotes: [] satisfies ReadonlyArray<Case<QuotesBody>>,
  dump: [] satisfies ReadonlyArray<Case<Dump>>,
  calendar: [
    {
      input: { json: JSON.stringify({ until: "&".repeat(10_000), days: [] }) },
      bug: "the problem quoted the whole day"
    },
    {
      input: { json: JSON.stringify({ ["k".repeat(10_000)]: 1, days: [] }) },
      bug: "the problem quoted the whole key"
    }
  ] satisfies ReadonlyArray<Case<CalendarText>>,
  settings: [] satisfies ReadonlyArray<Case<Environment>>,
  chat: [] satisfies ReadonlyArray<Case<ChatInput>>,
  book: [] satisfies ReadonlyArray<Case<BookBody>>,
  frames: [] satisfies ReadonlyArray<Case<Frames>>,
  files: [] satisfies ReadonlyArray<Case<FileInput>>,
  flags: [] satisfies ReadonlyArray<Case<FlagsInput>>
}
