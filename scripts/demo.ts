/**
 * `pnpm demo`: The Hive at work on real files, in well under half a minute. A Queen and two Drones are started as
 * processes, thousands of files that are here anyway are hashed, one Drone is killed on the way, and every digest is
 * checked against this process's own. The exit code says whether all of them were right.
 */
import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, fileStream, type Hive, type JobHandle, type QueenStatus } from '@hive/client';
import { startProcesses } from '@hive/local';
import { LIMITS } from '@hive/shared';

const FOLDER = join(import.meta.dirname, '../node_modules/.pnpm');
/** The files are hashed as often as it takes to have so many tasks, so that there is something to watch. */
const TASKS_WANTED = 25_000;
const DRONES = 2;
/** The Drone is killed when so much is done. */
const KILL_AT = 0.4;
const BAR_WIDTH = 30;
const REDRAW_MILLIS = 100;
/** Between two lines of progress where there is no terminal. */
const LINE_MILLIS = 2_000;

interface File {
  readonly path: string;
  readonly bytes: number;
  readonly digest: string;
}
interface Outcome {
  right: number;
  wrong: number;
  bytes: number;
}

async function main(): Promise<void> {
  say('🐝 The Hive: many processes, one pile of work.\n');
  const files = readFiles();
  const startedAt = performance.now();
  const cluster = await startProcesses({ drones: DRONES, slotsPerDrone: 1 });
  try {
    say(
      `👑 A Queen listens on ${cluster.address}, and ${DRONES} Drones have joined her (${since(startedAt)}).`,
    );
    await using hive = await connect({ ...cluster.access, name: 'demo' });
    process.exitCode = (await hashAll(hive, files, cluster.drones[0]!)) ? 0 : 1;
  } finally {
    await cluster.stop();
  }
  sayWhatNext();
}

/** All regular files below the folder with their right digests, computed here, one after the other. */
function readFiles(): File[] {
  const startedAt = performance.now();
  const files: File[] = [];
  let bytes = 0;
  for (const path of walk(FOLDER)) {
    const contents = readFileSync(path);
    files.push({ path, bytes: contents.length, digest: hash('sha256', contents) });
    bytes += contents.length;
  }
  say(
    `📁 ${count(files.length)} files of this project's dependencies, ${mebibytes(bytes)}; hashed here first, to know what is right (${since(startedAt)}).`,
  );
  return files;
}

/** Regular files only; pnpm's store is full of symbolic links to itself. */
function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

/** Whether every digest that came back was right. */
async function hashAll(
  hive: Hive,
  files: readonly File[],
  victim: { name: string; pid: number; kill(signal: 'SIGKILL'): void },
): Promise<boolean> {
  const rounds = Math.ceil(TASKS_WANTED / files.length);
  const total = files.length * rounds;
  say(
    `📦 Hashing them ${rounds} times: ${count(total)} tasks, ${mebibytes(bytesOf(files) * rounds)} over TCP.\n`,
  );
  const before = await hive.status();
  const startedAt = performance.now();
  const job = await hive.submit({
    kind: 'hash',
    encoding: 'raw',
    inputs: contentsOf(files, rounds),
    name: 'demo',
  });
  const bar = new Bar(total);
  const outcome = await check(job, files, total, bar, () => {
    victim.kill('SIGKILL');
    bar.say(
      `💥 The Drone ${victim.name} (process ${victim.pid}) was killed with SIGKILL, in the middle of its work.`,
    );
  });
  bar.end();
  const seconds = (performance.now() - startedAt) / 1_000;
  const { state } = await job.done;
  const after = await hive.status();
  report(outcome, total, seconds, reassigned(after) - reassigned(before));
  return state === 'succeeded' && outcome.wrong === 0 && outcome.right === total;
}

