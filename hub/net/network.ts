/**
 * Which addresses count as one: whoever has one address of an IPv6 network has all of them.
 *
 * @module
 */

/** Whoever has one IPv6 address has the 2⁶⁴ of its network. */
export function networkOf(address: string): string {
  const plain = address.replace(/^\[|\]$/g, "").replace(/%.*$/s, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  const all = [...front, ...Array(missing).fill("0"), ...back];
  return all.slice(0, 4).map((part) => Number.parseInt(part, 16).toString(16)).join(":");
}
