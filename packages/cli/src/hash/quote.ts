/**
 * How names are shown, exactly as GNU coreutils does it: escaped in the list of digests, so that `sha256sum -c` reads
 * them back, and shell-quoted in messages on standard error. Names are bytes: they need not be valid in any encoding.
 *
 * Source: GNU coreutils 9 `src/digest.c` (`print_filename`, `filename_unescape`) and gnulib `lib/quotearg.c`
 * (style `shell-escape` with `:` quoted too, which is what `quotef` is).
 */

const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ESCAPES: ReadonlyMap<number, string> = new Map([
  [BACKSLASH, '\\\\'],
  [NEWLINE, '\\n'],
  [RETURN, '\\r'],
]);

/** The name as it stands in a list of digests. `isEscaped`: the line must begin with a backslash. */
export function escapeName(name: Uint8Array): { bytes: Uint8Array; isEscaped: boolean } {
  if (!name.some((byte) => ESCAPES.has(byte))) return { bytes: name, isEscaped: false };
  const parts: Buffer[] = [];
  let from = 0;
  name.forEach((byte, at) => {
    const escaped = ESCAPES.get(byte);
    if (escaped === undefined) return;
    parts.push(Buffer.from(name.subarray(from, at)), Buffer.from(escaped));
    from = at + 1;
  });
  parts.push(Buffer.from(name.subarray(from)));
  return { bytes: Buffer.concat(parts), isEscaped: true };
}

/** Characters that the shell would not leave alone, wherever they stand. */
const SPECIAL = new Set(' !"$&()*;<=>?[\\^`|:\'');
/** Characters that mean the same between double quotes in C and in the shell. */
const PLAIN_IN_DOUBLE_QUOTES = /^[%+,\-./0-9A-Za-z\]_ ':@]$/;
const LETTER_ESCAPES = new Map(
  Object.entries({ 7: 'a', 8: 'b', 9: 't', 10: 'n', 11: 'v', 12: 'f', 13: 'r' }),
);
/** What no terminal prints: control characters, halves of pairs, unassigned code points, line separators. */
const UNPRINTABLE = /^[\p{Cc}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]$/u;

/** One printable character, or one byte that must be escaped. */
interface Piece {
  readonly text: string;
  readonly isPrintable: boolean;
}

/**
 * The name as it stands in a message, on one line and safe to paste into a shell.
 * @param isUtf8 whether the reader's locale shows UTF-8; otherwise every byte beyond ASCII is escaped
 */
export function quoteName(name: Uint8Array, isUtf8 = isUtf8Locale()): string {
  const pieces = [...piecesOf(name, isUtf8)];
  if (!needsQuotes(pieces)) return pieces.map((piece) => piece.text).join('');
  const hasQuote = pieces.some((piece) => piece.text === "'");
  if (hasQuote && pieces.every(fitsDoubleQuotes)) return `"${pieces.map((piece) => piece.text).join('')}"`;
  return singleQuoted(pieces);
}

function needsQuotes(pieces: readonly Piece[]): boolean {
  const first = pieces[0]?.text;
  if (first === undefined || first === '#' || first === '~') return true;
  if (pieces.length === 1 && (first === '{' || first === '}')) return true;
  return pieces.some((piece) => !piece.isPrintable || SPECIAL.has(piece.text));
}

function fitsDoubleQuotes({ text, isPrintable }: Piece, at: number): boolean {
  if (!isPrintable) return false;
  return PLAIN_IN_DOUBLE_QUOTES.test(text) || text > '\x7f' || (at === 0 && (text === '#' || text === '~'));
}

/** `'no'$'\n''nl'`: single quotes, with the unprintable in `$'…'`. */
function singleQuoted(pieces: readonly Piece[]): string {
  let quoted = "'";
  // gnulib goes over a name with a single quote twice and forgets to close the last escape in between.
  let isInEscape = pieces.at(-1)?.isPrintable === false && pieces.some(({ text }) => text === "'");
  for (const { text, isPrintable } of pieces) {
    if (!isPrintable) {
      quoted += isInEscape ? text : `'$'${text}`;
      isInEscape = true;
    } else if (text === "'") {
      quoted += "'\\''";
      isInEscape = false;
    } else {
      quoted += isInEscape ? `''${text}` : text;
      isInEscape = false;
    }
  }
  return `${quoted}'`;
}

function* piecesOf(name: Uint8Array, isUtf8: boolean): Generator<Piece> {
  let at = 0;
  while (at < name.length) {
    const character = isUtf8 ? characterAt(name, at) : null;
    if (character !== null) {
      yield { text: character, isPrintable: true };
      at += Buffer.byteLength(character);
      continue;
    }
    const byte = name[at]!;
    const isPrintable = byte >= 0x20 && byte < 0x7f;
    yield { text: isPrintable ? String.fromCharCode(byte) : escapeByte(byte), isPrintable };
    at++;
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** The printable character beyond ASCII that starts at `at`, or null. */
function characterAt(name: Uint8Array, at: number): string | null {
  const head = name[at]!;
  if (head < 0xc2) return null;
  const length = head < 0xe0 ? 2 : head < 0xf0 ? 3 : 4;
  try {
    const character = strict.decode(name.subarray(at, at + length));
    return UNPRINTABLE.test(character) ? null : character;
  } catch {
    return null;
  }
}

function escapeByte(byte: number): string {
  return `\\${LETTER_ESCAPES.get(String(byte)) ?? byte.toString(8).padStart(3, '0')}`;
}

function isUtf8Locale(): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}
