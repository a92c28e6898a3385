import type { BrokerAnswer } from "./areas/answers.ts"
import type { CalendarText } from "./areas/calendar.ts"
import type { ChatInput } from "./areas/chat.ts"
import type { Dump } from "./areas/dump.ts"
import type { HttpAnswer } from "./areas/http.ts"
import type { QuotesBody } from "./areas/quotes.ts"
import type { Environment } from "./areas/settings.ts"
import type { RowInput } from "./rows/RowInput.ts"

/** An input that a judge has accused, and what the service did with it before its mistake was mended. */
export interface Case<Input> {
  readonly input: Input
  readonly bug: string
}

/** Every input that ever failed, by its area. Each is judged again in every test run and before every fuzz run. */
export const cases = {
  rows: [] satisfies ReadonlyArray<Case<RowInput>>,
  answers: [] satisfies ReadonlyArray<Case<BrokerAnswer>>,
  http: [] satisfies ReadonlyArray<Case<HttpAnswer>>,
  quotes: [] satisfies ReadonlyArray<Case<QuotesBody>>,
  dump: [] satisfies ReadonlyArray<Case<Dump>>,
  calendar: [] satisfies ReadonlyArray<Case<CalendarText>>,
  settings: [] satisfies ReadonlyArray<Case<Environment>>,
  chat: [] satisfies ReadonlyArray<Case<ChatInput>>
}
