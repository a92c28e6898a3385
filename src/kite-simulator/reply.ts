/** How a reply is delivered: whole, cut in the middle of its body, as a closed connection, or never. */
export type Delivery = "whole" | "cut" | "dropped" | "silent"

export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly delivery: Delivery
  readonly delayMillis: number
}

const json = "application/json"

export const reply = (status: number, contentType: string, body: string): Reply => ({
  status,
  contentType,
  body,
  delivery: "whole",
  delayMillis: 0
})

/** Kite's success envelope around data that is already JSON text. */
export const successText = (dataText: string): Reply => reply(200, json, `{"status":"success","data":${dataText}}`)

export const success = (data: unknown): Reply => successText(JSON.stringify(data))

export const jsonReply = (status: number, value: unknown): Reply => reply(status, json, JSON.stringify(value))

/** An error in Kite's format. */
export interface KiteError {
  readonly status: number
  readonly errorType: string
  readonly message: string
}

export const kiteError = (status: number, errorType: string, message: string): KiteError => ({
  status,
  errorType,
  message
})

export const failure = ({ status, errorType, message }: KiteError): Reply =>
  jsonReply(status, { status: "error", message, data: null, error_type: errorType })

export const inputError = (message: string): KiteError => kiteError(400, "InputException", message)
export const orderError = (message: string): KiteError => kiteError(400, "OrderException", message)

export const notAuthorized = kiteError(403, "TokenException", "Incorrect `api_key` or `access_token`.")

export const htmlPage = (title: string, body: string): string =>
  `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body>${body}</body></html>\n`
