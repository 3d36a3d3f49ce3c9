/**
 * The part of Perl that people put into `{= … =}` and --rpl: substitutions, transliterations, letters made large or small,
 * and the functions of GNU parallel. Everything else is refused, so that nothing is half understood.
 */
import { UsageError } from '@hive/shared';
import type { ByteText } from '../byte-text.ts';
import { pattern, type Replacement, type ReplacementContext } from './replacements.ts';

type Step = (value: ByteText, context: ReplacementContext) => ByteText;

interface Program {
  readonly steps: readonly Step[];
  readonly uses: Replacement['uses'];
  readonly isCode: boolean;
}

const CLOSING: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']', '<': '>' };

/** @throws UsageError for what is not of this part of Perl */
export function perlReplacement(expression: string): Replacement {
  const { steps, uses, isCode } = new Reader(expression).program();
  return {
    uses,
    isCode,
    apply: (value, context) => steps.reduce((changed, step) => step(changed, context), value),
  };
}

/** Expressions without operands, as they are written without spaces. */
const FIXED: Readonly<Record<string, { readonly step: Step; readonly uses?: Replacement['uses'] }>> = {
  '$_=uc($_)': { step: (value) => value.replace(/[a-z]+/g, (letters) => letters.toUpperCase()) },
  '$_=lc($_)': { step: (value) => value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) },
  '$_++': { step: (value) => String(Number(value) + 1) },
  '$_--': { step: (value) => String(Number(value) - 1) },
  '$_=seq()': { step: (_, { seq }) => String(seq), uses: 'seq' },
  '$_=$job->seq()': { step: (_, { seq }) => String(seq), uses: 'seq' },
  '$_=slot()': { step: (_, context) => String(context.slot()), uses: 'slot' },
  '$_=$job->slot()': { step: (_, context) => String(context.slot()), uses: 'slot' },
  '$_=total_jobs()': { step: (_, context) => String(context.total()), uses: 'total' },
};

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  program(): Program {
    const steps: Step[] = [];
    let uses: Replacement['uses'] = 'value';
    let isCode = false;
    for (;;) {
      this.#skip(/[\s;]*/y);
      if (this.#at >= this.#text.length) return { steps, uses, isCode };
      const operator = this.#skip(/(?:s|tr|y)(?=[^\w\s;=])/y);
      if (operator !== '') {
        steps.push(operator === 's' ? this.#substitution() : this.#transliteration());
        continue;
      }
      const words = this.#skip(/[^;]+/y).replace(/\s+/g, '');
      const known = FIXED[words];
      if (known !== undefined) {
        steps.push(known.step);
        uses = known.uses ?? uses;
      } else if (words === 'uq()') isCode = true;
      else throw this.#unsupported();
    }
  }

  #substitution(): Step {
    const [from, to] = this.#operands();
    const flags = this.#skip(/\w*/y);
    if (/[^gi]/.test(flags)) throw this.#unsupported();
    if (/(?<!\\)[$@](?![1-9&])/.test(to)) throw this.#unsupported();
    const expression = pattern(from, flags);
    const replacement = unescapedReplacement(to);
    return (value) => value.replace(expression, replacement);
  }

  #transliteration(): Step {
    const [from, to] = this.#operands();
    if (this.#skip(/\w*/y) !== '') throw this.#unsupported();
    const source = ranges(from);
    // A shorter list goes on with its last character; none at all changes nothing.
    const target = ranges(to === '' ? from : to);
    const table = new Map(
      source.map((character, at) => [character, target[Math.min(at, target.length - 1)]!]),
    );
    return (value) => value.replace(/./gs, (character) => table.get(character) ?? character);
  }

  /** Two texts between delimiters: `/a/b/`, `:a:b:`, `{a}{b}`. */
  #operands(): [from: string, to: string] {
    const open = this.#text[this.#at++]!;
    const close = CLOSING[open] ?? open;
    const from = this.#until(close);
    if (close !== open) {
      this.#skip(/\s*/y);
      this.#at++;
    }
    return [from, this.#until(close)];
  }

  #until(close: string): string {
    let text = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at]!;
      if (character === close) {
        this.#at++;
        return text;
      }
      if (character !== '\\') text += character;
      // An escaped delimiter is the delimiter; other escapes are for the pattern.
      else if (this.#text[++this.#at] === close) text += close === '/' ? '\\/' : close;
      else text += `\\${this.#text[this.#at] ?? ''}`;
    }
    throw this.#unsupported();
  }

  #skip(what: RegExp): string {
    what.lastIndex = this.#at;
    const found = what.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #unsupported(): UsageError {
    return new UsageError(
      `{= ${this.#text.trim()} =} is not supported: of Perl there are s///, tr///, uc, lc, seq(), slot(), total_jobs() and uq(). Compute it in the command itself.`,
      'notSupported',
    );
  }
}

/** From Perl's replacement text to JavaScript's. */
function unescapedReplacement(text: string): string {
  const letters: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
  return text.replace(/\\([1-9])|\\(.)/gs, (_, group: string | undefined, character: string) =>
    group !== undefined ? `$${group}` : character === '$' ? '$$' : (letters[character] ?? character),
  );
}

/** `a-c` is a, b, c. */
function ranges(text: string): string[] {
  return [...text.matchAll(/\\?(.)(?:-(.))?/gs)].flatMap(([, first, last]) => {
    const [from, to] = [first!.charCodeAt(0), (last ?? first)!.charCodeAt(0)];
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => String.fromCharCode(from + at));
  });
}
