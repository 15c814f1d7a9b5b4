/**
 * For the integers of a frame: V8 makes single loads and stores of what goes through a view, and a check and four bytes of
 * `readUInt32LE`. With a reply for each member of each ensemble that shows.
 */
export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