/** What the tasks take: contents where they are small, and a reference to the file where they are not. */
function* contentsOf(files: readonly File[], rounds: number) {
  for (let round = 0; round < rounds; round++) {
    for (const { path, bytes } of files) {
      yield bytes > LIMITS.valueBytesMax ? fileStream(path) : readFileSync(path);
    }
  }
}

/** Reads every result, compares it, and calls `strike` once, on the way. */
async function check(
  job: JobHandle,
  files: readonly File[],
  total: number,
  bar: Bar,
  strike: () => void,
): Promise<Outcome> {
  const outcome = { right: 0, wrong: 0, bytes: 0 };
  const strikeAt = Math.floor(total * KILL_AT);
  for await (const result of job.results({ ordered: false })) {
    const file = files[result.index % files.length]!;
    const digest =
      result.outcome === 'succeeded' ? Buffer.from(result.value as Uint8Array).toString('hex') : null;
    if (digest === file.digest) outcome.right++;
    else {
      outcome.wrong++;
      bar.say(`❌ ${file.path}: ${digest ?? result.outcome} instead of ${file.digest}`);
    }
    outcome.bytes += file.bytes;
    bar.show(outcome.right + outcome.wrong, outcome.bytes);
    if (outcome.right + outcome.wrong === strikeAt) strike();
  }
  return outcome;
}

function report(
  { right, wrong, bytes }: Outcome,
  total: number,
  seconds: number,
  reassignedTasks: number,
): void {
  const isRight = wrong === 0 && right === total;
  say('');
  say(
    isRight
      ? `🎉 All ${count(right)} digests are right.`
      : `❌ ${count(right)} of ${count(total)} digests are right, ${count(wrong)} are wrong.`,
  );
  say(
    `   ${count(total)} tasks, ${mebibytes(bytes)} in ${seconds.toFixed(1)} s: ${count(total / seconds)} files/s, ${mebibytes(bytes / seconds)}/s`,
  );
  say(
    `   ${count(reassignedTasks)} tasks were with the Drone that died; the other one ran them, and nobody had to do anything.`,
  );
}

function sayWhatNext(): void {
  say(`
What next? In three terminals:
   pnpm queen                      (or: npx -y pnpm@12 queen)
   pnpm drone                      as many as you like
   pnpm hive hash -r packages      what sha256sum prints, computed by the Drones
README.md tells the rest.`);
}

/** A bar that redraws itself on a terminal, and a line now and then elsewhere. */
class Bar {
  readonly #total: number;
  readonly #startedAt = performance.now();
  #shownAt = performance.now();
  #line = '';

  constructor(total: number) {
    this.#total = total;
  }

  show(done: number, bytes: number): void {
    const now = performance.now();
    if (now - this.#shownAt < (process.stdout.isTTY ? REDRAW_MILLIS : LINE_MILLIS) && done < this.#total)
      return;
    this.#shownAt = now;
    const share = done / this.#total;
    const rate = (done * 1_000) / (now - this.#startedAt);
    const numbers = `${String(Math.floor(share * 100)).padStart(3)} %  ${count(done)} files, ${mebibytes(bytes)}, ${count(rate)}/s`;
    const filled = Math.round(share * BAR_WIDTH);
    this.#line = process.stdout.isTTY
      ? `   ${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${numbers}`
      : `   ${numbers}`;
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${this.#line}`);
    else say(this.#line);
  }

  /** A line above the bar. */
  say(text: string): void {
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}\n${this.#line}`);
    else say(text);
  }

  end(): void {
    if (process.stdout.isTTY) process.stdout.write('\n');
  }
}

function bytesOf(files: readonly File[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
/** Tasks that were taken back from Drones which did not finish them; those that were moved for balance do not count. */
function reassigned(status: QueenStatus): number {
  return Number(status['tasksReturned']) - Number(status['tasksRetracted']);
}
function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
function since(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
}
function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}
function mebibytes(bytes: number): string {
  return `${count(bytes / 1_048_576)} MiB`;
}

await main();
