/**
 * What stands for values in a command: `{}`, `{.}`, `{/}` and so on, under the names that options may have given them,
 * and with `--plus` those that borrow from bash. Each is a sign and a function of the value.
 */
import { UsageError } from '@hive/shared';
import type { ByteText } from '../byte-text.ts';

/** What a replacement may know besides the value. */
export interface ReplacementContext {
  /** Number of the command, from 1. */
  readonly seq: number;
  /** Number of the slot that the command will run in, from 1. Asking for it takes a slot. */
  slot(): number;
  /** How many commands there will be in all. @throws UsageError where that is not known */
  total(): number;
  /** Most commands at a time. */
  readonly slots: number;
}

export interface Replacement {
  /** Whose value is used; `slot` and `total` have to be known before the command can be written. */
  readonly uses: 'value' | 'seq' | 'slot' | 'total';
  /** Whether the result is shell code, not a value, and stays unquoted. */
  readonly isCode: boolean;
  apply(value: ByteText, context: ReplacementContext): ByteText;
}

/** What is looked for: a fixed text, or a pattern whose groups are parameters. */
export interface ReplacementSign {
  /** The fixed text, or what the pattern begins with; longer ones are looked for first. */
  readonly text: string;
  /** For a sign that begins with `{`: what follows the brace, as a regular expression's source. */
  readonly source: string;
  readonly isBraced: boolean;
  make(parameters: readonly string[]): Replacement;
}

const ofValue = (apply: (value: ByteText) => ByteText): Replacement => ({
  uses: 'value',
  isCode: false,
  apply,
});

const withoutFolder = (value: ByteText) => value.slice(value.lastIndexOf('/') + 1);
const withoutEnding = (value: ByteText) => value.replace(/\.[^/.]*$/, '');
const without2Endings = (value: ByteText) => value.replace(/\.[^/.]*\.[^/.]*$/, '');
const without3Endings = (value: ByteText) => value.replace(/\.[^/.]*\.[^/.]*\.[^/.]*$/, '');

/** As Perl's `dirname`: slashes at the end belong to the name before them. */
export function folderOf(value: ByteText): ByteText {
  const trimmed = value.replace(/(?<=.)\/+$/s, '');
  const at = trimmed.lastIndexOf('/');
  if (at === -1) return '.';
  return trimmed.slice(0, at).replace(/\/+$/, '') || '/';
}

const VALUE: Replacement = ofValue((value) => value);
const SEQ: Replacement = { uses: 'seq', isCode: false, apply: (_, { seq }) => String(seq) };
const SLOT: Replacement = { uses: 'slot', isCode: false, apply: (_, context) => String(context.slot()) };

/** The seven of every command line, by the option that renames each. */
const STANDARD: readonly (readonly [text: string, option: string, replacement: Replacement])[] = [
  ['{}', 'I', VALUE],
  ['{#}', 'seqreplace', SEQ],
  ['{%}', 'slotreplace', SLOT],
  ['{/}', 'basenamereplace', ofValue(withoutFolder)],
  ['{//}', 'dirnamereplace', ofValue(folderOf)],
  ['{/.}', 'basenameextensionreplace', ofValue((value) => withoutEnding(withoutFolder(value)))],
  ['{.}', 'extensionreplace', ofValue(withoutEnding)],
];

const digitsOf = (most: number) => 1 + Math.floor(Math.log10(Math.max(1, most)));
const ending = (pattern: RegExp) => ofValue((value) => pattern.exec(value)?.[1] ?? '');

const PLUS: readonly (readonly [text: string, replacement: Replacement])[] = [
  ['{+/}', ofValue((value) => (value.includes('/') ? value.replace(/\/[^/]*$/, '') : ''))],
  ['{+.}', ending(/\.([^.\n]*)$/)],
  ['{+..}', ending(/\.([^/.]*\.[^/.]*)$/)],
  ['{+...}', ending(/\.([^/.]*\.[^/.]*\.[^/.]*)$/)],
  ['{..}', ofValue(without2Endings)],
  ['{...}', ofValue(without3Endings)],
  ['{/..}', ofValue((value) => without2Endings(withoutFolder(value)))],
  ['{/...}', ofValue((value) => without3Endings(withoutFolder(value)))],
  ['{##}', { uses: 'total', isCode: false, apply: (_, context) => String(context.total()) }],
  [
    '{0%}',
    {
      uses: 'slot',
      isCode: false,
      apply: (_, context) => String(context.slot()).padStart(digitsOf(context.slots), '0'),
    },
  ],
  [
    '{0#}',
    {
      uses: 'total',
      isCode: false,
      apply: (_, context) => String(context.seq).padStart(digitsOf(context.total()), '0'),
    },
  ],
  // The slot's number as the command sees it when it runs.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's variable
  ['{slot}', { uses: 'value', isCode: true, apply: () => '${PARALLEL_JOBSLOT}' }],
];

