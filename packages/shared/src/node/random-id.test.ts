import { expect, test } from '@jest/globals';
import { MESSAGES } from '../messages.ts';
import { randomIncarnation, randomPeerId, randomQueenId } from './random-id.ts';

test('random ids have the form that the wire asks for, and no two are the same', () => {
  const { queen, incarnation } = MESSAGES.Welcome.fields;
  for (const [make, field] of [
    [randomPeerId, MESSAGES.Hello.fields['peer']!],
    [randomQueenId, queen!],
    [randomIncarnation, incarnation!],
  ] as const) {
    const ids = Array.from({ length: 1_000 }, (): string => make());
    for (const id of ids) expect(field.problem(id)).toBeNull();
    expect(new Set(ids).size).toBe(1_000);
  }
});
