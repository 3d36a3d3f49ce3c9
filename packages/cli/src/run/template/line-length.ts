/**
 * How long a command line gets as values are added to it, without writing it each time: for -X, -m and -s.
 *
 * It counts as GNU parallel does (and with -q as pessimistically), so that both put the same values into a command.
 */
import { SPACES } from '../byte-text.ts';
import { type FillRules, fill, plainRules, type Value } from './fill.ts';
import type { ReplacementContext } from './replacements.ts';
import type { Slotted, Template } from './template.ts';

const SPACE = new RegExp(`^[${SPACES}]$`);
/** With -q, every byte may become three. */
const QUOTED_FACTOR = 3;

export class LineLength {
  readonly #rules: FillRules;
  readonly #signs = new Map<string, { sign: Slotted; times: number; bytes: number }>();
  #contextBytes = 0;
  #contextParts = 0;
  #otherBytes: number;
  #records = 0;
  #recordValues = 0;

  /** @param others templates that are filled for each command too, such as its tag */
  constructor(template: Template, others: readonly Template[], rules: FillRules) {
    this.#rules = rules;
    this.#otherBytes = Math.max(0, template.length - 1);
    for (const word of template) this.#measure(word);
    for (const piece of others.flat(2)) {
      if (piece.type === 'value' && !this.#signs.has(piece.key))
        this.#signs.set(piece.key, { sign: piece, times: 1, bytes: 0 });
    }
  }

  /** A word's parts between spaces are context if there is a sign in them. */
  #measure(word: Template[number]): void {
    let bytes = 0;
    let hasSign = false;
    const endPart = () => {
      if (hasSign) {
        this.#contextBytes += bytes;
        this.#contextParts++;
      } else this.#otherBytes += bytes;
      bytes = 0;
      hasSign = false;
    };
    for (const piece of word) {
      if (piece.type === 'value') {
        hasSign = true;
        const known = this.#signs.get(piece.key);
        if (known === undefined) this.#signs.set(piece.key, { sign: piece, times: 1, bytes: 0 });
        else known.times++;
      } else if (SPACE.test(piece.text)) {
        endPart();
        this.#otherBytes++;
      } else bytes += piece.text.length;
    }
    endPart();
  }

  add(record: readonly Value[], context: ReplacementContext): void {
    this.#records++;
    this.#recordValues = Math.max(this.#recordValues, record.length);
    this.#count(record, context);
  }
  #count(record: readonly Value[], context: ReplacementContext): void {
    const rules = {
      ...plainRules(this.#rules),
      quotesValues: this.#rules.quotesValues,
      repeatsContext: false,
    };
    for (const entry of this.#signs.values()) {
      const { position } = entry.sign;
      const values =
        position === null ? record : record.slice(position > 0 ? position - 1 : position).slice(0, 1);
      const single: Slotted = { ...entry.sign, position: 1 };
      for (const value of values) entry.bytes += fill([[single]], [value], rules, context).length;
    }
  }

  /** Bytes, or somewhat more. */
  get bytes(): number {
    const repeated = this.#records * this.#recordValues;
    let sum = this.#otherBytes;
    if (this.#rules.repeatsContext) {
      sum += repeated * this.#contextBytes + (repeated - 1) * this.#contextParts;
      for (const { bytes, times } of this.#signs.values()) sum += bytes * times;
    } else {
      sum += this.#contextBytes;
      for (const { bytes, times } of this.#signs.values()) sum += (repeated - 1 + bytes) * times;
    }
    return this.#rules.quotesWords ? sum * QUOTED_FACTOR : sum;
  }
}
