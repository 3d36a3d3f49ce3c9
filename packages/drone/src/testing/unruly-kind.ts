/**
 * A kind for tests that does what its input says, most of it bad: `ok`, `error`, `exit`, `outside` (an error that nobody
 * catches), `spin` (never returns), `deaf` (waits and heeds no abort), `memory` (takes all there is), `big N` (an output of
 * N bytes), `finish` (ends its job), `reserve N` (room for one), `pour N` (one in pieces, that fails in the end if N is no number).
 */
import type { Kind, Task } from '../kinds/kind.ts';

export const kind: Kind = { name: 'unruly', prepare: () => run };

function run(task: Task): void | Promise<void> {
  const [word, count = '0'] = String(task.value()).split(' ');
  if (word === 'ok') task.putInput();
  else if (word === 'finish') {
    task.putInput();
    task.finish();
  } else if (word === 'error') throw new Error('it went wrong');
  else if (word === 'exit') process.exit(3);
  else if (word === 'outside') return thrownOutside();
  else if (word === 'deaf') return new Promise(() => setInterval(() => {}, 1_000));
  else if (word === 'memory') takeMemory();
  else if (word === 'big') task.put(byteString(Number(count)));
  else if (word === 'reserve') task.reserve(Number(count));
  else if (word === 'pour') pour(task, Number(count));
  else for (;;);
}

function thrownOutside(): Promise<void> {
  setImmediate(() => {
    throw new Error('nobody caught this');
  });
  return new Promise(() => {});
}

function pour(task: Task, size: number): void {
  const piece = Buffer.alloc(1_000_000);
  for (let done = 0; done < (size || piece.length); done += piece.length) task.write(piece);
  if (Number.isNaN(size)) throw new Error('the jug broke');
}

function takeMemory(): void {
  const hoard: number[][] = [];
  for (;;) hoard.push(new Array(100_000).fill(hoard.length));
}

/** A msgpack byte string that takes `size` bytes with its header of 5. */
function byteString(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes[0] = 0xc6;
  bytes.writeUInt32BE(size - 5, 1);
  return bytes;
}
