/**
 * A slot as the main thread sees it: one worker thread, the memory shared with it, and the lease that it runs. It does
 * what the agent orders and says what happened; it decides nothing.
 *
 * States: `starting` (a thread was made; left when it says that it is up; a lease given meanwhile waits for that),
 * `idle`, `running` (a lease is in the thread), `parked` (the thread has stopped before the end, because the lease is
 * paused), `closed`. A thread that ends in any of them is replaced, after its results were taken out.
 */
import type { Worker } from 'node:worker_threads';
import type { Spec } from '@hive/shared';
import {
  type AgentEvent,
  type LeaseOrder,
  outputFile,
  type RunningTask,
  type SlotEffect,
  type SlotNumber,
} from '../agent/events.ts';
import type { BlobPuller } from '../blobs/puller.ts';
import type { Guardian } from '../commands/guardian.ts';
import { keepLibcLoaded } from '../commands/libc.ts';
import { slotFolder } from '../commands/workplace.ts';
import {
  type ControlBlock,
  clock,
  controlBlock,
  type FromThread,
  newSharedMemory,
  SAYS,
  type SharedMemory,
  type ThreadJob,
  TIME,
  type ToThread,
  WORD,
} from './control-block.ts';
import { deathOf } from './death.ts';
import type { ThreadFolding } from './folding.ts';
import { GroupEnder } from './group-ender.ts';
import type { Verdict } from './group-words.ts';
import { inputBytes, writeInput } from './input-writer.ts';
import { BufferWatch, TooMuchInBuffers } from './memory.ts';
import { passFor, type WayTo } from './pass.ts';
import { PrintedTail } from './printed-tail.ts';
import { ResultReader } from './results.ts';
import { type Run, runOf } from './run.ts';
import { buffersFor, endThread, heapFor, startThread, type ThreadOptions } from './start-thread.ts';

export interface SlotOptions extends ThreadOptions {
  /** Ends commands if this process is killed. */
  readonly guardian: Guardian;
  /** Whether more of what commands print can be sent now. */
  readonly mayTell: () => boolean;
  /** Gets blobs. */
  readonly blobs: Pick<BlobPuller, 'want' | 'released'>;
  /** The way to a Queen, for tasks of this lease that submit work. Rejects with an Error when there is none. */
  readonly wayTo: WayTo;
}
type Emit = (event: AgentEvent) => void;
type OrderOf<T extends SlotEffect['type']> = Extract<SlotEffect, { type: T }>;

/** Jobs that a thread remembers. */
const JOBS_MAX = 64;
/** A thread that cannot even start is not tried again at once. */
const RESTART_MILLIS = 1_000;

/** The longest wait of `linger`; after some in vain, most are left out. */
const LINGER_MILLIS = 0.04;
const LINGERS_IN_VAIN_MAX = 8;

export class Slot {
  readonly number: SlotNumber;
  readonly #options: SlotOptions;
  readonly #emit: Emit;
  readonly #memory: SharedMemory = newSharedMemory();
  readonly #block: ControlBlock = controlBlock(this.#memory.control);
  readonly #ender = new GroupEnder(this.#block);
  readonly #printed: PrintedTail;
  readonly #buffers = new BufferWatch();
  readonly #results = new ResultReader(this.#block, this.#memory.sizes, this.#memory.ring);
  #input = this.#memory.input;
  #worker: Worker;
  /** What the thread was started with. */
  #heapMiB: number | undefined;
  /** Threads that others have taken the place of. */
  readonly #leaving = new Set<Promise<unknown>>();
  #isReady = false;
  #isClosed = false;
  #run: Run | null = null;
  /** Specs that the thread knows, oldest first, and their numbers there. */
  readonly #jobs = new Map<object, number>();
  #jobsMade = 0;
  /** Jobs of which a thread has died while it ran several tasks at once: whose fault it was shows one by one. */
  readonly #sequential = new WeakSet<Spec>();
  #lastError: unknown = null;
  #lingersInVain = 0;
  #lingersToSkip = 0;
  #restart: NodeJS.Timeout | null = null;

