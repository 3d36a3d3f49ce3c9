import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ACCEPTED, comparable, FRAMES, REFUSED, toHex } from '../test/wire-fixtures.ts';
import { decode, encode, encodeParts } from './codec.ts';
import { ProtocolError, UsageError } from './errors.ts';
import { FrameDecoder, readU32 } from './frame.ts';
import { LIMITS } from './limits.ts';
import { MESSAGES, type Message, STRUCTS } from './messages.ts';
import { jobId, leaseNumber } from './units.ts';

const body = (frame: Uint8Array) => frame.subarray(4);
const JOB = jobId('018f3c5e-7a10-7c3e-9f2b-3d5a60c41e77');

describe('every fixture', () => {
  test.each(FRAMES)('decodes: $name', ({ frame, message }) => {
    expect(readU32(frame, 0)).toBe(frame.length - 4);
    expect(comparable(decode(body(frame)))).toEqual(comparable(message));
  });

  test.each(FRAMES)('encodes: $name', ({ frame, message }) => {
    expect(toHex(encode(message))).toBe(toHex(frame));
  });

  test.each(FRAMES)('survives a round trip: $name', ({ message }) => {
    expect(comparable(decode(body(encode(message))))).toEqual(comparable(message));
  });

  test.each(FRAMES)('comes byte by byte: $name', ({ frame, message }) => {
    const decoder = new FrameDecoder();
    const found: Message[] = [];
    for (const byte of frame) {
      for (const one of decoder.push(Uint8Array.of(byte))) found.push(decode(one));
    }
    expect(comparable(found)).toEqual([comparable(message)]);
  });

  test('is refused, and with nothing but a ProtocolError, wherever it is cut short', () => {
    for (const { frame } of FRAMES) {
      for (let end = 4; end < frame.length; end++) {
        expect(() => decode(frame.subarray(4, end))).toThrow(ProtocolError);
      }
    }
  });

  test('there is one for every message', () => {
    expect(new Set(FRAMES.map(({ message }) => message.type))).toEqual(new Set(Object.keys(MESSAGES)));
  });

  test('every field of every message stands in one', () => {
    for (const [type, { fields }] of Object.entries(MESSAGES)) {
      const seen = new Set(
        FRAMES.filter(({ message }) => message.type === type).flatMap(({ message }) => Object.keys(message)),
      );
      expect([...seen].sort()).toEqual(['type', ...Object.keys(fields)].sort());
    }
  });
});

test.each(ACCEPTED)('other encoders may write $name', ({ frame, message }) => {
  expect(comparable(decode(body(frame)))).toEqual(comparable(message));
});

test.each(REFUSED)('refused: $name', ({ frame, problem }) => {
  expect(() => decode(body(frame))).toThrow(ProtocolError);
  expect(() => decode(body(frame))).toThrow(problem);
});

test('another protocol in our clothes is told apart', () => {
  const { message } = FRAMES[0]!;
  const other = encode({ ...message, magic: 'wasp' } as unknown as Message);
  expect(() => decode(body(other))).toThrow(expect.objectContaining({ code: 'badMagic' }));
});

test('every required field is missed by name, and nil never stands for an absent one', () => {
  for (const { message } of FRAMES) {
    for (const [key, field] of Object.entries(MESSAGES[message.type].fields)) {
      const without = { ...message, [key]: undefined } as Message;
      const arrives = () => decode(body(encode(without)));
      if (field.optional) expect(arrives()).not.toHaveProperty(key);
      else expect(arrives).toThrow(`${message.type}.${key} is missing`);
      expect(() => decode(body(encode({ ...message, [key]: null } as unknown as Message)))).toThrow(
        ProtocolError,
      );
    }
  }
});

