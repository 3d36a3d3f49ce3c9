/**
 * Values as words of a shell's command line, written exactly as GNU parallel writes them, so that what `--dry-run` and
 * `--joblog` show can be compared, and so that no value is ever read as anything but itself.
 *
 * Source: the rules that GNU parallel's manual gives under QUOTING, and its output for every byte.
 */
import type { ByteText } from '../byte-text.ts';

const NEEDS_QUOTES = /[^-_.+A-Za-z0-9/]/;

/** One word that a Bourne shell (sh, bash, dash, zsh, ksh, fish) reads as `text`. */
export function shellQuote(text: ByteText): ByteText {
  if (text === '') return "''";
  if (!NEEDS_QUOTES.test(text)) return text;
  const quoted = `'${text.replaceAll("'", `'"'"'`)}'`;
  // Quotes at the ends leave empty quotes behind, which mean nothing.
  const withoutFirst = quoted.startsWith("''") ? quoted.slice(2) : quoted;
  return withoutFirst.endsWith("''") ? withoutFirst.slice(0, -2) : withoutFirst;
}
