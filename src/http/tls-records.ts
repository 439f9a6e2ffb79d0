/** https://www.rfc-editor.org/rfc/rfc8446#section-5 */

const HEADER_BYTES = 5;
const ALERT = 21;
const APPLICATION_DATA = 23;
/** What TLS 1.3 adds to a record's content: its true type, and the tag of every cipher that is in use. */
const ADDED_BYTES = 17;
const ALERT_BYTES = 2;

/**
 * Watches the encrypted bytes that a TLS server sends, to tell whether it ended the session with an alert
 * (`close_notify`) or the connection just ended. The runtime reports both alike, but a body that only the end of the
 * connection ends is complete in the first case alone.
 *
 * TLS 1.2 shows the type of a record. In TLS 1.3 an alert looks like two bytes of data: then the data that came out of
 * the same chunk decides.
 */
export class TlsRecords {
  /** Bytes of the header of the record that is being read, and what of its content is missing. */
  #headerBytes = 0;
  #missing = 0;
  #type = 0;
  #length = 0;
  /** Room for data in the records that were completed by the last chunk, and the data that came out of them. */
  #rooms: number[] = [];
  #dataBytes = 0;

  /** A chunk of encrypted bytes. */
  push(chunk: Uint8Array): void {
    this.#rooms.length = 0;
    this.#dataBytes = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#headerBytes < HEADER_BYTES) {
        this.#readHeader(chunk[at++] as number);
      } else {
        const count = Math.min(this.#missing, chunk.length - at);
        this.#missing -= count;
        at += count;
      }
      if (this.#headerBytes === HEADER_BYTES && this.#missing === 0) this.#endRecord();
    }
  }

  /** Data that was decrypted from the last chunk. */
  noteData(bytes: number): void {
    this.#dataBytes += bytes;
  }

  /** Whether the last record is complete, and an alert. */
  get endsWithAlert(): boolean {
    if (this.#headerBytes > 0) return false;
    if (this.#type === ALERT) return true;
    if (this.#type !== APPLICATION_DATA || this.#rooms.at(-1) !== ALERT_BYTES) return false;
    // What came before it accounts for all data; session tickets, which hold none, precede the first data.
    let left = this.#dataBytes;
    for (let i = this.#rooms.length - 2; i >= 0 && left > 0; i--) left -= this.#rooms[i] as number;
    return left === 0;
  }

  #readHeader(byte: number): void {
    const at = this.#headerBytes++;
    if (at === 0) this.#type = byte;
    else if (at === 3) this.#length = byte << 8;
    else if (at === 4) {
      this.#length |= byte;
      this.#missing = this.#length;
    }
  }

  #endRecord(): void {
    this.#headerBytes = 0;
    this.#rooms.push(this.#type === APPLICATION_DATA ? this.#length - ADDED_BYTES : 0);
  }
}
