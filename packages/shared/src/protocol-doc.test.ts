import { describe, expect, test } from '@jest/globals';
import { DESCRIBED, readProtocol, rowsOf, sectionsOf, updated } from '../../../scripts/protocol-doc.ts';
import { comparable, frameNamed, fromHex, SESSIONS } from '../test/wire-fixtures.ts';
import { decode } from './codec.ts';
import { REFUSAL_CODES } from './errors.ts';
import { FrameDecoder } from './frame.ts';
import { LIMITS } from './limits.ts';
import { MESSAGES } from './messages.ts';
import { Session, type senderOf } from './session.ts';

const document = readProtocol();
const sections = sectionsOf(document);

test('PROTOCOL.md says what the code says: if not, run scripts/protocol-tables.ts and read what it changed', () => {
  expect(document).toBe(updated(document));
});

test('every message and every map inside one has a section, in the same order, and no section is left over', () => {
  expect([...sections.keys()]).toEqual([...DESCRIBED.keys()]);
});

test.each([...DESCRIBED])(
  '%s: every field stands in the table with its type and a meaning',
  (name, fields) => {
    const rows = rowsOf(sections.get(name)!);
    expect(rows.map(([field]) => field)).toEqual(
      Object.entries(fields).map(([key, field]) => `\`${key}\`${field.optional ? '?' : ''}`),
    );
    for (const [i, [, type, meaning]] of rows.entries()) {
      const plainType = type!.replace(/\[(\w+)\]\(#\w+\)/g, '$1');
      expect(plainType).toBe(Object.values(fields)[i]!.name);
      expect(meaning).not.toBe('');
    }
  },
);

test('every message stands in the overview with its senders, its state and its answer', () => {
  const overview = document.slice(document.indexOf('| message |'), document.indexOf('### The session'));
  expect(
    rowsOf(overview).map(([link, from, state, answer]) => [link, from!.toLowerCase(), state, answer !== '']),
  ).toEqual(
    Object.entries(MESSAGES).map(([type, rule]) => [
      `[${type}](#${type.toLowerCase()})`,
      rule.from.join(', '),
      rule.state,
      true,
    ]),
  );
});

test('every code has a meaning, and no other has', () => {
  const codes = document.slice(document.indexOf('| code |'), document.indexOf('## 9.'));
  expect(rowsOf(codes).map(([code]) => code)).toEqual(REFUSAL_CODES.map((code) => `\`${code}\``));
});

test('a document that differs in anything is noticed', () => {
  for (const [what, by] of [
    ['| `protocolMin` | u32 |', '| `protocolMin` | u53 |'],
    ['| `slots`? | 1..1024 |', '| `slots` | 1..1024 |'],
    ['| [Seal](#seal) | client |', '| [Seal](#seal) | Drone |'],
    ['| [Seal](#seal) | client | open |', '| [Seal](#seal) | client | any |'],
    ['| `magic` | "hive" | tells this protocol from others |\n', ''],
    ['| `magic` | "hive" |', '| `magick` | "hive" |'],
    ['0000001a82a474', '0000001a82a475'],
    ['< ResultAck leases=[1,2]', '< ResultAck leases=[1,3]'],
  ] as const) {
    expect(document).toContain(what);
    const changed = document.replace(what, by);
    expect(updated(changed)).not.toBe(changed);
  }
});

describe.each(Object.keys(SESSIONS))('the example of a %s', (name) => {
  const block = new RegExp(`^\`\`\`hive ${name}\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(document)![1]!;
  const frames = block.split(/^(?=[<>] )/m).map((text) => {
    const [head, ...lines] = text.trim().split('\n');
    return {
      arrow: head![0]!,
      type: head!.split(' ')[1]!,
      bytes: fromHex(lines.join('').replace(/\s/g, '')),
    };
  });

  test('is the frames of the fixtures', () => {
    const expected = SESSIONS[name]!.map(frameNamed);
    expect(frames.map(({ type }) => type)).toEqual(expected.map(({ message }) => message.type));
    for (const [i, { bytes }] of frames.entries()) {
      const [body] = [...new FrameDecoder().push(bytes)];
      expect(comparable(decode(body!))).toEqual(comparable(expected[i]!.message));
    }
  });

  test('is a session that both ends accept', () => {
    const queen = new Session(null);
    const peer = new Session('queen');
    for (const { arrow, type, bytes } of frames) {
      const [message] = [...(arrow === '>' ? queen : peer).receive(bytes)];
      expect(message?.type).toBe(type);
      if (message?.type !== 'Welcome') continue;
      queen.open(name as Parameters<typeof senderOf>[0]);
      peer.open();
    }
    expect([queen.state, peer.state, queen.endedCleanly, peer.endedCleanly]).toEqual([
      'open',
      'open',
      true,
      true,
    ]);
  });
});

test('the numbers in the text are those of limits.ts', () => {
  const words = (text: string) => document.replace(/\s+/g, ' ').includes(text);
  const MiB = 1024 * 1024;
  expect(LIMITS.frameBytesMax).toBe(16 * MiB);
  expect(words('A body has at most 16 MiB, and at most 64 KiB before the handshake')).toBe(true);
  expect(LIMITS.handshakeBytesMax).toBe(64 * 1024);
  expect(LIMITS.pageBytesMax).toBe(1.25 * MiB);
  expect(words('at most 1 MiB, a page at most 1.25 MiB and 131,072 values')).toBe(true);
  expect(LIMITS.valueBytesMax).toBe(MiB);
  expect(LIMITS.pageCountMax).toBe(131_072);
  expect(words(`within ${LIMITS.handshakeMillis / 1_000} s is dropped`)).toBe(true);
  expect(words(`gone for ${LIMITS.abandonMillis / 1_000} s is cancelled`)).toBe(true);
  expect(words(`when ${LIMITS.sendBufferHard / MiB} MiB are waiting`)).toBe(true);
  expect(words(`${LIMITS.silentHeartbeats} x heartbeatMillis + ${LIMITS.silentExtraMillis / 1_000} s`)).toBe(
    true,
  );
  expect(words(`doubles from ${LIMITS.redialMillis} ms to ${LIMITS.redialMillisMax / 1_000} s`)).toBe(true);
  expect(words(`at least every ${LIMITS.reportMillis} ms`)).toBe(true);
  expect(words(`${LIMITS.slotUnackedBytesMax / MiB} MiB of results unacknowledged`)).toBe(true);
});
