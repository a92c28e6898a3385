import { BigDecimal } from "effect"
import type { InstrumentDetails } from "../../domain/market/InstrumentDetails.ts"
import { Instrument } from "../../domain/model/Order.ts"

/**
 * The expiry of the invented futures and options. A near day would make examples and tests fail later, and a day derived from
 * the clock would change the meaning of an instrument's name from month to month.
 */
const expiry = "2099-12-31"

const tickSize = BigDecimal.make(5n, 2)

const share = (token: number, instrument: string, name: string): InstrumentDetails => ({
  instrument: Instrument.make(instrument),
  name,
  lotSize: 1,
  tickSize,
  instrumentType: "EQ",
  segment: instrument.slice(0, instrument.indexOf(":")),
  expiry: null,
  lastPrice: null,
  token
})

const derivative = (
  token: number,
  instrument: string,
  name: string,
  lotSize: number,
  instrumentType: "FUT" | "CE" | "PE"
): InstrumentDetails => ({
  ...share(token, instrument, name),
  lotSize,
  instrumentType,
  segment: `NFO-${instrumentType === "FUT" ? "FUT" : "OPT"}`,
  expiry
})

/**
 * The instruments of the mock exchange: real shares with the tick of the mock's prices, and index futures and options with
 * the lots of 2026. Real monthly contracts are left out, because they expire soon.
 */
export const mockInstruments: ReadonlyArray<InstrumentDetails> = [
  share(1, "NSE:RELIANCE", "RELIANCE INDUSTRIES"),
  share(2, "NSE:INFY", "INFOSYS"),
  share(3, "NSE:TCS", "TATA CONSULTANCY SERV LT"),
  share(4, "NSE:HDFCBANK", "HDFC BANK"),
  share(5, "NSE:SBIN", "STATE BANK OF INDIA"),
  share(6, "NSE:ITC", "ITC"),
  share(7, "NSE:M&M", "MAHINDRA & MAHINDRA"),
  share(8, "NSE:BAJAJ-AUTO", "BAJAJ AUTO"),
  share(9, "BSE:RELIANCE", "RELIANCE INDUSTRIES"),
  share(10, "BSE:INFY", "INFOSYS"),
  share(11, "BSE:HDFCBANK", "HDFC BANK"),
  share(12, "BSE:SBIN", "STATE BANK OF INDIA"),
  derivative(13, "NFO:NIFTY99DECFUT", "NIFTY", 65, "FUT"),
  derivative(14, "NFO:BANKNIFTY99DECFUT", "BANKNIFTY", 30, "FUT"),
  derivative(15, "NFO:NIFTY99DEC26000CE", "NIFTY", 65, "CE"),
  derivative(16, "NFO:NIFTY99DEC26000PE", "NIFTY", 65, "PE")
]

/** The lot of an instrument of the mock exchange; 1 of any other. */
export const mockLotOf = (instrument: Instrument): number =>
  mockInstruments.find((details) => details.instrument === instrument)?.lotSize ?? 1
