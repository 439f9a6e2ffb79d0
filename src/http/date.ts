/** https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1 */
const line = Buffer.from("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
let lineSecond = 0;

/** The `Date` header line, updated once a second. The bytes are shared: copy them. */
export function dateLine(): Buffer {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== lineSecond) {
    lineSecond = second;
    line.write(new Date(nowMs).toUTCString(), "Date: ".length, "latin1");
  }
  return line;
}
