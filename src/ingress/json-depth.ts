const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * True if the text nests arrays and objects deeper than `maxDepth`; the top value, if it is one, is depth 1.
 *
 * It reads bytes and stops at the first bracket too deep, so that a hostile body costs one pass and `JSON.parse`,
 * whose recursion and allocations it bounds, never sees it. It need not validate: for text that is JSON the count is
 * exact, and text that is not is refused by the parser anyway. UTF-8 never puts these bytes inside a longer character.
 */
export function isJsonTooDeep(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth) return true;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
    }
  }
  return false;
}
