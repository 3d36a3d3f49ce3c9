import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Deadlines } from './deadlines.ts';
import { Heap, type HeapEntry } from './heap.ts';

interface Entry extends HeapEntry {
  key: number;
}
const entry = (key: number): Entry => ({ key, heapPosition: -1 });

describe('a heap', () => {
  test('gives its entries in order whatever is added, moved and removed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(9), fc.constantFrom('set', 'delete', 'move'), fc.nat(50))),
        (steps) => {
          const heap = new Heap<Entry>((a, b) => a.key < b.key);
          const entries = Array.from({ length: 10 }, (_, key) => entry(key));
          const twin = new Set<Entry>();
          for (const [at, what, key] of steps) {
            const chosen = entries[at]!;
            if (what === 'delete') {
              heap.delete(chosen);
              twin.delete(chosen);
            } else {
              if (what === 'move') chosen.key = key;
              heap.set(chosen);
              twin.add(chosen);
            }
            expect(heap.size).toBe(twin.size);
            expect(heap.top?.key).toBe(
              twin.size === 0 ? undefined : Math.min(...[...twin].map((e) => e.key)),
            );
          }
          for (const left of entries) expect(left.heapPosition >= 0).toBe(twin.has(left));
        },
      ),
    );
  });
});

describe('deadlines', () => {
  test('fire in order, once, and say when the next one is', () => {
    const deadlines = new Deadlines();
    const fired: string[] = [];
    const a = deadlines.create(() => fired.push('a'));
    const b = deadlines.create(() => fired.push('b'));
    deadlines.set(a, 20);
    deadlines.set(b, 10);
    expect(deadlines.next).toBe(10);
    deadlines.fire(9);
    expect(fired).toEqual([]);
    deadlines.fire(20);
    expect(fired).toEqual(['b', 'a']);
    expect([deadlines.next, deadlines.size]).toEqual([null, 0]);
  });

  test('that set themselves again for the same time wait for the next call', () => {
    const deadlines = new Deadlines();
    let count = 0;
    const again = deadlines.create((now) => {
      count++;
      deadlines.set(again, now);
    });
    deadlines.set(again, 5);
    deadlines.fire(5);
    expect(count).toBe(1);
    deadlines.fire(5);
    expect(count).toBe(2);
  });

  test('that an earlier one clears do not fire', () => {
    const deadlines = new Deadlines();
    const fired: string[] = [];
    const later = deadlines.create(() => fired.push('later'));
    const first = deadlines.create(() => deadlines.clear(later));
    deadlines.set(first, 1);
    deadlines.set(later, 2);
    deadlines.fire(3);
    expect(fired).toEqual([]);
  });
});
