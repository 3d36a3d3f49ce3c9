/**
 * Values as JSON says them. Bytes, which JSON has no word for, become `{"base64": …}`, what JavaScript
 * functions give besides (Map, Set, bigint, Error) lists, texts and names; what a command gave becomes the fields by
 * which the API calls them, with what was printed as text.
 */
import { type Encoding, readValue } from '@hive/shared';

/** A command's result as its msgpack map has it. */
interface CommandEntries {
  readonly exitCode?: number;
  readonly signal?: number;
  readonly timedOut?: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly stdoutCut?: unknown;
  readonly stderrCut?: unknown;
}

/** What a command's end is called in the API. Times are RFC 3339. */
export interface CommandOutcome {
  /** 128 and the signal's number where a signal ended it, as shells say it. */
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly started_at: string;
  readonly finished_at: string;
  readonly timed_out?: true;
  /** Part of what was printed was left out. */
  readonly truncated?: true;
}

export const SIGNAL_EXIT = 128;

export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, plainly) ?? 'null';
  } catch {
    // A JavaScript function may give what holds itself.
    return '{"unrepresentable":"this value holds itself; read it with @hive/client"}';
  }
}

/** A Buffer turns itself into something else before a replacer is asked, so the original is looked at. */
function plainly(this: { readonly [key: string]: unknown }, key: string, value: unknown): unknown {
  const original = this[key];
  if (original instanceof Uint8Array) return { base64: base64(original) };
  if (typeof value === 'bigint') return String(value);
  if (original instanceof Map) return [...original];
  if (original instanceof Set) return [...original];
  return original instanceof Error ? { name: original.name, message: original.message } : value;
}
const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** A value of a page, as JSON text. */
export function valueJson(
  kind: string,
  data: Uint8Array,
  offset: number,
  size: number,
  encoding: Encoding,
): string {
  const value = readValue(data, offset, size, encoding);
  return jsonOf(kind === 'command' && encoding === 'msgpack' ? outcomeOf(value as CommandEntries) : value);
}

export function outcomeOf(entries: CommandEntries): CommandOutcome {
  const { exitCode, signal = 0, timedOut = false, startedAt, endedAt, stdout, stderr } = entries;
  const isCut = entries.stdoutCut !== undefined || entries.stderrCut !== undefined;
  return {
    exit_code: exitCode ?? SIGNAL_EXIT + signal,
    stdout: textOf(stdout),
    stderr: textOf(stderr),
    started_at: new Date(startedAt).toISOString(),
    finished_at: new Date(endedAt).toISOString(),
    ...(timedOut ? { timed_out: true } : {}),
    ...(isCut ? { truncated: true } : {}),
  };
}

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
