/**
 * Orders strings by their UTF-8 bytes, as SQLite, DynamoDB and S3 do. JavaScript's `<` compares UTF-16 units, which
 * puts the characters beyond U+FFFF before U+E000–U+FFFF.
 */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates (halves of characters beyond U+FFFF) rank above every other unit. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

export function lesserText(a: string, b: string): string {
  return compareText(a, b) <= 0 ? a : b;
}

export function greaterText(a: string, b: string): string {
  return compareText(a, b) >= 0 ? a : b;
}
