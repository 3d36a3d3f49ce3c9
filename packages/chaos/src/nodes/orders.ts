/** What is given to the nodes, and what is right: pure functions of the seed. */
import { hash } from 'node:crypto';
import type { Random } from '../random.ts';

export interface Order {
  /** Under which it is given, as often as it takes. */
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly count: number;
  /** Of a task, as it stands in the results; of a command, what it prints. */
  readonly rightOf: (index: number) => unknown;
  readonly isCommand: boolean;
}

/** A task must not end as crashed because its Drones were killed. */
const CRASH_LIMIT = 1_000_000;

type Draw = (random: Random) => Omit<Order, 'key'>;
const DRAWS: readonly Draw[] = [
  (random) => {
    const word = text(random);
    return { body: { command: `printf %s ${word}` }, count: 1, isCommand: true, rightOf: () => word };
  },
  (random) => {
    const inputs = Array.from({ length: random.magnitude(1, 300) }, () => text(random));
    const rightOf = (index: number) => hash('sha256', inputs[index]!);
    return { body: { kind: 'hash', inputs }, count: inputs.length, isCommand: false, rightOf };
  },
  (random) => {
    const start = random.int(0, 1_000_000);
    const count = random.magnitude(10, 20_000);
    const body = { kind: 'hash', range: { start, step: 1, count } };
    return { body, count, isCommand: false, rightOf: (index) => hash('sha256', String(start + index)) };
  },
  (random) => {
    const inputs = Array.from({ length: random.int(1, 4) }, () => random.magnitude(1, 300));
    const body = { kind: 'sleep', inputs };
    return { body, count: inputs.length, isCommand: false, rightOf: (index) => inputs[index]! };
  },
];

export function drawOrder(random: Random): Order {
  const { body, ...rest } = random.pick(DRAWS)(random);
  return { ...rest, key: text(random), body: { ...body, crash_limit: CRASH_LIMIT } };
}

const text = (random: Random): string => random.int(0, 2 ** 48).toString(36);
