/** The bytes and the tables in PROTOCOL.md's section on datagrams are those of the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import {
  ANNOUNCEMENT,
  type Announcement,
  DISCOVERY_GROUP,
  decodeAnnouncement,
  encodeAnnouncement,
  encodeQuestion,
  QUESTION,
} from '../../discovery/datagram.ts';
import { LIMITS } from '../../limits.ts';
import { incarnation, queenId } from '../../units.ts';
import { seedSigner } from './keys.ts';

const document = readFileSync(join(import.meta.dirname, '../../../../../docs/PROTOCOL.md'), 'utf8');
const section = document.slice(
  document.search(/^## \d+\. Datagrams/m),
  document.search(/^## \d+\. Who dials/m),
);
const [question, announced] = [...section.matchAll(/```text\n([^`]*)```/g)].map(([, hex]) =>
  Buffer.from(hex!.replaceAll('\n', ''), 'hex'),
);
const signer = seedSigner(Buffer.alloc(32, 1));

test('a question begins as the document says, and the rest is zeros', () => {
  const nonce = Uint8Array.from({ length: 16 }, (_, i) => i);
  const datagram = Buffer.from(encodeQuestion({ cluster: signer.cluster, nonce }));
  expect(datagram.subarray(0, question!.length)).toEqual(question);
  expect(datagram.subarray(question!.length)).toEqual(Buffer.alloc(404));
});

test('an announcement is what the document says, signature included', () => {
  const announcement: Announcement = {
    cluster: signer.cluster,
    queen: queenId('0a'.repeat(16)),
    incarnation: incarnation('0b'.repeat(8)),
    epoch: 1,
    serial: 7,
    port: 8080,
    everyMillis: 5_000,
    name: 'q',
  };
  expect(Buffer.from(encodeAnnouncement(announcement, signer))).toEqual(announced);
  const heard = decodeAnnouncement(announced!)!;
  expect(heard.announcement).toEqual(announcement);
  expect(signer.verify(heard.signed, heard.signature)).toBe(true);
});

test('every field has its row, and the numbers are those of the limits', () => {
  for (const { name, fields } of [QUESTION, ANNOUNCEMENT]) {
    const part = section.slice(section.indexOf(`### ${name}`));
    const rows = part.slice(0, part.indexOf('\n\n', part.indexOf('| `magic`'))).match(/^\| `\w+`\??/gm);
    expect(rows).toEqual(
      Object.entries(fields).map(([key, { optional }]) => `| \`${key}\`${optional ? '?' : ''}`),
    );
  }
  expect(section).toContain(DISCOVERY_GROUP);
  expect(section).toContain(`at most ${LIMITS.datagramBytes} bytes`);
  expect(section).toContain(
    `at most ${LIMITS.answersPerAddress} a second to one address and ${LIMITS.answersPerSecond} to all`,
  );
  expect(section).toContain(`at most ${LIMITS.datagramNameMax} UTF-16 units`);
  expect(section).toContain(`for ${LIMITS.silentAnnouncements} x \`everyMillis\``);
});
