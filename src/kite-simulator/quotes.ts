import { BigDecimal, Option, Schema } from "effect"
import { simulatedDayVolume } from "../broker/mock/simulatedDayVolume.ts"
import { simulatedLastPrice } from "../broker/mock/simulatedPrice.ts"
import { Instrument } from "../domain/model/Order.ts"
import { type Answer, answered, type SimulatorRequest, refused } from "./Answer.ts"
import { tooManyRequests } from "./faultyAnswer.ts"
import { indianTimestamp } from "./kiteTime.ts"
import { tokenOf } from "./listedInstruments.ts"
import { priceBand } from "./marketRules.ts"
import { inputError, kiteError, success } from "./reply.ts"
import type { Simulation } from "./Simulation.ts"
import type { SimulatorOptions } from "./SimulatorOptions.ts"

const maxInstruments = 500
const tooMany = inputError(`Maximum of ${maxInstruments} instruments are allowed in a request.`)
const notPaidFor = kiteError(403, "PermissionException", "Insufficient permission for that call.")
const readInstrument = Schema.decodeUnknownOption(Instrument)

/** GET /quote?i=NSE:INFY&i=…; names that are not instruments are left out of the answer. */
export const quotes = (simulation: Simulation, { query }: SimulatorRequest, nowMillis: number): Answer => {
  if (simulation.limits.takeQuote(nowMillis)) return { ...refused(tooManyRequests), outcome: "limited" }
  if (!simulation.options.hasMarketData) return refused(notPaidFor)
  const asked = query.getAll("i")
  if (asked.length > maxInstruments) return refused(tooMany)
  const known = asked.flatMap((name) => Option.toArray(readInstrument(name)))
  return answered(
    success(Object.fromEntries(known.map((name) => [name, quoteOf(simulation.options, name, nowMillis)])))
  )
}

const quoteOf = (options: SimulatorOptions, instrument: Instrument, nowMillis: number) => {
  const { seed } = options
  const [exchange = "", tradingsymbol = ""] = instrument.split(":")
  const band = priceBand(options, { exchange, tradingsymbol, instrument }, nowMillis)
  const price = BigDecimal.toNumberUnsafe(simulatedLastPrice(seed, instrument, nowMillis))
  const time = indianTimestamp(nowMillis)
  return {
    instrument_token: tokenOf(instrument),
    timestamp: time,
    last_trade_time: time,
    last_price: price,
    last_quantity: 1,
    average_price: price,
    volume: simulatedDayVolume(seed, instrument, nowMillis),
    buy_quantity: 0,
    sell_quantity: 0,
    ohlc: { open: price, high: price, low: price, close: price },
    net_change: 0,
    oi: 0,
    oi_day_high: 0,
    oi_day_low: 0,
    lower_circuit_limit: (band?.lowerPaise ?? 0) / 100,
    upper_circuit_limit: (band?.upperPaise ?? 0) / 100,
    depth: { buy: [], sell: [] }
  }
}
