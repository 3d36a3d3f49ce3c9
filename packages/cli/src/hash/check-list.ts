/**
 * Lines of a list of digests, as `sha256sum -c` reads them: bytes in, a name and the digest that it should have out.
 *
 * Source: GNU coreutils 9.1 `src/digest.c` (`split_3`, `bsd_split_3`, `filename_unescape`).
 */
import { createHash } from 'node:crypto';
import { tagOf } from './algorithm.ts';

export interface Listed {
  readonly name: Buffer;
  /** In hexadecimal, as it was written. */
  readonly digest: string;
}

const BLANK = /[ \t]/;
const HEXADECIMAL = /^[0-9a-fA-F]+$/;
const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\', n: '\n', r: '\r' };

export class ListReader {
  readonly tag: string;
  readonly #digits: number;
  /**
   * Whether names follow the digest after one blank, as old BSD tools write them, or two. The first line that tells says
   * it for all: mixed, a name with a space in front could be passed off as another.
   */
  #hasOneBlank: boolean | null = null;

  constructor(algorithm: string) {
    this.tag = tagOf(algorithm);
    this.#digits = createHash(algorithm).update('').digest('hex').length;
  }

  /** Whether the line, without its newline, is to be passed over: empty, or a comment. */
  static isBlank(line: Uint8Array): boolean {
    return line.length === 0 || line[0] === 0x23 || (line.length === 1 && line[0] === 0x0d);
  }

  /** What a line says, without its newline; null when it says nothing that can be checked. */
  read(line: Uint8Array): Listed | null {
    // One character per byte, so that names that are no text come out as they went in.
    let text = Buffer.from(line.buffer, line.byteOffset, line.length).toString('latin1');
    if (text.endsWith('\r')) text = text.slice(0, -1);
    text = text.replace(/^[ \t]+/, '');
    const isEscaped = text.startsWith('\\');
    if (isEscaped) text = text.slice(1);
    const tagged = text.startsWith(this.tag) ? this.#readTagged(text.slice(this.tag.length)) : undefined;
    const found = tagged === undefined ? this.#readPlain(text) : tagged;
    if (found === null || !HEXADECIMAL.test(found.digest) || found.digest.length !== this.#digits)
      return null;
    const name = isEscaped ? unescapeName(found.name) : found.name;
    return name === null ? null : { name: Buffer.from(name, 'latin1'), digest: found.digest };
  }

  /** ` (name) = digest` */
  #readTagged(text: string): { name: string; digest: string } | null {
    const from = text.startsWith(' ') ? 1 : 0;
    if (text[from] !== '(') return null;
    const end = text.lastIndexOf(')');
    const digest = /^[ \t]*=[ \t]*(.*)$/s.exec(text.slice(end + 1))?.[1];
    return end <= from || digest === undefined ? null : { name: text.slice(from + 1, end), digest };
  }

  /** `digest  name`, `digest *name` or `digest name` */
  #readPlain(text: string): { name: string; digest: string } | null {
    const digest = text.slice(0, this.#digits);
    const rest = text.slice(this.#digits + 1);
    if (rest === '' || !BLANK.test(text[this.#digits]!) || !HEXADECIMAL.test(digest)) return null;
    if (rest.length === 1 || (rest[0] !== ' ' && rest[0] !== '*')) {
      if (this.#hasOneBlank === false) return null;
      this.#hasOneBlank = true;
    } else this.#hasOneBlank ??= false;
    return { name: this.#hasOneBlank ? rest : rest.slice(1), digest };
  }
}

/** Null when something was escaped that needs no escape. */
function unescapeName(name: string): string | null {
  let isRight = true;
  const plain = name.replace(/\\(.|$)/gs, (_, character: string) => {
    const meant = ESCAPED[character];
    isRight &&= meant !== undefined;
    return meant ?? '';
  });
  return isRight && !name.includes('\0') ? plain : null;
}
