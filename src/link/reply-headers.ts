import { equalsAt, lowerBytes } from "../http/characters.ts";
import { Fields } from "../http/fields.ts";
import { BEGUN_TRACE_HEADER, TRACE_RESPONSE_HEADER } from "../trace/context.ts";

const LEDGER = lowerBytes("chain-link-ledger");
const TRACE_RESPONSE = lowerBytes(TRACE_RESPONSE_HEADER);
const BEGUN_TRACE = lowerBytes(BEGUN_TRACE_HEADER);
const CONTENT_TYPE = lowerBytes("content-type");
const JSON_VALUE = lowerBytes("application/json");

/** The headers of a reply that a link needs, found in one pass: the length of a name rules out nearly all others. */
export class ReplyHeaders {
  fields = new Fields();
  /** Indexes of header lines; -1 if there is none. */
  ledger = -1;
  /** The header that names a trace begun by the callee; one of two. */
  traceResponse = -1;
  /** Only `Content-Type: application/json` has to be passed on. */
  isPlainJson = false;

  read(fields: Fields): void {
    this.fields = fields;
    this.ledger = -1;
    this.traceResponse = -1;
    let types = 0;
    let isJson = false;
    let isMore = false;
    const { positions, bytes, count } = fields;
    for (let i = 0; i < count; i++) {
      const start = positions[i * 4] as number;
      switch ((positions[i * 4 + 1] as number) - start) {
        case 17:
          if (this.ledger === -1 && equalsAt(bytes, start, LEDGER)) this.ledger = i;
          break;
        case 13:
          if (this.traceResponse === -1 && equalsAt(bytes, start, TRACE_RESPONSE)) this.traceResponse = i;
          break;
        case 12:
          if (!equalsAt(bytes, start, CONTENT_TYPE)) break;
          types++;
          isJson = isJsonValue(fields, i);
          break;
        case 16:
          if (equalsAt(bytes, start, BEGUN_TRACE)) {
            if (this.traceResponse === -1) this.traceResponse = i;
            break;
          }
          isMore = true;
          break;
        case 8:
          // `Location` here, `Content-Encoding` above; other names of these lengths are rare enough to be treated the same.
          isMore = true;
          break;
        default:
      }
    }
    this.isPlainJson = isJson && types === 1 && !isMore;
  }
}

function isJsonValue(fields: Fields, index: number): boolean {
  const start = fields.valueStart(index);
  return fields.valueEnd(index) - start === JSON_VALUE.length && equalsAt(fields.bytes, start, JSON_VALUE);
}
