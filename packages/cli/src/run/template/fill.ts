/**
 * A command line out of a template and values, by GNU parallel's rules: which parts are repeated for several values,
 * where the spaces between them go, and what is quoted.
 *
 * Source: its manual under -X, -m, -N and -q, and its output for the cases in fill.test.ts.
 */
import type { ByteText } from '../byte-text.ts';
import type { ReplacementContext } from './replacements.ts';
import { shellQuote } from './shell-quote.ts';
import type { Piece, Template } from './template.ts';

/** A value; null is one that was read and leaves nothing behind (`-N0`). */
export type Value = ByteText | null;

export interface FillRules {
  /** Repeat the word around a sign with it (-X, -N, -L), not only the sign (-m, -n). */
  readonly repeatsContext: boolean;
  /** Quote each value for the shell. */
  readonly quotesValues: boolean;
  /** Quote each word whole (-q). */
  readonly quotesWords: boolean;
}

/** For what is not read by a shell: tags, folders, names of files. */
export function plainRules(rules: FillRules): FillRules {
  return { ...rules, quotesValues: false, quotesWords: false };
}

export function fill(
  template: Template,
  values: readonly Value[],
  rules: FillRules,
  context: ReplacementContext,
): ByteText {
  const filler = new Filler(values.length === 0 ? [''] : values, rules, context);
  if (rules.repeatsContext) filler.fillRepeatingContext(template);
  else filler.fillRepeatingSigns(template);
  return filler.groups.join(' ');
}

class Filler {
  /** What spaces that nothing quotes stand between. */
  readonly groups: ByteText[] = [];
  readonly #values: readonly Value[];
  readonly #rules: FillRules;
  readonly #context: ReplacementContext;
  #open = '';
  #isTouched = false;

  constructor(values: readonly Value[], rules: FillRules, context: ReplacementContext) {
    this.#values = values;
    this.#rules = rules;
    this.#context = context;
  }

  fillRepeatingSigns(template: Template): void {
    for (const word of template) {
      if (word.length === 0) this.#add('');
      for (const piece of word) this.#repeat([piece]);
      this.#endGroup();
    }
  }

  fillRepeatingContext(template: Template): void {
    for (const word of template) {
      let part: Piece[] = [];
      if (word.length === 0) this.#add('');
      for (const piece of word) {
        const isBreak = piece.type === 'text' && (piece.text === ' ' || piece.text === '\t');
        if (!isBreak) {
          part.push(piece);
          continue;
        }
        this.#repeat(part);
        // A tab goes with what follows it.
        part = piece.text === '\t' ? [piece] : [];
        if (piece.text === ' ') this.#add(' ');
      }
      this.#repeat(part);
      this.#endGroup();
    }
  }

  /** The pieces once for each value if one of them takes each, else once. */
  #repeat(pieces: readonly Piece[]): void {
    const takesEach = pieces.some((piece) => piece.type === 'value' && piece.position === null);
    const times = takesEach ? this.#values.length : 1;
    for (let at = 0; at < times; at++) {
      if (at > 0) this.#endGroup();
      for (const piece of pieces) {
        const text = piece.type === 'text' ? piece.text : this.#replaced(piece, at);
        if (text !== null) this.#add(text);
      }
    }
  }

  #replaced(piece: Piece & { type: 'value' }, at: number): Value {
    const { replacement, position } = piece;
    const index = position === null ? at : position > 0 ? position - 1 : this.#fromEnd(position);
    const value = this.#values[index];
    if (value === undefined) return '';
    if (value === null && replacement.uses === 'value') return null;
    const text = replacement.apply(value ?? '', this.#context);
    return this.#rules.quotesValues && !replacement.isCode ? shellQuote(text) : text;
  }

  /** Beyond the first value it goes on from the last one, as Perl's negative indices do. */
  #fromEnd(position: number): number {
    const index = this.#values.length + position;
    return index < 0 ? index + this.#values.length : index;
  }

  #add(text: ByteText): void {
    this.#open += text;
    this.#isTouched = true;
  }

  #endGroup(): void {
    if (!this.#rules.quotesWords) this.groups.push(this.#open);
    else if (this.#isTouched) this.groups.push(shellQuote(this.#open));
    this.#open = '';
    this.#isTouched = false;
  }
}