test('every field, optional or not, is refused by name when its value is of another type', () => {
  // No field but `plain` takes a negative fraction, except for the share in HaltOn.
  const wrong = -0.5;
  for (const { message } of FRAMES) {
    for (const [key, field] of Object.entries(MESSAGES[message.type].fields)) {
      if (field.name === 'plain') continue;
      const arrives = () => decode(body(encode({ ...message, [key]: wrong } as unknown as Message)));
      expect(arrives).toThrow(`${message.type}.${key} is not`);
    }
  }
  for (const { name, fields } of STRUCTS) {
    for (const [key, field] of Object.entries(fields)) {
      if (field.name === 'plain' || field.name === 'number') continue;
      expect(`${name}.${key} ${field.problem(wrong)}`).toMatch(/ is not /);
    }
  }
});

test('bounds of fields are exact', () => {
  const at = (type: keyof typeof MESSAGES, key: string, value: unknown) =>
    MESSAGES[type].fields[key]!.problem(value);
  for (const [type, key, fits, tooMuch] of [
    ['Hello', 'slots', 1_024, 1_025],
    ['Hello', 'slots', 1, 0],
    ['Hello', 'protocolMin', 0xffff_ffff, 0x1_0000_0000],
    ['Hello', 'name', 'x'.repeat(256), 'x'.repeat(257)],
    ['Hello', 'kinds', new Array(256).fill('x'), new Array(257).fill('x')],
    ['Hello', 'labels', labels(64), labels(65)],
    ['Reject', 'message', 'x'.repeat(8_192), 'x'.repeat(8_193)],
    ['Seal', 'count', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1],
    ['Seal', 'count', 0, -1],
    ['TaskRequest', 'slots', -Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER - 1],
    ['Append', 'sizes', 1_048_576, 1_048_577],
    ['StreamGet', 'length', 262_144, 262_145],
    ['StreamChunk', 'data', new Uint8Array(262_144), new Uint8Array(262_145)],
    ['ResultAck', 'leases', new Array(131_072).fill(1), new Array(131_074).fill(1)],
    ['TaskAssign', 'ranges', new Array(128).fill(1), new Array(130).fill(1)],
    ['Answer', 'body', nested(16), nested(17)],
    ['BlobHave', 'hash', 'a'.repeat(64), 'A'.repeat(64)],
  ] as const) {
    expect(at(type, key, fits)).toBeNull();
    expect(at(type, key, tooMuch)).not.toBeNull();
  }
});

function labels(n: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: n }, (_, i) => [`label${i}`, 'x']));
}
function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

test('a nesting bomb of any depth and kind is refused', () => {
  for (const head of [[0x91], [0x81, 0xa1, 0x61], [0xdd, 0, 0, 0, 1], [0xdf, 0, 0, 0, 1, 0xa1, 0x61]]) {
    for (const depth of [64, 65, 1_000, 100_000]) {
      const bomb = new Uint8Array(depth * head.length + 1);
      for (let i = 0; i < depth; i++) bomb.set(head, i * head.length);
      expect(() => decode(bomb)).toThrow(ProtocolError);
    }
  }
});

test('a huge header costs no time and no memory', () => {
  // 4 MiB of nested headers, each of which promises all the rest: 2^32 elements in all if anybody believed it.
  const bytes = new Uint8Array(4 << 20);
  for (let at = 0; at + 5 <= bytes.length; at += 5) bytes.set([0xdd, 0, 0x30, 0, 0], at);
  expect(() => decode(bytes)).toThrow(ProtocolError);
});