/** As bash's `${a#pattern}` and the like, where patterns are regular expressions. */
const PLUS_PATTERNS: readonly (readonly [
  text: string,
  source: string,
  change: (value: ByteText, first: string, second: string) => ByteText,
])[] = [
  ['{:-', ':-([^}]+?)\\}', (value, first) => (value === '' || value === '0' ? first : value)],
  ['{:', ':(\\d+?)\\}', (value, first) => value.slice(Number(first))],
  [
    '{::',
    ':(\\d+?):(\\d+?)\\}',
    (value, first, second) => value.slice(Number(first), Number(first) + Number(second)),
  ],
  ['{#', '#([^#}][^}]*?)\\}', (value, first) => value.replace(pattern(`^${lazy(first)}([^\\n]*)`), '$1')],
  ['{##', '##([^#}][^}]*?)\\}', (value, first) => value.replace(pattern(`^${first}`), '')],
  ['{%', '%([^}]+?)\\}', (value, first) => value.replace(pattern(`(.*)${lazy(first)}$`), '$1')],
  ['{%%', '%%([^}]+?)\\}', (value, first) => value.replace(pattern(`${first}$`), '')],
  ['{/', '/([^#%}/]+?)/([^}]*?)\\}', (value, first, second) => value.replace(pattern(first), () => second)],
  [
    '{/#',
    '/#([^}]+?)/([^}]*?)\\}',
    (value, first, second) => value.replace(pattern(`^${first}`), () => second),
  ],
  [
    '{/%',
    '/%([^}]+?)/([^}]*?)\\}',
    (value, first, second) => value.replace(pattern(`${first}$`), () => second),
  ],
  [
    '{//',
    '//([^}]+?)/([^}]*?)\\}',
    (value, first, second) => value.replace(pattern(first, 'g'), () => second),
  ],
  ['{^', '\\^([^}]+?)\\}', (value, first) => value.replace(pattern(`^(?:${first})`), upper)],
  ['{^^', '\\^\\^([^}]+?)\\}', (value, first) => value.replace(pattern(first, 'g'), upper)],
  ['{,', ',([^}]+?)\\}', (value, first) => value.replace(pattern(`^(?:${first})`), lower)],
  ['{,,', ',,([^}]+?)\\}', (value, first) => value.replace(pattern(first, 'g'), lower)],
];

const upper = (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
const lower = (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Quantifiers take as little as they can. */
function lazy(source: string): string {
  return source.replace(/\\.|[*+?](?!\?)/gs, (found) => (found.startsWith('\\') ? found : `${found}?`));
}

/** A pattern that a person wrote. @throws UsageError if it is none */
export function pattern(source: string, flags = ''): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new UsageError(`"${source}" is not a regular expression: ${(error as Error).message}.`);
  }
}

/** A text as a regular expression that matches just it. */
export const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

function fixed(text: string, replacement: Replacement): ReplacementSign {
  const isBraced = text.startsWith('{');
  return { text, source: escaped(isBraced ? text.slice(1) : text), isBraced, make: () => replacement };
}

/**
 * The signs in force, longest first.
 * @param names what an option (`I`, `seqreplace`, …) calls one of the seven instead
 * @param own those that the person made (--rpl)
 */
export function replacementSigns(
  names: ReadonlyMap<string, string>,
  hasPlus: boolean,
  own: ReadonlyMap<string, Replacement> = new Map(),
): readonly ReplacementSign[] {
  const signs = new Map<string, ReplacementSign>();
  if (hasPlus) {
    for (const [text, replacement] of PLUS) signs.set(text, fixed(text, replacement));
    for (const [text, source, change] of PLUS_PATTERNS) {
      const make = ([first = '', second = '']: readonly string[]) =>
        ofValue((value) => change(value, first, second));
      signs.set(`${text}…`, { text: `${text}(…)}`, source, isBraced: true, make });
    }
  }
  for (const [text, option, replacement] of STANDARD) {
    const name = names.get(option) ?? text;
    signs.set(name, fixed(name, replacement));
  }
  for (const [text, replacement] of own) signs.set(text, fixed(text, replacement));
  return [...signs.values()].sort((a, b) => b.text.length - a.text.length);
}
