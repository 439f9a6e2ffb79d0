/** https://www.rfc-editor.org/rfc/rfc8446#section-5 */

const HEADER_BYTES = 5;
const ALERT = 21;
const APPLICATION_DATA = 23;
/** TLS 1.3 adds this to a record's content: its real type, and the tag of all ciphers in use. */
const ADDED_BYTES = 17;
const ALERT_BYTES = 2;

/**
 * Watches the encrypted bytes from a TLS server to tell whether it ended the session with an alert (`close_notify`) or
 * the connection just ended. The runtime reports both alike, but only the alert proves that a body which ends with the
 * connection is complete.
 *
 * TLS 1.2 shows the type of a record. In TLS 1.3, an alert looks like two bytes of data: then the amount of data that was
 * decrypted from the same chunk decides.
 */
export class TlsRecords {
  /** Number of bytes read of the current record's header, and missing from its content. */
  #headerBytes = 0;
  #missing = 0;
  #type = 0;
  #length = 0;
  /** Capacity for data of each record that the last chunk completed, and the amount of data decrypted from them. */
  #rooms: number[] = [];
  #dataBytes = 0;

  /** Takes a chunk of encrypted bytes. */
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

  /** Notes data that was decrypted from the last chunk. */
  noteData(bytes: number): void {
    this.#dataBytes += bytes;
  }

  /** Whether the last record is a complete alert. */
  get endsWithAlert(): boolean {
    if (this.#headerBytes > 0) return false;
    if (this.#type === ALERT) return true;
    if (this.#type !== APPLICATION_DATA || this.#rooms.at(-1) !== ALERT_BYTES) return false;
    // The records before it account for all data; session tickets hold none, but precede the first data.
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
