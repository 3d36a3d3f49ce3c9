import { jobId, type Message, PageBuilder } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Download } from './download.ts';
import { Upload } from './upload.ts';

const id = jobId('018f0000-0000-7000-8000-000000000000');

/** Pages of one-byte values, counted up. */
function pageMaker() {
  const builder = new PageBuilder();
  let next = 0;
  return (count: number) => {
    for (let i = 0; i < count; i++) builder.push(Uint8Array.of(next++ & 0xff));
    return builder.take();
  };
}

/** A dumb Queen: she has a list of values, and forgets what her network loses. */
class Shelf {
  readonly values: number[] = [];
  sealedAt: number | null = null;
  credit = 0;
  take(message: Message): void {
    if (message.type === 'Seal') {
      expect(message.count).toBe(this.values.length);
      this.sealedAt = message.count;
    } else if (message.type === 'Append') {
      expect(this.credit).toBeGreaterThan(0);
      expect(message.first).toBeLessThanOrEqual(this.values.length);
      this.credit -= message.data.length + 4 * message.count;
      this.values.push(...message.data.subarray(this.values.length - message.first));
    } else throw new Error(message.type);
  }
}

type Step = { append: number } | { deliver: number } | { credit: number } | 'cut' | 'seal';
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ append: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ deliver: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ credit: fc.integer({ min: 0, max: 200 }) }),
    fc.constant('cut' as const),
  ),
  { maxLength: 80 },
);

describe('an upload', () => {
  test('loses and doubles nothing, and never passes its credit, whatever the network does', () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const upload = new Upload(id);
        const shelf = new Shelf();
        const make = pageMaker();
        const connect = () => {
          upload.lost();
          shelf.credit = 100;
          upload.accepted({
            type: 'Accepted',
            job: id,
            count: shelf.values.length,
            sealed: false,
            bytes: 100,
          });
        };
        const deliver = (most: number) => {
          for (let i = 0; i < most; i++) {
            const message = upload.next();
            if (message === null) break;
            shelf.take(message as Message);
          }
        };
        connect();
        for (const step of plan) {
          if (step === 'cut') {
            // What was sent and not delivered is gone.
            while (upload.next() !== null);
            connect();
          } else if (step === 'seal') upload.seal();
          else if ('append' in step) upload.append({ page: make(step.append), streams: [] });
          else if ('deliver' in step) deliver(step.deliver);
          else {
            shelf.credit += step.credit;
            upload.credited({ type: 'InputCredit', job: id, count: shelf.values.length, bytes: step.credit });
          }
        }
        upload.seal();
        while (shelf.sealedAt === null) {
          connect();
          deliver(1_000);
        }
        expect(shelf.values).toEqual(Array.from({ length: upload.appended }, (_, i) => i & 0xff));
        expect(shelf.sealedAt).toBe(upload.appended);
      }),
    );
  });

  test('that the Queen has less of than she had confirmed is lost', () => {
    const upload = new Upload(id);
    upload.append({ page: pageMaker()(10), streams: [] });
    upload.accepted({ type: 'Accepted', job: id, count: 0, sealed: false, bytes: 100 });
    upload.next();
    upload.credited({ type: 'InputCredit', job: id, count: 10, bytes: 0 });
    upload.lost();
    const less = { type: 'Accepted', job: id, count: 9, sealed: false, bytes: 100 } as const;
    expect(() => upload.accepted(less)).toThrow(
      /an older copy of her store \(10 of its inputs had been confirmed, 9 are left\)/,
    );
    expect(() => upload.accepted(less, true)).toThrow(/another Queen answers now/);
  });

  test('to a job that has inputs of another client is refused', () => {
    const upload = new Upload(id);
    expect(() => upload.accepted({ type: 'Accepted', job: id, count: 5, sealed: false, bytes: 1 })).toThrow(
      'another client',
    );
  });
});

describe('a download', () => {
  const page = (seq: number, first: number, count: number, bytes: number): Message<'Results'> => ({
    type: 'Results',
    job: id,
    seq,
    first,
    count,
    sizes: bytes / count,
    data: new Uint8Array(bytes),
  });

  test('grants again what was consumed, a quarter of the window at a time', () => {
    const download = new Download(id, 'seq', 0, 400);
    expect(download.open()).toEqual({ type: 'ResultCredit', job: id, bytes: 400, order: 'seq', after: 0 });
    const [first, second] = [page(1, 0, 10, 50), page(2, 10, 10, 50)];
    expect(download.arrived(first)).toBe(true);
    expect(download.heldBytes).toBe(90);
    expect(download.consumed(first)).toBeNull();
    expect(download.arrived(second)).toBe(true);
    expect(download.consumed(second)).toEqual({ type: 'ResultCredit', job: id, bytes: 180, received: 2 });
    expect(download.flush()).toBeNull();
  });

  test.each([
    ['seq', 1],
    ['index', 10],
  ] as const)('says that pages were received when they were consumed, not before (%s)', (order, told) => {
    const download = new Download(id, order, 0, 1_000);
    const [first, second] = [page(1, 0, 10, 50), page(2, 10, 10, 50)];
    download.arrived(first);
    download.arrived(second);
    expect(download.flush()).toBeNull();
    expect(download.consumed(first)).toBeNull();
    expect(download.flush()).toMatchObject({ received: told });
    expect(download.flush()).toBeNull();
    expect(download.consumed(second)).toBeNull();
    expect(download.flush()).toMatchObject({ received: 2 * told });
  });

  test.each(['seq', 'index'] as const)(
    'goes on behind what has arrived, and drops what comes twice (%s)',
    (order) => {
      const download = new Download(id, order, 0, 400);
      download.arrived(page(1, 0, 10, 50));
      expect(download.open()).toMatchObject({ bytes: 310, after: order === 'seq' ? 1 : 10 });
      expect(download.arrived(page(1, 0, 10, 50))).toBe(false);
      const last = { ...page(2, 10, 10, 50), last: true };
      expect(download.arrived(last)).toBe(true);
      expect(download.isOver).toBe(true);
      expect(download.consumed(last)).toBeNull();
    },
  );
});
