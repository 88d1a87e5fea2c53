// @ts-check
/** JSON with whole numbers of any size: what was hashed has nanoseconds, which a double cannot hold. */

/** Whole strings, so that digits inside them stay text, or numbers that a double may round. */
const TOKENS = /"(?:[^"\\]|\\.)*"|(?<![\d.])-?\d{16,}(?![\d.eE])/g;
/** Begins a text that stands for a number; a private character, so that no other text begins with it. */
const MARK = "\uE000";

/** As JSON.parse, with long whole numbers as BigInt. @param {string} text @returns {any} */
export function parseExact(text) {
  const marked = text.replace(TOKENS, (token) => (token.startsWith('"') ? token : `"${MARK}${token}"`));
  return JSON.parse(marked, (_, value) => (typeof value === "string" && /^\uE000-?\d{16,}$/.test(value) ? BigInt(value.slice(1)) : value));
}

/** Compact JSON, byte for byte as it was hashed. @param {any} value @returns {string} */
export function compact(value) {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map(compact).join(",")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}:${compact(each)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}
