import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { FrameDecoder, readU32, writeU32 } from './frame.ts';

function framed(...bodies: Uint8Array[]): Uint8Array {
  const out: number[] = [];
  for (const body of bodies) {
    const header = new Uint8Array(4);
    writeU32(header, 0, body.length);
    out.push(...header, ...body);
  }
  return Uint8Array.from(out);
}
const all = (decoder: FrameDecoder, chunk: Uint8Array) => [...decoder.push(chunk)].map((b) => [...b]);
const header = (length: number) => {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, length);
  return bytes;
};

describe('FrameDecoder', () => {
  test('finds the same frames wherever the stream is cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(9), { minLength: 1 }), (frames, cuts) => {
        const stream = framed(...frames);
        const decoder = new FrameDecoder();
        const found: number[][] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          // Pieces of nothing are pieces too.
          const end = at + cuts[i % cuts.length]! + (i % 7 === 6 ? 1 : 0);
          found.push(...all(decoder, stream.subarray(at, end)));
          at = end;
        }
        expect(found).toEqual(frames.map((f) => [...f]));
        expect(decoder.isBetweenFrames).toBe(true);
      }),
    );
  });

  test('finds the same frames byte by byte', () => {
    const bodies = [new Uint8Array(0), Uint8Array.of(1), new Uint8Array(300).fill(7), new Uint8Array(0)];
    const decoder = new FrameDecoder();
    const found: number[][] = [];
    for (const byte of framed(...bodies)) found.push(...all(decoder, Uint8Array.of(byte)));
    expect(found).toEqual(bodies.map((b) => [...b]));
  });

  test('finds a frame at every single cut of two', () => {
    const stream = framed(Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5));
    for (let cut = 0; cut <= stream.length; cut++) {
      const decoder = new FrameDecoder();
      const found = [...all(decoder, stream.subarray(0, cut)), ...all(decoder, stream.subarray(cut))];
      expect(found).toEqual([
        [1, 2, 3],
        [4, 5],
      ]);
    }
  });

  test('says whether it stands between two frames', () => {
    const stream = framed(Uint8Array.of(1, 2), new Uint8Array(0));
    const decoder = new FrameDecoder();
    const states = [...stream].map((byte) => {
      all(decoder, Uint8Array.of(byte));
      return decoder.isBetweenFrames;
    });
    expect(states).toEqual([false, false, false, false, false, true, false, false, false, true]);
  });

  test('refuses an oversize frame from its header, before a byte of its body came', () => {
    const decoder = new FrameDecoder(100);
    expect(() => all(decoder, header(101))).toThrow(ProtocolError);
    expect(() => all(new FrameDecoder(100), header(101))).toThrow(/101 bytes; at most 100/);
    expect(() => all(new FrameDecoder(), header(0xffff_ffff))).toThrow(/4294967295/);
    expect(all(new FrameDecoder(100), framed(new Uint8Array(100)))).toHaveLength(1);
  });

  test('refuses an oversize frame whose header came in pieces, after the frames before it', () => {
    const decoder = new FrameDecoder(4);
    const stream = [...framed(Uint8Array.of(9)), ...header(5)];
    const seen: number[][] = [];
    expect(() => {
      for (const byte of stream) for (const body of decoder.push(Uint8Array.of(byte))) seen.push([...body]);
    }).toThrow('frame of 5 bytes');
    expect(seen).toEqual([[9]]);
  });

  test('takes a new bound between two frames of one chunk', () => {
    const stream = framed(Uint8Array.of(1), new Uint8Array(50));
    const raised = new FrameDecoder(10);
    const lengths: number[] = [];
    for (const body of raised.push(stream)) {
      lengths.push(body.length);
      raised.limit(50);
    }
    expect(lengths).toEqual([1, 50]);

    const lowered = new FrameDecoder(100);
    expect(() => {
      for (const _ of lowered.push(stream)) lowered.limit(49);
    }).toThrow(ProtocolError);
  });

  test('a new bound does not change a frame whose header was read', () => {
    const decoder = new FrameDecoder(50);
    const stream = framed(new Uint8Array(50));
    expect(all(decoder, stream.subarray(0, 20))).toEqual([]);
    decoder.limit(10);
    expect(all(decoder, stream.subarray(20))).toHaveLength(1);
    expect(() => all(decoder, header(11))).toThrow(ProtocolError);
  });

  test('a frame that lies whole in one chunk is a view of it', () => {
    const stream = framed(Uint8Array.of(1, 2, 3));
    const [body] = [...new FrameDecoder().push(stream)];
    expect(body!.buffer).toBe(stream.buffer);
  });
});

test('u32 is big-endian and unsigned', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.nat(3), (value, at) => {
      const bytes = new Uint8Array(8);
      writeU32(bytes, at, value);
      expect(readU32(bytes, at)).toBe(value);
      expect(new DataView(bytes.buffer).getUint32(at)).toBe(value);
    }),
  );
});
