/**
 * The parts of docs/PROTOCOL.md that say the same as the code: the table of messages, the tables of fields, the frames
 * of the examples. `updated` writes them anew from `MESSAGES` and the wire fixtures and keeps what people wrote in the
 * last columns; a test refuses a document that this would change, so neither side can drift.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fields, Message, MessageRule } from '../packages/shared/src/index.ts';
import { MESSAGES, STRUCTS } from '../packages/shared/src/index.ts';
import { comparable, frameNamed, SESSIONS, toHex } from '../packages/shared/test/wire-fixtures.ts';

export const PROTOCOL = join(import.meta.dirname, '../docs/PROTOCOL.md');
export const readProtocol = (): string => readFileSync(PROTOCOL, 'utf8');

/** Everything that has fields of its own: the messages, then the maps inside them. */
export const DESCRIBED: ReadonlyMap<string, Fields> = new Map([
  ...Object.entries(MESSAGES).map(([type, rule]) => [type, rule.fields] as const),
  ...STRUCTS.map((one) => [one.name, one.fields] as const),
]);

/** The cells of every row of the tables in a text, without the heading row; a `\|` is part of its cell. */
export function rowsOf(text: string): string[][] {
  const rows = text.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('|---'));
  return rows.slice(1).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The sections of level four, by name, with their text. */
export function sectionsOf(document: string): Map<string, string> {
  const parts = document.split(/^(?=#{2,4} )/m).filter((part) => part.startsWith('#### '));
  return new Map(parts.map((part) => [part.slice(5, part.indexOf('\n')), part]));
}

export function updated(document: string): string {
  return document
    .replace(/^\| message \|[^\n]*\n(?:\|[^\n]*\n)*/m, messageTable)
    .split(/^(?=#{2,4} )/m)
    .map(updatedSection)
    .join('')
    .replace(/^```hive (\w+)\n[\s\S]*?^```$/gm, (_block, name: string) => example(name));
}

function updatedSection(section: string): string {
  const name = /^#### (.*)\n/.exec(section)?.[1];
  const fields = name === undefined ? undefined : DESCRIBED.get(name);
  if (fields === undefined) return section;
  return section.replace(/^\| field \|[^\n]*\n(?:\|[^\n]*\n)*/m, (table) => fieldTable(fields, table));
}

function messageTable(table: string): string {
  const answers = new Map(rowsOf(table).map(([type, , , answer]) => [type, answer]));
  const rows = Object.entries(MESSAGES).map(([type, rule]) => {
    const link = `[${type}](#${type.toLowerCase()})`;
    return `| ${link} | ${senders(rule)} | ${rule.state} | ${answers.get(link) ?? ''} |`;
  });
  return ['| message | from | state | answered by |', '|---|---|---|---|', ...rows, ''].join('\n');
}
function senders(rule: MessageRule): string {
  return rule.from.map((one) => (one === 'queen' ? 'Queen' : one === 'drone' ? 'Drone' : one)).join(', ');
}

function fieldTable(fields: Fields, table: string): string {
  const meanings = new Map(rowsOf(table).map(([field, , meaning]) => [field?.replace('?', ''), meaning]));
  const rows = Object.entries(fields).map(
    ([key, field]) =>
      `| \`${key}\`${field.optional ? '?' : ''} | ${typeText(field.name)} | ${meanings.get(`\`${key}\``) ?? ''} |`,
  );
  return ['| field | type | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}
/** Names of types as they stand in a table: maps inside messages are links. */
function typeText(name: string): string {
  return STRUCTS.reduce(
    (text, { name: inner }) =>
      text.replace(new RegExp(`^(\\[?)${inner}\\b`), `$1[${inner}](#${inner.toLowerCase()})`),
    name,
  );
}

function example(session: string): string {
  const frames = (SESSIONS[session] ?? []).map((name) => {
    const { from, message, frame } = frameNamed(name);
    const arrow = from === 'queen' ? '<' : '>';
    return `${arrow} ${sentence(message)}\n${toHex(frame).replace(/.{1,80}/g, (line) => `  ${line}\n`)}`;
  });
  return `\`\`\`hive ${session}\n${frames.join('\n')}\`\`\``;
}
function sentence(message: Message): string {
  const { type, ...fields } = comparable(message) as Record<string, unknown>;
  const words = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  return [type, ...words].join(' ').slice(0, 300);
}
function fieldText(value: unknown): string {
  const bytes = (value as { $bytes?: string }).$bytes;
  return bytes === undefined ? JSON.stringify(value) : `<${bytes.length / 2} bytes>`;
}
