/** Everything about one command that depends on its values: its line, tag, folder, files, and where its results go. */
import { type ByteText, shownText } from '../byte-text.ts';
import type { BatchRow, LineMeter } from '../input/batches.ts';
import { trimmed } from '../input/columns.ts';
import type { RunSettings } from '../options/settings.ts';
import { type FillRules, fill, plainRules, type Value } from './fill.ts';
import { LineLength } from './line-length.ts';
import { perlReplacement } from './perl-subset.ts';
import { type ReplacementContext, replacementSigns } from './replacements.ts';
import { resultsFolder } from './results-folder.ts';
import { beginsWithValue, hasValues, type Template, TemplateParser, usesOf } from './template.ts';

export interface Composed {
  readonly line: ByteText;
  /** With the tab that ends it; empty without --tag. */
  readonly tag: ByteText;
  readonly folder: string | null;
  readonly transfer: readonly ByteText[];
  readonly return: readonly ByteText[];
  /** What `stdout`, `stderr` and `seq` are appended to; null without --results. */
  readonly results: ByteText | null;
}

const VALUE_WORD = '{}';

export class Composer {
  readonly #settings: RunSettings;
  readonly #names: readonly ByteText[];
  readonly #rules: FillRules;
  readonly #command: Template;
  readonly #tag: Template;
  readonly #folder: Template;
  readonly #results: Template;
  readonly #transfer: readonly Template[];
  readonly #return: readonly Template[];
  /** Whether a slot's number stands in the line, so that it cannot be written before there is one. */
  readonly usesSlot: boolean;
  readonly usesTotal: boolean;

  /**
   * @param words the command as it was written, with names of columns already numbers
   * @param names of the columns, for folders of results
   */
  constructor(settings: RunSettings, words: readonly ByteText[], names: readonly ByteText[]) {
    const { signs, hasPlus, repeatsContext, quotesWords, tag, folder, parentheses } = settings.command;
    const own = new Map([...settings.command.ownSigns].map(([sign, code]) => [sign, perlReplacement(code)]));
    const parser = new TemplateParser(replacementSigns(signs, hasPlus, own), parentheses);
    const one = (text: ByteText | null) => (text === null ? [] : parser.parse([text]));
    this.#settings = settings;
    this.#names = names;
    this.#command = withValue(parser, words, signs.get('I') ?? VALUE_WORD, settings.pipe !== null);
    this.#tag = one(tag);
    this.#folder = one(folder);
    this.#results = one(settings.output.results);
    this.#transfer = settings.command.transfer.map(one);
    this.#return = settings.command.return.map(one);
    const quotesValues = !quotesWords && !beginsWithValue(this.#command);
    this.#rules = { repeatsContext, quotesWords, quotesValues };
    const all = [this.#command, ...this.#others];
    this.usesSlot = all.some((template) => usesOf(template, 'slot'));
    this.usesTotal = all.some((template) => usesOf(template, 'total'));
  }

  get #others(): Template[] {
    return [this.#tag, this.#folder, this.#results, ...this.#transfer, ...this.#return];
  }

  compose(rows: readonly BatchRow[], context: ReplacementContext): Composed {
    const { trim } = this.#settings.input;
    const values = rows.flatMap((row) => row.map((value) => (value === null ? null : trimmed(value, trim))));
    const plain = (template: Template) => fill(template, values, plainRules(this.#rules), context);
    const { tag, folder, results } = { ...this.#settings.command, ...this.#settings.output };
    return {
      line: fill(this.#command, values, this.#rules, context),
      tag: tag === null ? '' : `${plain(this.#tag)}\t`,
      folder: folder === null ? null : shownText(plain(this.#folder)),
      transfer: this.#transfer.map(plain),
      return: this.#return.map(plain),
      results:
        results === null
          ? null
          : hasValues(this.#results)
            ? plain(this.#results)
            : `${results}/${resultsFolder(rows, this.#names)}/`,
    };
  }

  meter(context: ReplacementContext): LineMeter {
    const { trim } = this.#settings.input;
    const length = new LineLength(this.#command, this.#others, this.#rules);
    const trimmedRow = (row: BatchRow): Value[] =>
      row.map((value) => (value === null ? null : trimmed(value, trim)));
    return {
      add: (row) => length.add(trimmedRow(row), context),
      get bytes() {
        return length.bytes;
      },
    };
  }
}

/** A command without any value gets one at its end; no command at all is the value itself. */
function withValue(
  parser: TemplateParser,
  words: readonly ByteText[],
  sign: string,
  readsBlocks: boolean,
): Template {
  const template = parser.parse(words);
  if (hasValues(template) || (readsBlocks && words.length > 0)) return template;
  return [...template, parser.parseWord(sign)];
}