  constructor(number: SlotNumber, options: SlotOptions, emit: Emit) {
    this.number = number;
    this.#options = options;
    this.#emit = emit;
    this.#printed = new PrintedTail(
      slotFolder(options.outputs.folder, number),
      options.mayTell,
      (printed) => {
        const run = this.#run;
        if (run !== null) this.#emit({ type: 'slotPrinted', slot: this.number, run: run.number, ...printed });
      },
    );
    this.#heapMiB = options.heapMiB ?? options.memory?.heapMiB;
    this.#worker = this.#spawn();
  }

  /** Carries out one order. What is meant for a run that is over is dropped. */
  obey(effect: SlotEffect): void {
    if (effect.type === 'startLease') {
      this.#start(effect);
      return;
    }
    const run = this.#run;
    if (run === null || run.number !== effect.run || this.#isClosed) return;
    this.#orders[effect.type](run, effect as never);
  }

  readonly #orders: {
    readonly [T in Exclude<SlotEffect['type'], 'startLease'>]: (run: Run, effect: OrderOf<T>) => void;
  } = {
    retractLease: (run, { end }) => this.#retract(run, end),
    goOn: (_run, { problem }) => this.#tell({ type: 'goOn', problem }),
    sampleSlot: (run) => this.#sample(run),
    watchSlot: (run, { on }) => this.#watch(run, on),
    pauseSlot: (run) => this.#pause(run),
    resumeSlot: (run) => this.#resume(run),
    abortTask: (run, { position, reason }) => this.#abort(run, position, reason),
    deliverChunk: (_run, { position, offset, data, last, error }) => {
      const own = data.slice();
      const chunk = { offset, data: own, last, ...(error === null ? {} : { error }) };
      this.#tell({ type: 'chunk', position, chunk }, [own.buffer]);
    },
    killSlot: (run, { outcome, message }) => this.#kill(run, { why: outcome, message }),
  };

  get isBusy(): boolean {
    return this.#run !== null;
  }

  /**
   * Waits a moment, without sleeping, for the end of the lease that runs, when leases before it were as short as that.
   * Sleeping and being woken by the thread costs more time than a short task does.
   */
  linger(): void {
    const run = this.#run;
    // The thread's folded results come as a message.
    if (run === null || run.folded !== null || !this.#isReady || this.#lingersToSkip-- > 0) return;
    const { words } = this.#block;
    const until = clock() + LINGER_MILLIS;
    while (
      Atomics.load(words, WORD.stopped) !== run.number ||
      Atomics.load(words, WORD.completed) < run.end
    ) {
      if (clock() < until) continue;
      this.#lingersInVain = Math.min(this.#lingersInVain + 1, LINGERS_IN_VAIN_MAX);
      this.#lingersToSkip = 2 ** this.#lingersInVain;
      return;
    }
    this.#lingersInVain = 0;
    this.#lingersToSkip = 0;
    this.#stopped(run);
  }

  /** Ends the thread for good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    // A thread that waits for a process cannot end before that.
    await this.#ender.close();
    await Promise.all([endThread(this.#worker), ...this.#leaving]);
  }

  #start(order: LeaseOrder): void {
    const { words } = this.#block;
    const heapMiB = heapFor(order, this.#options);
    if (heapMiB !== this.#heapMiB) this.#replaceThread(heapMiB);
    this.#run = runOf(order, buffersFor(order, this.#options));
    // The thread may prepare the job as soon as it hears of it.
    if (this.#run.isCommand) keepLibcLoaded();
    if (this.#run.isCommand || (this.#run.isFunction && this.#options.sandbox))
      this.#options.guardian.start();
    this.#writeInput(order);
    words[WORD.job] = this.#jobNumber(order);
    words[WORD.isTimed] = order.spec.attemptTimeoutMillis === undefined ? 0 : 1;
    words[WORD.startedPosition] = -1;
    words[WORD.isFolding] = 0;
    if (words[WORD.aborts] !== 0) this.#block.abortBits.fill(0);
    words[WORD.aborts] = 0;
    words[WORD.stopped] = 0;
    words[WORD.next] = 0;
    words[WORD.completed] = 0;
    this.#results.reset();
    this.#ender.reset();
    const { attempts = [] } = order;
    if (attempts.length > 0) this.#tell({ type: 'attempts', attempts });
    words[WORD.isWatched] = order.isWatched ? 1 : 0;
    this.#printed.begin(order.run, order.isWatched);
    Atomics.store(words, WORD.end, order.end);
    if (this.#isReady) this.#tell(order.run);
  }

  #writeInput(order: LeaseOrder): void {
    this.#makeInput(inputBytes(order));
    writeInput(this.#block.words, this.#input, order);
  }

  #makeInput(bytes: number): void {
    if (bytes <= this.#input.byteLength) return;
    let room = this.#input.byteLength;
    while (room < bytes) room *= 2;
    this.#input = new SharedArrayBuffer(room);
    this.#tell({ type: 'input', input: this.#input });
  }

  #jobNumber({ job: owner, spec, isFold }: LeaseOrder): number {
    const key = isFold ? (spec.reduce ?? spec) : spec;
    const known = this.#jobs.get(key);
    if (known !== undefined) return known;
    if (this.#jobs.size >= JOBS_MAX) {
      const [oldest, number] = this.#jobs.entries().next().value!;
      this.#jobs.delete(oldest);
      this.#tell({ type: 'forgetJob', id: number });
    }
    const id = ++this.#jobsMade;
    this.#jobs.set(key, id);
    const { kind, encoding, params = {}, range, reduce = null } = spec;
    const isSequential = this.#sequential.has(spec);
    const computed = isFold ? null : (range ?? null);
    const job: ThreadJob = {
      job: owner,
      kind,
      encoding,
      params,
      range: computed,
      isSequential,
      reduce,
      isFold,
    };
    this.#tell({ type: 'job', id, job });
    return id;
  }

  #retract(run: Run, wanted: number): void {
    const { words } = this.#block;
    const end = Math.min(wanted, run.end);
    Atomics.store(words, WORD.end, Math.min(end, Atomics.load(words, WORD.end)));
    // Whatever was claimed by now may have been started, so it stays.
    run.end = Math.min(run.end, Math.max(end, Atomics.load(words, WORD.next)));
    if (!run.isPaused) Atomics.store(words, WORD.end, run.end);
    const { slot, task } = { slot: this.number, task: this.#runningTask(run) };
    this.#emit({ type: 'slotRetracted', slot, run: run.number, end: run.end, task });
    if (run.isParked) this.#stopped(run);
  }

  #pause(run: Run): void {
    run.isPaused = true;
    Atomics.store(this.#block.words, WORD.end, 0);
  }

  #resume(run: Run): void {
    run.isPaused = false;
    Atomics.store(this.#block.words, WORD.end, run.end);
    if (run.isParked) this.#stopped(run);
  }

  #abort(run: Run, position: number | null, reason: string): void {
    const { words, abortBits } = this.#block;
    if (position !== null) {
      abortBits[position >>> 3]! |= 1 << (position & 7);
      Atomics.add(words, WORD.aborts, 1);
    }
    if (position !== null && position >= Atomics.load(words, WORD.next)) return;
    const running = this.#runningTask(run)?.position ?? null;
    this.#tell({ type: 'abort', position: run.isFunction ? position : (position ?? running), reason });
    if ((run.isCommand || this.#ender.isBusy) && running !== null && (position ?? running) === running) {
      this.#ender.end(running, { why: 'cancelled', message: reason });
    }
  }

  /** Ends the thread, or the process that it waits for. */
  #kill(run: Run, verdict: Verdict): void {
    const running = this.#completed;
    if (run.isCommand || this.#ender.isBusy) this.#ender.end(running, verdict);
    // Looked at only now: a process that is not there by now will not be started.
    if (!this.#ender.isBusy) void endThread(this.#worker);
  }

  #sample(run: Run): void {
    this.#take(run, false);
    if (this.#run !== run) return;
    if (this.#block.words[WORD.isWatched] === 1) this.#printed.look(this.#completed);
    const task = this.#runningTask(run);
    if (task !== null) void this.#lookAtBuffers(run, task.position);
    this.#emit({ type: 'slotProgressed', slot: this.number, run: run.number, task });
  }

  async #lookAtBuffers(run: Run, position: number): Promise<void> {
    const worker = this.#worker;
    if (run.buffersMiB === undefined) return;
    if (!(await this.#buffers.look(worker, `${run.number} ${position}`, run.buffersMiB))) return;
    if (this.#worker !== worker || this.#run !== run) return;
    // It may have ended meanwhile, and the one after it has done nothing.
    if (this.#runningTask(run)?.position !== position) return;
    this.#lastError = new TooMuchInBuffers(run.buffersMiB);
    void endThread(worker);
  }

  /** From the beginning of the task that runs, also if somebody has watched before. */
  #watch(run: Run, on: boolean): void {
    Atomics.store(this.#block.words, WORD.isWatched, on ? 1 : 0);
    if (!on) return;
    this.#take(run, false);
    if (this.#run !== run) return;
    this.#printed.restart(() => this.#completed);
    this.#printed.look(this.#completed);
  }

  get #completed(): number {
    return Atomics.load(this.#block.words, WORD.completed);
  }

  /** Reports what has finished since the last report; nothing, if it is nothing and not the end. */
  #take(run: Run, ended: boolean): void {
    // Before it is said that they have ended.
    this.#printed.finish(this.#completed);
    const taken = run.folded?.take(this.#results.position) ?? this.#results.take();
    const { count } = taken;
    if (count === 0 && !ended) return;
    const busy = this.#block.times[TIME.busy]!;
    const busyMicros = Math.max(0, Math.round((busy - run.busyReported) * 1_000));
    run.busyReported = busy;
    if (ended) this.#end();
    const { number: slot } = this;
    this.#emit({
      type: 'slotReported',
      slot,
      run: run.number,
      ...taken,
      busyMicros,
      ended,
    });
  }

  #end(): void {
    const wantedBlobs = this.#run?.wantsBlobs;
    this.#run = null;
    if (wantedBlobs) this.#options.blobs.released(this.number);
  }

  /** A thread that is gone by then, or runs something else, is told nothing. */
  #wantBlob(run: Run, hash: string): void {
    const worker = this.#worker;
    run.wantsBlobs = true;
    this.#options.blobs.want(this.number, run.queen, hash, (result) => {
      if (this.#worker !== worker || this.#isClosed) return;
      const { code, message } = 'failure' in result ? result.failure : { code: '', message: '' };
      this.#tell({ type: 'blob', hash, ...('path' in result ? result : { failure: { code, message } }) });
    });
  }

  #runningTask(run: Run): RunningTask | null {
    return this.#isReady ? run.look.look(this.#block) : null;
  }

  #spawn(): Worker {
    const memory = { ...this.#memory, input: this.#input };
    const worker = startThread(this.number, memory, this.#options, this.#heapMiB);
    this.#lastError = null;
    worker.on('message', (message: FromThread) => this.#receive(message));
    worker.on('error', (error: unknown) => {
      this.#lastError = error ?? 'nothing';
    });
    worker.once('exit', (code) => this.#exited(code));
    return worker;
  }

  /** Another one begins with nothing that it had loaded. It is idle, and what it says from now on is nobody's business. */
  #replaceThread(heapMiB: number | undefined): void {
    const old = this.#worker.removeAllListeners();
    // Whatever its task has left behind may still throw.
    old.on('error', () => {});
    const gone: Promise<unknown> = endThread(old).finally(() => this.#leaving.delete(gone));
    this.#leaving.add(gone);
    this.#isReady = false;
    this.#heapMiB = heapMiB;
    this.#jobs.clear();
    this.#worker = this.#spawn();
  }

  #receive(message: FromThread): void {
    if (message === SAYS.ready) {
      this.#threadUp();
      return;
    }
    const run = this.#run;
    if (run === null || this.#isClosed) return;
    if (typeof message === 'object' && 'limitMillis' in message) {
      this.#ender.limit(message.position, message.limitMillis);
    } else if (typeof message === 'object' && 'blob' in message) {
      this.#wantBlob(run, message.blob);
    } else if (typeof message === 'object' && 'wantsPass' in message) {
      if (message.run === run.number) void this.#givePass(run);
    } else if (typeof message === 'object' && 'waits' in message) {
      this.#emit({ type: 'slotWaits', slot: this.number, ...message });
    } else if (typeof message === 'object' && 'diskBytes' in message) {
      this.#ender.limitDisk(message.position, message);
    } else if (typeof message === 'object' && 'folds' in message) {
      if (message.run === run.number) this.#folded(run, message);
    } else if (typeof message === 'object') {
      this.#emit({ type: 'slotPulled', slot: this.number, run: run.number, ...message });
    } else if (message === SAYS.much) this.#take(run, false);
    else if (-message === run.number) this.#stopped(run);
  }

  /** A thread that is gone by then asks again, if its next task wants to. */
  async #givePass(run: Run): Promise<void> {
    const worker = this.#worker;
    const answer = await passFor(run, this.#options.wayTo);
    if (this.#worker === worker && !this.#isClosed) this.#tell(answer);
  }

  /** The last of a lease waits for its end, which is on its way. */
  #folded(run: Run, folding: ThreadFolding): void {
    this.#results.skipTo(folding.at + folding.count);
    run.folded?.add(folding);
    if (folding.at + folding.count < run.end) this.#take(run, false);
  }

  /** The thread has stopped: at the end of the lease, or because it was paused, or before an end that was raised again. */
  #stopped(run: Run): void {
    const isThrough = Atomics.load(this.#block.words, WORD.completed) >= run.end;
    run.isParked = !isThrough && run.isPaused;
    if (isThrough) this.#take(run, true);
    else if (!run.isPaused) {
      Atomics.store(this.#block.words, WORD.stopped, 0);
      this.#tell(0);
    }
  }

  #threadUp(): void {
    this.#isReady = true;
    // One that had to be replaced for its lease was ready before.
    if (this.#run !== null) this.#tell(this.#run.number);
    else this.#emit({ type: 'slotReady', slot: this.number });
  }

  /** The thread is gone. What it had finished stands in the memory; the task that it ran is the one to name. */
  #exited(code: number): void {
    if (this.#isClosed) return;
    const wasReady = this.#isReady;
    const run = this.#run;
    this.#jobs.clear();
    this.#ender.abandon();
    run?.folded?.addRest(this.#results.take());
    if (run !== null) this.#take(run, false);
    const position = run === null ? null : this.#blamed(run);
    const folder = slotFolder(this.#options.outputs.folder, this.number);
    const death = deathOf(this.#lastError, code, this.#heapMiB, {
      folder,
      run: run?.isFunction ? run.number : 0,
      position: position ?? this.#completed,
      isFolding: Atomics.load(this.#block.words, WORD.isFolding) === 1,
    });
    if (run !== null && position !== null) {
      this.#options.outputs.drop(outputFile(this.number, run.number, position));
    }
    this.#isReady = false;
    this.#end();
    if (wasReady) this.#worker = this.#spawn();
    else this.#restart = setTimeout(() => this.#respawn(), RESTART_MILLIS);
    this.#emit({ type: 'slotDied', slot: this.number, run: run?.number ?? null, position, ...death });
  }

  /** The task that has ended the thread, if it is known. */
  #blamed(run: Run): number | null {
    const isAlone = Atomics.load(this.#block.words, WORD.next) - this.#completed <= 1;
    if (!isAlone) this.#sequential.add(run.spec);
    return isAlone ? (this.#runningTask(run)?.position ?? null) : null;
  }

  #respawn(): void {
    this.#restart = null;
    if (!this.#isClosed) this.#worker = this.#spawn();
  }

  #tell(message: ToThread, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}
