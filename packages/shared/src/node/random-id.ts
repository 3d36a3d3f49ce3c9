/** Random ids of the wire. */
import { randomBytes } from 'node:crypto';
import { type Incarnation, incarnation, type PeerId, peerId, type QueenId, queenId } from '../units.ts';

export const randomPeerId = (): PeerId => peerId(randomBytes(16).toString('hex'));
export const randomQueenId = (): QueenId => queenId(randomBytes(16).toString('hex'));
export const randomIncarnation = (): Incarnation => incarnation(randomBytes(8).toString('hex'));
