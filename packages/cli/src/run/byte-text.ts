/**
 * Text as bytes: strings in which every character (0 to 255) stands for one byte. File names and input need not be valid
 * in any encoding; this way they pass unchanged, lengths are lengths in bytes, and searching is as fast as for any text.
 * Real text becomes byte text at the door, and leaves as bytes.
 */
import { Buffer } from 'node:buffer';

export type ByteText = string;

/** A byte that was no UTF-8 on the command line stands in text as a lone surrogate, as Python has it (PEP 383). */
const LONE = /[\udc80-\udcff]/u;
const LONE_BASE = 0xdc00;

export function byteText(text: string): ByteText {
  // Nothing beyond ASCII looks the same either way, which is the usual case.
  if (/^\p{ASCII}*$/u.test(text)) return text;
  if (!LONE.test(text)) return Buffer.from(text, 'utf8').toString('latin1');
  const parts = text.split(/([\udc80-\udcff])/u);
  return parts
    .map((part) =>
      LONE.test(part)
        ? String.fromCharCode(part.charCodeAt(0) - LONE_BASE)
        : Buffer.from(part, 'utf8').toString('latin1'),
    )
    .join('');
}

/** Text that `byteText` turns back into just these bytes. */
export function textOfBytes(bytes: Uint8Array): string {
  const whole = textOrBytes(bytesToByteText(bytes));
  if (typeof whole === 'string') return whole;
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => isCharacter(bytes.subarray(at, at + count)));
    text +=
      length === undefined
        ? String.fromCharCode(LONE_BASE + bytes[at]!)
        : strict.decode(bytes.subarray(at, at + length));
    at += length ?? 1;
  }
  return text;
}

function isCharacter(bytes: Uint8Array): boolean {
  try {
    return strict.decode(bytes).length > 0;
  } catch {
    return false;
  }
}

export function bytesToByteText(bytes: Uint8Array): ByteText {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

export function bytesOf(text: ByteText): Buffer {
  return Buffer.from(text, 'latin1');
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** As text if it is valid UTF-8, else as the bytes that it is. */
export function textOrBytes(text: ByteText): string | Uint8Array {
  if (/^\p{ASCII}*$/u.test(text)) return text;
  const bytes = bytesOf(text);
  try {
    return strict.decode(bytes);
  } catch {
    return bytes;
  }
}

/** For messages and names of files: as text, with what is no UTF-8 shown as such. */
export function shownText(text: ByteText): string {
  return bytesOf(text).toString('utf8');
}

/** White space as C and Perl count it; a regular expression's `\s` would take the byte A0 for a space. */
export const SPACES = ' \\t\\n\\r\\f\\v';
