/**
 * Dependencies among the tasks of a simulated job: who depends on whom is a function of the plan's seed, like everything
 * about it. A task's result says which bytes it was given, own input and parents' results, in which order.
 */
import { mix } from './random.ts';

/** `chains`: as many as `width`; `layers`: each of `width` tasks needs all of the one before. */
export interface GraphShape {
  readonly form: 'chains' | 'layers' | 'tree' | 'funnels' | 'tangle';
  readonly width: number;
}

/** The parents of a task, in the order in which it gets their results. */
export function parentsIn({ form, width }: GraphShape, seed: number, index: number): readonly number[] {
  switch (form) {
    case 'chains':
      return index < width ? [] : [index - width];
    case 'layers': {
      const layer = Math.floor(index / width);
      return layer === 0 ? [] : Array.from({ length: width }, (_, i) => (layer - 1) * width + i);
    }
    case 'tree':
      return index === 0 ? [] : [Math.floor((index - 1) / width)];
    case 'funnels': {
      const before = index % (width + 1);
      return before === width ? Array.from({ length: width }, (_, i) => index - width + i) : [];
    }
    default:
      return tangled(seed, index, width);
  }
}

/** Up to three of the tasks not far before it, in any order. */
function tangled(seed: number, index: number, width: number): number[] {
  const parents: number[] = [];
  let word = mix(Math.imul(seed, 31) ^ index);
  for (let n = word % 4; n > 0 && index > 0; n--) {
    word = mix(word + n);
    const parent = index - 1 - (word % Math.min(index, 4 * width));
    if (!parents.includes(parent)) parents.push(parent);
  }
  return parents;
}

/** msgpack's nil. */
const NIL = Uint8Array.of(0xc0);

/** What a task is given: a msgpack array of its own input and its parents' results, nil for a parent that has none. */
export function composed(own: Uint8Array, results: readonly (Uint8Array | null)[]): Uint8Array {
  const length = results.length + 1;
  const header = length < 16 ? [0x90 + length] : [0xdc, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(header), own, ...results.map((result) => result ?? NIL)]);
}

/** 32 bits that depend on every byte and its place. */
export function digest(bytes: Uint8Array): number {
  let word = mix(bytes.length);
  for (const byte of bytes) word = mix(Math.imul(word, 31) + byte);
  return word;
}
