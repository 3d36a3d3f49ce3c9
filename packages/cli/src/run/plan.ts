/**
 * From settings to commands: a lazy stream in which each command is written when somebody wants it, and forgotten when it
 * has ended. Nothing here knows how many there will be.
 */
import { UsageError } from '@hive/shared';
import { type ByteText, bytesOf, byteText, shownText, textOrBytes } from './byte-text.ts';
import type { CommandInput, CommandTask } from './command-task.ts';
import { type BatchRow, batches, type LineMeter } from './input/batches.ts';
import { numberNames } from './input/columns.ts';
import { type InputPlace, openRows, type RowInput } from './input/rows.ts';
import type { Source } from './input/separators.ts';
import type { RunSettings } from './options/settings.ts';
import type { Block } from './pipe/blocks.ts';
import type { DoneBefore } from './resume.ts';
import { type Composed, Composer } from './template/composer.ts';
import type { ReplacementContext } from './template/replacements.ts';
import { SlotNumbers } from './template/slots.ts';

/** A command on its way, with what is wanted of it when it has ended. */
export interface Planned extends Composed {
  readonly task: CommandTask;
  /** Bytes of standard input. */
  readonly inputBytes: number;
  /** Its slot's number and its block are free again. */
  release(): void;
}

export interface PlanPlace extends InputPlace {
  /** Bytes that a line may not reach. */
  readonly lineBytesMax: number;
  readonly pid: number;
  readonly doneBefore: DoneBefore;
}

/** Commands with the numbers that they had in an earlier run, instead of values. */
export type NumberedLines = readonly (readonly [seq: number, line: ByteText])[];

export class Plan {
  readonly #settings: RunSettings;
  readonly #place: PlanPlace;
  readonly #input: RowInput | null;
  readonly #composer: Composer;
  readonly #numbers = new SlotNumbers();
  readonly #slots: number;
  #total: number | null;

  private constructor(
    settings: RunSettings,
    place: PlanPlace,
    input: RowInput | null,
    words: readonly string[],
  ) {
    const names = input?.names ?? [];
    const numbered = (text: ByteText) => numberNames(text, names);
    const { command, output } = settings;
    const named: RunSettings = {
      ...settings,
      command: {
        ...command,
        tag: command.tag === null ? null : numbered(command.tag),
        folder: command.folder === null ? null : numbered(command.folder),
        transfer: command.transfer.map(numbered),
        return: command.return.map(numbered),
      },
      output: { ...output, results: output.results === null ? null : numbered(output.results) },
    };
    this.#settings = named;
    this.#place = place;
    this.#input = input;
    this.#composer = new Composer(named, words.map(byteText).map(numbered), names);
    this.#slots = Math.min(settings.execution.slots, Number.MAX_SAFE_INTEGER);
    this.#total = settings.execution.total;
  }

  /** @throws UsageError for what cannot be read */
  static async open(
    settings: RunSettings,
    words: readonly string[],
    sources: readonly Source[],
    place: PlanPlace,
  ): Promise<Plan> {
    if (settings.pipe !== null) {
      if (words.length === 0)
        throw new UsageError('--pipe needs a command that reads the blocks, such as "wc -l".', 'noCommand');
      if (sources.length > 0)
        throw new UsageError('--pipe does not go with values: blocks come from standard input.', 'badInput');
      return new Plan(settings, place, null, words);
    }
    return new Plan(settings, place, await openRows(sources, settings.input, place), words);
  }

  /** Commands must be pulled only when there is a slot free for them. */
  get pullsWhenFree(): boolean {
    return this.#composer.usesSlot;
  }

  /** How many commands there will be, if that has been found out. */
  get total(): number | null {
    return this.#total;
  }

