/**
 * Words of a command with signs for values in them, parsed once and filled in for every command.
 *
 * Cost: filling in is on the path of every command, so words are cut into pieces here, and nothing is searched later.
 */
import { type ByteText, SPACES } from '../byte-text.ts';
import { perlReplacement } from './perl-subset.ts';
import { escaped, type Replacement, type ReplacementSign } from './replacements.ts';

/** A sign in a command. `position`: which value it takes (from 1; negative from the end), null for each of them. */
export interface Slotted {
  readonly type: 'value';
  readonly replacement: Replacement;
  readonly position: number | null;
  /** Equal for equal signs, so that lengths are counted once. */
  readonly key: string;
}
/** Text as it stands. A single space, tab or line end is a piece of its own. */
export interface Literal {
  readonly type: 'text';
  readonly text: ByteText;
}
export type Piece = Literal | Slotted;
/** The pieces of one word; an empty word has none. */
export type TemplateWord = readonly Piece[];
export type Template = readonly TemplateWord[];

/** What stands before and after a Perl expression. */
export type Parentheses = readonly [left: string, right: string];
const PARENTHESES: Parentheses = ['{=', '=}'];

const BREAK = new RegExp(`(?=[${SPACES}])|(?<=[${SPACES}])`);

export class TemplateParser {
  readonly #pattern: RegExp;
  readonly #signs: readonly ReplacementSign[];
  readonly #parentheses: Parentheses;
  readonly #expression: RegExp;

  /** @param parentheses what a Perl expression stands between */
  constructor(signs: readonly ReplacementSign[], parentheses: Parentheses = PARENTHESES) {
    this.#signs = signs;
    this.#parentheses = parentheses;
    const [left, right] = parentheses.map(escaped);
    this.#expression = new RegExp(`${left}(?:(?!${left}|${right}).)*${right}`, 'gs');
    const plain = signs.map(({ source, isBraced }) =>
      isBraced ? `\\{(?:${unnamed(source)})` : unnamed(source),
    );
    const braced = signs.filter(({ isBraced }) => isBraced).map(({ source }) => unnamed(source));
    const positional = braced.length === 0 ? [] : [`\\{-?\\d+[${SPACES}]*(?:${braced.join('|')})`];
    this.#pattern = new RegExp([...plain, ...positional].join('|'), 'g');
  }

  /** @throws UsageError for a Perl expression beyond what is understood */
  parse(words: readonly ByteText[]): Template {
    return this.#joined(words).map((word) => this.parseWord(word));
  }

  /** An expression may have been written as several words. */
  #joined(words: readonly ByteText[]): ByteText[] {
    const joined: ByteText[] = [];
    let isOpen = false;
    for (const word of words) {
      if (isOpen) joined.push(`${joined.pop()} ${word}`);
      else joined.push(word);
      isOpen = joined.at(-1)!.replace(this.#expression, '').includes(this.#parentheses[0]);
    }
    return joined;
  }

  parseWord(word: ByteText): TemplateWord {
    const pieces: Piece[] = [];
    let from = 0;
    for (const match of word.matchAll(this.#expression)) {
      this.#parsePlain(word.slice(from, match.index), pieces);
      pieces.push(this.#expressionPiece(match[0]));
      from = match.index + match[0].length;
    }
    this.#parsePlain(word.slice(from), pieces);
    return pieces;
  }

  #expressionPiece(found: string): Slotted {
    const [left, right] = this.#parentheses;
    const inside = found.slice(left.length, found.length - right.length);
    const [, position, code] = /^(-?\d+)?(.*)$/s.exec(inside)!;
    return {
      type: 'value',
      replacement: perlReplacement(code!),
      position: position === undefined ? null : Number(position) || null,
      key: found,
    };
  }

  #parsePlain(text: ByteText, pieces: Piece[]): void {
    let from = 0;
    for (const match of text.matchAll(this.#pattern)) {
      const slotted = this.#slotted(match[0]);
      if (slotted === null) continue;
      pushText(pieces, text.slice(from, match.index));
      pieces.push(slotted);
      from = match.index + match[0].length;
    }
    pushText(pieces, text.slice(from));
  }

  #slotted(found: string): Slotted | null {
    for (const { source, isBraced, make } of this.#signs) {
      const plain = new RegExp(`^${isBraced ? '\\{' : ''}(?:${source})$`, 's').exec(found);
      if (plain === null) continue;
      const replacement = make(plain.slice(1));
      // What is not about a value stands once, however many values a command has.
      const isAboutValue = replacement.uses === 'value' && !replacement.isCode;
      return { type: 'value', replacement, position: isAboutValue ? null : 1, key: found };
    }
    for (const { source, isBraced, make } of this.#signs) {
      if (!isBraced) continue;
      const positional = new RegExp(`^\\{(-?\\d+)[${SPACES}]*(?:${source})$`, 's').exec(found);
      if (positional === null) continue;
      const [, position, ...parameters] = positional;
      // As GNU parallel has it: a position of 0 is none.
      return {
        type: 'value',
        replacement: make(parameters),
        position: Number(position) || null,
        key: found,
      };
    }
    return null;
  }
}

/** The same pattern without groups that count. */
function unnamed(source: string): string {
  return source.replace(/(\\.)|\((?!\?)/g, (_, kept) => kept ?? '(?:');
}

function pushText(pieces: Piece[], text: ByteText): void {
  if (text === '') return;
  for (const part of text.split(BREAK)) pieces.push({ type: 'text', text: part });
}

export function hasValues(template: Template): boolean {
  return template.some((word) => word.some((piece) => piece.type === 'value'));
}

/** Whether any of its signs needs this to be known. */
export function usesOf(template: Template, what: Replacement['uses']): boolean {
  return template.some((word) =>
    word.some((piece) => piece.type === 'value' && piece.replacement.uses === what),
  );
}

/**
 * Whether a value is the command's name or part of it (and not of a variable before it): then values are code, so that
 * `parallel {}` runs whole command lines.
 */
export function beginsWithValue(template: Template): boolean {
  for (const [at, word] of template.entries()) {
    if (at > 0) return false;
    for (const piece of word) {
      if (piece.type === 'value') return true;
      if (/[ \t\n=]/.test(piece.text)) return false;
    }
  }
  return false;
}
