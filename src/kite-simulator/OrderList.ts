import { Duration } from "effect"
import { seededRandom } from "../domain/planning/schedule/SeededRandom.ts"
import { shownSteps, twoAccounts } from "./discrepancies.ts"
import type { Fault } from "./Faults.ts"
import { indianDate, indianDayOf, indianTimestamp } from "./kiteTime.ts"
import { lotOn } from "./listedInstruments.ts"
import { orderDay } from "./marketRules.ts"
import { arrive, cancel, isFinal, type Life, type LifeStep, marketPaise, modify, refuse, stateAt } from "./orderLife.ts"
import type { OrderRequest } from "./OrderRequest.ts"
import { protectionPercent, type Sender, type SimulatedOrder } from "./SimulatedOrder.ts"
import type { SimulatorOptions } from "./SimulatorOptions.ts"
import { stepRow } from "./wire.ts"

export interface Arrival {
  readonly by: Sender
  readonly request: OrderRequest
  readonly nowMillis: number
  /** Until the order is in the order list; Infinity if it never is. */
  readonly lateMillis: number
  readonly fault: Fault | null
  readonly told: boolean
}

/** All orders that ever arrived, and what GET /orders shows of them. */
export class OrderList {
  readonly #options: SimulatorOptions
  readonly #seed: string
  readonly #fillMillis: number
  readonly #orders: Array<SimulatedOrder> = []
  readonly #byId = new Map<string, SimulatedOrder>()
  readonly #ofTag = new Map<string, number>()
  /** The JSON row of each order in its current state, cached because clients poll long lists. */
  readonly #texts = new Map<SimulatedOrder, { readonly state: LifeStep | undefined; readonly text: string }>()
  #shuffles = 0
  readonly #lastIds = { short: 0n, long: 0n }

  constructor(options: SimulatorOptions) {
    this.#options = options
    this.#seed = options.seed
    this.#fillMillis = Duration.toMillis(options.fillDelay)
  }

  get orders(): ReadonlyArray<SimulatedOrder> {
    return this.#orders
  }