  /** Goes through all input once more than otherwise, where its number has to be known before the first command. */
  async countIfNeeded(isNeeded: boolean): Promise<void> {
    if (this.#total !== null || !(isNeeded || this.#composer.usesTotal)) return;
    if (this.#input === null)
      throw new UsageError(
        'How many blocks there will be is not known before standard input has ended: give --total-jobs.',
      );
    let count = 0;
    for await (const _ of this.#batches(this.#input.rows(false))) count++;
    this.#total = count;
  }

  /** @throws UsageError while it is read: for input that is too long for a command, and the like */
  async *commands(): AsyncGenerator<Planned> {
    let seq = 0;
    let index = 0;
    for await (const rows of this.#batches(this.#input!.rows(true))) {
      seq++;
      const planned = this.#planned(index, seq, rows, null);
      if (planned === null) continue;
      if (planned.line.length >= this.#lineBytesMax) throw this.#tooLong(planned.line, seq);
      index++;
      yield planned;
    }
  }

  async *commandsForBlocks(blocks: AsyncIterable<Block>): AsyncGenerator<Planned> {
    let seq = 0;
    let index = 0;
    for await (const block of blocks) {
      const planned = this.#planned(index, ++seq, [], block);
      if (planned === null) block.release();
      else {
        index++;
        yield planned;
      }
    }
  }

  /** Whole command lines again, under the numbers that they had. */
  *commandsAgain(lines: NumberedLines): Generator<Planned> {
    let index = 0;
    for (const [seq, line] of lines) {
      const planned = this.#planned(index, seq, [[line]], null);
      if (planned === null) continue;
      index++;
      yield planned;
    }
  }

  get #lineBytesMax(): number {
    return Math.min(this.#settings.input.lineBytesMax ?? Number.POSITIVE_INFINITY, this.#place.lineBytesMax);
  }

  async *#batches(rows: AsyncIterable<BatchRow>): AsyncGenerator<readonly BatchRow[]> {
    const { rowsMax, spreads } = this.#settings.input;
    // A single row needs no measuring beforehand.
    const newMeter =
      rowsMax === 1 ? () => NO_METER : (seq: number) => this.#composer.meter(this.#context(seq, () => 1));
    const spreadOver = spreads ? this.#slots : null;
    for await (const batch of batches(rows, { rowsMax, bytesMax: this.#lineBytesMax, spreadOver }, newMeter))
      yield batch.rows;
  }

  #context(seq: number, slot: () => number): ReplacementContext {
    return { seq, slot, total: () => this.#total ?? 0, slots: this.#slots };
  }

  /** Null if it was done before. */
  #planned(index: number, seq: number, rows: readonly BatchRow[], block: Block | null): Planned | null {
    const { doneBefore, pid } = this.#place;
    if (doneBefore.has(seq)) return null;
    let slot: number | null = null;
    const takeSlot = () => {
      slot ??= this.#numbers.take();
      return slot;
    };
    const composed = this.#composer.compose(rows, this.#context(seq, takeSlot));
    const release = () => {
      if (slot !== null) this.#numbers.free(slot);
      slot = null;
      block?.release();
    };
    if (doneBefore.hasResults(composed.results)) {
      release();
      return null;
    }
    const stdin: CommandInput | null = block === null ? null : block.data;
    const task: CommandTask = {
      index,
      seq,
      line: textOrBytes(composed.line),
      slot,
      env: { PARALLEL_SEQ: String(seq), PARALLEL_PID: String(pid) },
      cwd: composed.folder,
      stdin,
      transfer: composed.transfer.map(textOrBytes),
      return: composed.return.map(textOrBytes),
    };
    const inputBytes = stdin === null ? 0 : stdin instanceof Uint8Array ? stdin.length : stdin.bytes;
    return { ...composed, task, inputBytes, release };
  }

  #tooLong(line: ByteText, seq: number): UsageError {
    const shown = shownText(line.slice(0, 50));
    return new UsageError(
      `Command ${seq} is too long: ${bytesOf(line).length} bytes, where ${this.#lineBytesMax - 1} are the most: ${shown}...`,
      'commandTooLong',
    );
  }
}

const NO_METER: LineMeter = { add() {}, bytes: 0 };
