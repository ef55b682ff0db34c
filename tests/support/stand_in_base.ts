/**
 * Stands in for `denort`, the base runtime of `deno compile`, which is not to be had everywhere: the
 * least that the tool takes for a program of a target's kind. It runs nothing. What the tool puts
 * behind it can be read back.
 *
 * @module
 */

/** What of an executable's settings the tests look at. */
export interface CompiledSettings {
  /** Kind → what is allowed: nothing at all, or all if the list is empty. */
  readonly permissions: Readonly<Record<string, readonly string[] | boolean | null>>;
  readonly v8_flags: readonly string[];
  readonly unstable_config: { readonly features: readonly string[] };
  readonly ca_stores: unknown;
  readonly ca_data: unknown;
  readonly otel_config: { readonly tracing_enabled: boolean };
  readonly code_cache_key: unknown;
}

/** The bytes of a stand-in for a target of `deno compile`. */
export function standInBase(target: string): Uint8Array {
  if (target.includes("windows")) return portableExecutable();
  return target.includes("darwin") ? machO(target.startsWith("aarch64")) : elf();
}

/** Reads the settings back from an executable that `deno compile` wrote. */
export function settingsOf(executable: Uint8Array): CompiledSettings {
  const text = new TextDecoder("latin1").decode(executable);
  const start = text.indexOf('{"argv":');
  if (start < 0) throw new Error("Cannot find the settings of deno compile in this file");
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return JSON.parse(text.slice(start, at + 1));
  }
  throw new Error("Cannot read the settings of deno compile: they do not end");
}

/** ELF, 64 bit, with one segment that is loaded: the file's headers. */
function elf(): Uint8Array {
  const bytes = new Uint8Array(0x40 + 0x38);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // magic, 64 bit, little endian, version 1
  view.setUint16(0x10, 2, true); // an executable
  view.setUint16(0x12, 0x3e, true); // x86-64
  view.setUint32(0x14, 1, true);
  view.setBigUint64(0x20, 0x40n, true); // where the program headers begin
  view.setUint16(0x34, 0x40, true); // size of this header
  view.setUint16(0x36, 0x38, true); // size of a program header
  view.setUint16(0x38, 1, true); // how many
  view.setUint32(0x40, 1, true); // PT_LOAD
  view.setUint32(0x44, 4, true); // may be read
  for (const at of [0x50, 0x58]) view.setBigUint64(at, 0x400000n, true); // its addresses
  for (const at of [0x60, 0x68]) view.setBigUint64(at, BigInt(bytes.length), true); // its sizes
  view.setBigUint64(0x70, 0x1000n, true); // alignment
  return bytes;
}

/** Mach-O, 64 bit, with the segment behind which the tool puts its own. */
function machO(isArm: boolean): Uint8Array {
  const bytes = new Uint8Array(0x4000 + 0x10);
  const view = new DataView(bytes.buffer);
  const [segmentSize, signatureSize] = [72, 16];
  view.setUint32(0, 0xfeedfacf, true);
  view.setUint32(4, isArm ? 0x0100000c : 0x01000007, true);
  view.setUint32(12, 2, true); // an executable
  view.setUint32(16, 2, true); // load commands
  view.setUint32(20, segmentSize + signatureSize, true);
  const segment = 32;
  view.setUint32(segment, 0x19, true); // LC_SEGMENT_64
  view.setUint32(segment + 4, segmentSize, true);
  bytes.set(new TextEncoder().encode("__LINKEDIT"), segment + 8);
  view.setBigUint64(segment + 24, 0x1_0000_4000n, true); // vmaddr
  view.setBigUint64(segment + 32, 0x4000n, true); // vmsize
  view.setBigUint64(segment + 40, 0x4000n, true); // fileoff
  view.setBigUint64(segment + 48, 0x10n, true); // filesize
  const signature = segment + segmentSize;
  view.setUint32(signature, 0x1d, true); // LC_CODE_SIGNATURE
  view.setUint32(signature + 4, signatureSize, true);
  view.setUint32(signature + 8, 0x4000, true); // dataoff
  view.setUint32(signature + 12, 0x10, true); // datasize
  return bytes;
}

/** PE32+ with one section. */
function portableExecutable(): Uint8Array {
  const bytes = new Uint8Array(0x400);
  const view = new DataView(bytes.buffer);
  const pe = 0x40;
  const optional = pe + 24;
  const section = optional + 240;
  bytes.set(new TextEncoder().encode("MZ"));
  view.setUint32(0x3c, pe, true);
  bytes.set(new TextEncoder().encode("PE\0\0"), pe);
  view.setUint16(pe + 4, 0x8664, true); // x86-64
  view.setUint16(pe + 6, 1, true); // sections
  view.setUint16(pe + 20, 240, true); // size of the optional header
  view.setUint16(pe + 22, 0x22, true); // an executable, large addresses
  view.setUint16(optional, 0x20b, true); // PE32+
  view.setBigUint64(optional + 24, 0x1_4000_0000n, true); // image base
  view.setUint32(optional + 32, 0x1000, true); // section alignment
  view.setUint32(optional + 36, 0x200, true); // file alignment
  view.setUint32(optional + 56, 0x2000, true); // size of image
  view.setUint32(optional + 60, 0x200, true); // size of headers
  view.setUint16(optional + 68, 3, true); // console
  view.setUint32(optional + 108, 16, true); // data directories
  bytes.set(new TextEncoder().encode(".text"), section);
  view.setUint32(section + 8, 0x200, true); // virtual size
  view.setUint32(section + 12, 0x1000, true); // virtual address
  view.setUint32(section + 16, 0x200, true); // raw size
  view.setUint32(section + 20, 0x200, true); // raw place
  view.setUint32(section + 36, 0x60000020, true); // code, may be read and run
  return bytes;
}
