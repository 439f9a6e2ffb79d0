import { readBodyText } from "../../lib/bounded-body.ts";
import { apiUrl, type Endpoint, fetchAs } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import { parseWellFormed } from "../../lib/well-formed-json.ts";

/** Maximum length of a server's error message in our message. */
const SHOWN_CHARACTERS = 500;

/** A collector, a Zipkin or an OTLP receiver that traces are read from or sent to. */
export class TraceBackend {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  get origin(): string {
    return new URL(this.#endpoint.url).origin;
  }

  /** Whether the URL that the user gave ends in a path. */
  isGivenAs(path: string): boolean {
    return new URL(this.#endpoint.url).pathname.endsWith(path);
  }

  /** @throws {UserError | AnswerTooLargeError} `collector-unreachable`, `collector-refused` */
  async get(path: string): Promise<unknown> {
    const response = await this.#fetch(path);
    if (!response.ok) throw await this.refusal(response);
    // Outside of the try block: its own error says how to ask for less.
    const text = await readBodyText(response);
    try {
      return parseWellFormed(text);
    } catch (error) {
      throw new UserError(
        "collector-refused",
        `${this.origin} answers with something other than JSON`,
        undefined,
        {
          cause: error,
        },
      );
    }
  }

  /** Posts JSON and returns the response, whatever its status. @throws {UserError} `collector-unreachable` */
  post(path: string, body: string): Promise<Response> {
    const headers = { "Content-Type": "application/json" };
    // A redirected POST becomes a GET, whose response would be mistaken for the POST's.
    return this.#fetch(path, { method: "POST", body, headers, redirect: "manual" });
  }

  async refusal(response: Response): Promise<UserError> {
    const text = await readBodyText(response).catch(errorText);
    return new UserError(
      "collector-refused",
      `${this.origin} answers ${response.status}: ${text.slice(0, SHOWN_CHARACTERS)}`,
    );
  }

  async #fetch(path: string, init?: RequestInit): Promise<Response> {
    try {
      return await fetchAs(this.#endpoint)(apiUrl(this.#endpoint.url, "spans", path), init);
    } catch (error) {
      throw new UserError(
        "collector-unreachable",
        `${this.origin} does not answer: ${errorText(error)}`,
        "Start a collector with 'chain-link collector' or 'chain-link up', or pass its address with --from or --to.",
        { cause: error },
      );
    }
  }
}