describe('what a peer names cannot reach our own code', () => {
  const submit = (params: unknown) =>
    ({ type: 'Submit', job: JOB, spec: { kind: 'x', encoding: 'raw', params } }) as Message;

  test.each(['constructor', 'toJSON', 'hasOwnProperty', 'toString', 'valueOf', 'length', 'then'])(
    'an entry named %s goes through as it is',
    (key) => {
      const params = { [key]: 1, constructor: 2, toJSON: true };
      const arrived = decode(body(encode(submit(params)))) as Message<'Submit'>;
      expect(arrived.spec.params).toEqual(params);
      expect(encode(arrived)).toEqual(encode(submit(params)));
    },
  );

  test('an entry named __proto__ sets no prototype', () => {
    const params = JSON.parse('{"__proto__": {"polluted": true}}');
    const arrived = decode(body(encode(submit(params)))) as Message<'Submit'>;
    expect(Object.getPrototypeOf(arrived.spec.params)).toBe(Object.prototype);
    expect((arrived.spec.params as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('parts', () => {
  const inPieces = (message: Message) => {
    const parts: Uint8Array[] = [];
    const total = encodeParts(message, parts);
    expect(parts.reduce((sum, part) => sum + part.length, 0)).toBe(total);
    return { parts, frame: Uint8Array.from(parts.flatMap((part) => [...part])) };
  };
  const page = (sizes: number | Uint8Array, data: Uint8Array): Message => ({
    type: 'TaskComplete',
    lease: leaseNumber(1),
    at: 0,
    first: 0,
    count: 2,
    sizes,
    data,
    failures: [{ index: 1, outcome: 'failed', message: 'no' }],
    busyMicros: 5,
  });

  test.each([0, 1, 255, 256, 4095, 4096, 4097, 65_535, 65_536])(
    'data of %i bytes: the frame in one piece and in parts is the same and says the same',
    (bytes) => {
      const data = new Uint8Array(bytes).fill(5);
      for (const sizes of [7, new Uint8Array(8), new Uint8Array(4096).fill(1)]) {
        const message = page(sizes, data);
        const { frame } = inPieces(message);
        expect(frame).toEqual(encode(message));
        expect(readU32(frame, 0)).toBe(frame.length - 4);
        expect(comparable(decode(frame.subarray(4)))).toEqual(comparable(message));
      }
    },
  );

  test('large byte strings are not copied', () => {
    const data = new Uint8Array(5_000);
    const sizes = new Uint8Array(5_000);
    const { parts } = inPieces(page(sizes, data));
    expect(parts).toContain(data);
    expect(parts).toContain(sizes);
    expect(parts).toHaveLength(5);
  });

  test('undefined fields are omitted, whatever the size', () => {
    for (const data of [new Uint8Array(1), new Uint8Array(5_000)]) {
      const message = { ...page(1, data), display: undefined, ended: undefined } as unknown as Message;
      expect(Object.keys(decode(body(encode(message))))).not.toContain('display');
    }
  });

  test('a frame that no reader would accept is not made, and nothing is left behind', () => {
    const parts: Uint8Array[] = [];
    const largest = new Uint8Array(LIMITS.frameBytesMax);
    expect(() => encodeParts(page(0, largest), parts)).toThrow(UsageError);
    expect(() => encodeParts({ type: 'Answer', request: 1, body: 'x'.repeat(17 << 20) }, parts)).toThrow(
      /This Answer is too large/,
    );
    expect(parts).toEqual([]);
    encodeParts(page(0, largest.subarray(0, largest.length - 200)), parts);
    expect(parts).toHaveLength(3);
  });

  test('many frames made one after the other do not share memory', () => {
    const messages = Array.from({ length: 5_000 }, (_, i) => ({ type: 'TaskRequest', slots: i }) as const);
    const frames = messages.map(encode);
    expect(frames.map((frame) => decode(body(frame)))).toEqual(messages);
  });
});

test('any plain body comes back as it was', () => {
  const plain = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((v) => (v === 0 ? 0 : v)),
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(
        fc.string({ maxLength: 40 }).filter((key) => key !== '__proto__'),
        tie('value'),
        {
          maxKeys: 20,
          noNullPrototype: true,
        },
      ),
    ),
  })).value;
  fc.assert(
    fc.property(plain, (value) => {
      const message = { type: 'Answer', request: 1, body: value } as Message;
      expect(comparable(decode(body(encode(message))))).toEqual(comparable(message));
    }),
  );
});