  insert({ by, request, nowMillis, lateMillis, fault, told }: Arrival): SimulatedOrder {
    const index = this.#ofTag.get(request.tag ?? "") ?? 0
    this.#ofTag.set(request.tag ?? "", index + 1)
    const random = seededRandom(`${this.#seed}\norder\n${request.tag ?? ""}\n${index}`)
    const [isShort, hides, digits] = [random() < 0.5, random() < 0.25, random()]
    const visibleAt = nowMillis + lateMillis
    const isListed = Number.isFinite(visibleAt)
    const paise = marketPaise(this.#seed, request, isListed ? visibleAt : nowMillis)
    const shownPaise = request.pricePaise ?? bandOf(request, paise)
    const given = { ...this.#exchangeFor(request, isListed ? visibleAt : nowMillis), fault, random }
    const usual = !isListed ? neverBegun : by === "broker" ? refuse(request, visibleAt) : arrive(given)
    const order: SimulatedOrder = {
      number: this.#orders.length,
      by,
      orderId: this.#nextId(isShort, nowMillis),
      exchangeOrderId: `1${Math.floor(digits * 1e15)
        .toString()
        .padStart(15, "0")}`,
      tag: request.tag,
      hidesTag: request.tag !== null && hides,
      shownPaise,
      receivedAt: nowMillis,
      visibleAt,
      fault,
      told,
      request,
      ...twoAccounts(usual, fault, shownPaise),
      looksWhenOver: 0,
      modifications: 0,
      announced: 0
    }
    this.#orders.push(order)
    this.#byId.set(order.orderId, order)
    return order
  }

  /** The orders that are visible now: those of the current day in India, unless they are delayed. */
  shown(nowMillis: number): ReadonlyArray<SimulatedOrder> {
    return this.#orders.filter((order) => isShown(order, nowMillis))
  }

  /** An order that is visible now, or null. */
  find(orderId: string, nowMillis: number): SimulatedOrder | null {
    const order = this.#byId.get(orderId)
    return order !== undefined && isShown(order, nowMillis) ? order : null
  }

  cancel(order: SimulatedOrder, nowMillis: number): void {
    account(order, cancel(order.life, nowMillis, Math.ceil(this.#fillMillis / 5)))
  }

  modify(order: SimulatedOrder, request: OrderRequest, nowMillis: number): void {
    const paise = marketPaise(this.#seed, request, nowMillis)
    order.modifications++
    order.request = request
    order.shownPaise = request.pricePaise ?? bandOf(request, paise)
    const random = seededRandom(`${this.#seed}\nmodified\n${order.orderId}\n${order.modifications}`)
    account(order, modify({ ...this.#exchangeFor(request, nowMillis), random, fault: null }, order.life))
  }

  /** How the exchange takes a request that reaches it at a moment. */
  #exchangeFor(request: OrderRequest, startsAt: number) {
    const { exchange, tradingsymbol } = request
    return {
      request,
      startsAt,
      fillMillis: this.#fillMillis,
      lot: lotOn(indianDate(startsAt), exchange, tradingsymbol),
      priceAt: (millis: number) => marketPaise(this.#seed, request, millis),
      day: orderDay(this.#options, request, startsAt)
    }
  }

  /** The visible rows as the JSON text of an array, shuffled so that no client can rely on their order. */
  rowsText(nowMillis: number, isWanted: (order: SimulatedOrder) => boolean): string {
    const texts = this.shown(nowMillis)
      .filter(isWanted)
      .flatMap((order) => this.#textsOf(order, nowMillis))
    const random = seededRandom(`${this.#seed}\nshuffle\n${this.#shuffles++}`)
    for (let left = texts.length; left > 1; left--) {
      const other = Math.floor(random() * left)
      const moved = texts[left - 1] ?? ""
      texts[left - 1] = texts[other] ?? ""
      texts[other] = moved
    }
    return `[${texts.join(",")}]`
  }

  /** The rows of one order: one, unless its fault is that there are more or older ones. */
  #textsOf(order: SimulatedOrder, nowMillis: number): ReadonlyArray<string> {
    const { steps } = order.book
    const shown = shownSteps(steps, nowMillis, order.fault, order.looksWhenOver)
    if (isFinal(stateAt(order.book, nowMillis)?.status ?? "")) order.looksWhenOver++
    return shown.map((index) => this.#textOf(order, index))
  }

  #textOf(order: SimulatedOrder, index: number): string {
    const state = order.book.steps[index]
    const known = this.#texts.get(order)
    if (known !== undefined && known.state === state) return known.text
    const text = JSON.stringify(stepRow(order, index))
    this.#texts.set(order, { state, text })
    return text
  }

  /** Kite uses ids of 15 digits that start with the date, and ids of 19 digits. Both kinds increase over time. */
  #nextId(isShort: boolean, nowMillis: number): string {
    const kind = isShort ? "short" : "long"
    const min = isShort ? shortId(nowMillis) : BigInt(`1${String(nowMillis).padStart(13, "0")}00000`)
    const last = this.#lastIds[kind]
    const id = last >= min ? last + 1n : min
    this.#lastIds[kind] = id
    return id.toString().padStart(isShort ? 15 : 19, "0")
  }
}

const neverBegun: Life = { steps: [], trades: [] }

/** Sets what happens to the order from now on, and what the broker tells of it. */
const account = (order: SimulatedOrder, usual: Life): void => {
  const { life, book } = twoAccounts(usual, order.fault, order.shownPaise)
  order.life = life
  order.book = book
}

const isShown = ({ visibleAt }: SimulatedOrder, nowMillis: number): boolean =>
  visibleAt <= nowMillis && indianDayOf(visibleAt) === indianDayOf(nowMillis)

const shortId = (millis: number): bigint => {
  const [date = "", time = ""] = indianTimestamp(millis).split(" ")
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number)
  const secondOfDay = (hours * 60 + minutes) * 60 + seconds
  return BigInt(date.slice(2).replaceAll("-", "")) * 1_000_000_000n + BigInt(secondOfDay) * 10_000n
}

/** The limit price of a protected market order in paise, on a tick of five paise. */
const bandOf = ({ side, marketProtection }: OrderRequest, paise: number): number => {
  const share = protectionPercent(marketProtection) / 100
  return Math.max(5, Math.round((paise * (side === "BUY" ? 1 + share : 1 - share)) / 5) * 5)
}
