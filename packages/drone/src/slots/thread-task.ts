/**
 * The one `Task` of a slot's thread: it is moved from task to task, so running one costs no object. It reads the input
 * memory that the main thread filled, and writes outputs into the ring (see control-block.ts).
 */
import {
  encodeMsgpack,
  LIMITS,
  type Message,
  type Piece,
  readU32,
  readValue,
  StreamReader,
} from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';
import type { Task } from '../kinds/kind.ts';
import {
  type ControlBlock,
  FAILED_BIT,
  type FailedOutput,
  FINISH_BIT,
  inputLayout,
  REPORT_BYTES,
  RING_BYTES,
  SAYS,
  type SharedMemory,
  STREAM_BIT,
  STREAM_NOTE_BYTES,
  type ThreadJob,
  WORD,
} from './control-block.ts';
import type { OutputWriter } from './output-writer.ts';

/** A task reads its stream. */
export interface Pull extends Piece {
  readonly position: number;
}

export class ThreadTask implements Task {
  position = 0;
  bytes: Buffer;
  offset = 0;
  size = 0;
  streamBytes: number | null = null;
  isStreamEncoded = false;
  readonly out: Buffer;

  readonly #block: ControlBlock;
  readonly #sizes: Uint32Array;
  readonly #pull: (pull: Pull) => void;
  readonly #say: (code: number) => void;
  readonly #output: OutputWriter;
  /** Called when there is no room left for results. */
  readonly #onFull: () => void;
  #run = 0;
  /** Whether the file holds an encoded value, not bytes as they are. */
  #isFileEncoded = false;
  /** For inputs that are computed. */
  readonly #scratch = Buffer.alloc(16);
  #job: ThreadJob = {
    job: '',
    kind: '',
    encoding: 'raw',
    params: {},
    range: null,
    reduce: null,
    isFold: false,
  };
  #input: Buffer;
  #inputs: DataView;

  // Where the next input begins.
  #uniform = 0;
  #sizesAt = 0;
  #dataAt = 0;
  #streams = 0;
  #streamsAt = 0;
  #rangeEnd = 0;
  #rangeAt = 0;
  #index = 0;
  #ranges = 0;
  /** Tasks of this lease that were tried before, by index. */
  #attempts: ReadonlyMap<number, number> | null = null;

  // The output of this task, and where the next one goes.
  #at = 0;
  #outputAt = 0;
  #outputSize = 0;
  /** It has ended its job with its value. */
  #isFinish = false;
  #written = 0;
  #unreported = 0;
  /**
   * Of a job that is folded by a user's function: given each value before it counts. What it throws is the task's failure.
   */
  onValue: ((position: number, value: Uint8Array) => void) | null = null;
  /** Set when the thread had to wait for room: that time is not work. */
  hasWaited = false;

  #controller: AbortController | null = null;
  #stream: StreamReader | null = null;

  constructor(
    memory: SharedMemory,
    block: ControlBlock,
    output: OutputWriter,
    say: (code: number) => void,
    pull: (pull: Pull) => void,
    onFull: () => void,
  ) {
    this.#onFull = onFull;
    this.#block = block;
    this.#output = output;
    this.#say = say;
    this.#pull = pull;
    this.#sizes = new Uint32Array(memory.sizes);
    this.out = Buffer.from(memory.ring);
    this.#input = Buffer.from(memory.input);
    this.#inputs = new DataView(memory.input);
    this.bytes = this.#input;
  }

  useInput(input: SharedArrayBuffer): void {
    this.#input = Buffer.from(input);
    this.#inputs = new DataView(input);
  }

  /** The lease in the block begins. */
  begin(job: ThreadJob, run: number, attempts: ReadonlyMap<number, number> | null = null): void {
    const { words } = this.#block;
    const uniform = words[WORD.size]!;
    const layout = inputLayout(words[WORD.ranges]!, words[WORD.streams]!, words[WORD.count]!, uniform >= 0);
    this.#job = job;
    this.#run = run;
    this.bytes = job.range === null ? this.#input : this.#scratch;
    this.#uniform = uniform;
    this.#sizesAt = layout.sizesAt;
    this.#dataAt = layout.dataAt;
    this.#streams = words[WORD.streams]!;
    this.#streamsAt = layout.streamsAt;
    this.#ranges = words[WORD.ranges]!;
    this.#attempts = attempts;
    this.#rangeAt = 0;
    this.#rangeEnd = 0;
    this.#at = 0;
    this.#written = 0;
    this.#unreported = 0;
  }

  /** Stands on the next task; every task of a lease is loaded, in order. */
  load(position: number): void {
    this.position = position;
    this.#outputSize = 0;
    this.#isFinish = false;
    this.#outputAt = this.#at;
    this.streamBytes = null;
    if (this.#job.range !== null) {
      this.#loadComputed(position, this.#job.range);
      return;
    }
    this.offset = this.#dataAt;
    this.size = this.#uniform >= 0 ? this.#uniform : readU32(this.#input, this.#sizesAt + position * 4);
    this.#dataAt += this.size;
    if (this.#streams > 0) this.#loadStream(position);
  }

  /** Stands on a task that was loaded before, to put its output. */
  standOn(position: number): void {
    this.position = position;
    this.#outputSize = 0;
    this.#outputAt = this.#at;
  }

  /** Hands over what aborts the task at hand, which goes on beside others. */
  detach(): AbortController | null {
    const controller = this.#controller;
    this.#controller = null;
    return controller;
  }

  get index(): number {
    let { position } = this;
    for (let at = 0; at < this.#ranges; at++) {
      const count = this.#inputs.getFloat64(at * 16 + 8, true);
      if (position < count) return this.#inputs.getFloat64(at * 16, true) + position;
      position -= count;
    }
    return position;
  }
  get attempt(): number {
    return this.#attempts?.get(this.index) ?? 1;
  }
  finish(): void {
    if (this.#output.isOpen) {
      throw new TaskFailure('tooLarge', 'What ends a job early has at most 1 MiB.');
    }
    this.#isFinish = true;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }
  get isAborted(): boolean {
    return this.#controller?.signal.aborted ?? false;
  }
  abort(reason: string): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(new TaskFailure('cancelled', reason));
    this.#stream?.fail(this.#controller.signal.reason as TaskFailure);
  }

  reserve(size: number): number {
    if (size > LIMITS.valueBytesMax) {
      throw new TaskFailure(
        'tooLarge',
        `The output has ${size} bytes; a value has at most ${LIMITS.valueBytesMax}.`,
      );
    }
    const at = this.#at + size > RING_BYTES ? 0 : this.#at;
    const padding = at === this.#at ? 0 : RING_BYTES - this.#at;
    const free = RING_BYTES - this.#used();
    if (free < padding + size) this.#awaitRoom(padding + size);
    this.#outputAt = at;
    this.#outputSize = size;
    return at;
  }

  put(bytes: Uint8Array): void {
    if (bytes.length > LIMITS.valueBytesMax) {
      this.#writeFile(bytes, true);
      return;
    }
    const at = this.reserve(bytes.length);
    this.out.set(bytes, at);
  }

  putInput(): void {
    const { size, bytes, offset, out } = this;
    if (size > LIMITS.valueBytesMax) {
      this.#writeFile(bytes.subarray(offset, offset + size), true);
      return;
    }
    const at = this.reserve(size);
    if (size > 32) bytes.copy(out, at, offset, offset + size);
    else for (let i = 0; i < size; i++) out[at + i] = bytes[offset + i]!;
  }

  write(bytes: Uint8Array): void {
    this.#writeFile(bytes, false);
  }

  writeEncoded(bytes: Uint8Array): void {
    this.#writeFile(bytes, true);
  }

  #writeFile(bytes: Uint8Array, isEncoded: boolean): void {
    this.#isFileEncoded = isEncoded;
    this.#output.write(this.#run, this.position, bytes);
  }

  /** Bytes of results that are still in the ring. */
  get unreadBytes(): number {
    return this.#used();
  }
  /** The memory with the inputs. */
  get input(): ArrayBufferLike {
    return this.#inputs.buffer;
  }

  value(): unknown {
    return readValue(this.bytes, this.offset, this.size, this.#job.encoding);
  }

  chunks(): AsyncIterable<Uint8Array> {
    if (this.streamBytes === null)
      throw new TaskFailure('badInput', 'The input of this task is not a stream.');
    const { position } = this;
    this.#stream ??= new StreamReader(
      this.streamBytes,
      (piece) => this.#pull({ position, ...piece }),
      // Whoever has the value may be away for a moment: its client dials again, or another one takes the job up.
      (text) => new TaskFailure('streamFailed', text, true),
    );
    return this.#stream.chunks();
  }
  chunkArrived(
    position: number,
    chunk: Pick<Message<'StreamChunk'>, 'offset' | 'data' | 'last' | 'error'>,
  ): void {
    if (position === this.position) this.#stream?.arrived(chunk);
  }

  /** The task has succeeded: its output can be seen from now on. */
  succeeded(): void {
    if (this.#output.isOpen) {
      this.#succeededWithFile();
      return;
    }
    if (this.onValue !== null && !this.#isFinish) {
      this.onValue(this.position, this.out.subarray(this.#outputAt, this.#outputAt + this.#outputSize));
    }
    this.#commit(this.#outputSize, this.#isFinish ? this.#outputSize + FINISH_BIT : this.#outputSize);
    this.#isFinish = false;
  }

  /** A file that turned out small is a file all the same: what was written to it is not looked at again. */
  #succeededWithFile(): void {
    if (this.#isFinish) {
      const message = `The value of a job has at most ${LIMITS.valueBytesMax} bytes.`;
      this.failed({ outcome: 'failed', code: 'tooLarge', message, retryable: false });
      return;
    }
    const at = this.reserve(STREAM_NOTE_BYTES);
    this.out.writeDoubleBE(this.#output.bytes, at);
    this.out[at + 8] = this.#isFileEncoded ? 1 : 0;
    this.#output.finish();
    this.#commit(STREAM_NOTE_BYTES, STREAM_NOTE_BYTES + STREAM_BIT);
  }

  /** The task has failed. What it had written is not seen, unless it is to be kept, as its output beside the failure. */
  failed(
    failure: {
      outcome: string;
      code: string;
      message: string;
      retryable?: boolean;
      error?: string;
    },
    keepsOutput = false,
  ): void {
    this.#isFinish = false;
    const kept = keepsOutput ? this.#keptOutput() : {};
    if (this.#output.isOpen) this.#output.discard();
    const bytes = encodeMsgpack({ ...failure, ...kept });
    this.out.set(bytes, this.reserve(bytes.length));
    this.#commit(bytes.length, bytes.length + FAILED_BIT);
  }

  #keptOutput(): FailedOutput {
    if (this.#output.isOpen) {
      const { bytes } = this.#output;
      this.#output.finish();
      return { stream: { bytes, encoded: this.#isFileEncoded } };
    }
    // Copied, because the failure is written where it stands.
    return {
      value: Uint8Array.from(this.out.subarray(this.#outputAt, this.#outputAt + this.#outputSize)),
    };
  }

  #commit(size: number, word: number): void {
    const { position } = this;
    const at = this.#outputAt;
    if (at !== this.#at && size > 0) this.#written += RING_BYTES - this.#at;
    this.#written += size;
    if (size > 0) this.#at = at + size;
    this.#sizes[position] = word;
    this.#unreported += size + 4;
    this.#controller = null;
    this.#stream = null;
    Atomics.store(this.#block.words, WORD.completed, position + 1);
    if (this.#unreported < REPORT_BYTES) return;
    this.#unreported = 0;
    this.#say(SAYS.much);
  }

  #used(): number {
    return (this.#written - Atomics.load(this.#block.words, WORD.taken)) >>> 0;
  }

  /** The main thread takes what is finished at once; while it cannot, this thread may not run ahead of it. */
  #awaitRoom(size: number): void {
    const { words } = this.#block;
    this.hasWaited = true;
    this.#onFull();
    while (RING_BYTES - this.#used() < size) {
      const taken = Atomics.load(words, WORD.taken);
      if (RING_BYTES - ((this.#written - taken) >>> 0) >= size) return;
      this.#say(SAYS.much);
      Atomics.wait(words, WORD.taken, taken);
    }
  }

  #loadComputed(position: number, range: { readonly start: number; readonly step: number }): void {
    while (position >= this.#rangeEnd) {
      this.#index = this.#inputs.getFloat64(this.#rangeAt, true) - 1;
      this.#rangeEnd += this.#inputs.getFloat64(this.#rangeAt + 8, true);
      this.#rangeAt += 16;
    }
    this.#index++;
    this.offset = 0;
    this.size = this.#writeInteger(range.start + this.#index * range.step);
  }

  #writeInteger(value: number): number {
    const to = this.#scratch;
    if (value >= 0 && value < 0x80) {
      to[0] = value;
      return 1;
    }
    if (value >= 0 && value < 0x1_0000) {
      const isShort = value < 0x100;
      to[0] = isShort ? 0xcc : 0xcd;
      if (isShort) to[1] = value;
      else to.writeUInt16BE(value, 1);
      return isShort ? 2 : 3;
    }
    if (value >= 0 && value <= 0xffff_ffff) {
      to[0] = 0xce;
      to.writeUInt32BE(value, 1);
      return 5;
    }
    const bytes = encodeMsgpack(value);
    to.set(bytes);
    return bytes.length;
  }

  #loadStream(position: number): void {
    if (this.#inputs.getFloat64(this.#streamsAt, true) !== position) return;
    const bytes = this.#inputs.getFloat64(this.#streamsAt + 8, true);
    this.streamBytes = Math.abs(bytes);
    this.isStreamEncoded = bytes < 0;
    this.#streams--;
    this.#streamsAt += 16;
  }
}
