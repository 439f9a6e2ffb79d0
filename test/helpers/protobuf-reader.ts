/** The fields of a protobuf message by number, each a list in the order of the bytes. Independent of the encoder. */
export type Fields = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>;

/** https://protobuf.dev/programming-guides/encoding/ */
export function readProtobuf(bytes: Uint8Array): Fields {
  const fields = new Map<number, (bigint | Uint8Array)[]>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const list = fields.get(key >> 3) ?? [];
    fields.set(key >> 3, list);
    switch (key & 7) {
      case 0:
        list.push(varint());
        break;
      case 1:
        list.push(view.getBigUint64(at, true));
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        if (at + length > bytes.length) throw new Error(`field ${key >> 3} is longer than the message`);
        list.push(bytes.subarray(at, at + length));
        at += length;
        break;
      }
      case 5:
        list.push(BigInt(view.getUint32(at, true)));
        at += 4;
        break;
      default:
        throw new Error(`wire type ${key & 7}`);
    }
  }
  return fields;
}
