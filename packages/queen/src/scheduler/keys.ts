/**
 * Keys that are not valid any more: revoked ones for good, those of a retired generation while it stays retired. Their
 * sessions end at once. Keys themselves never come here, only their names; and only whoever holds the secret decides.
 */
import { isKeyId, LIMITS, LOCAL_KEY_ID, type Message, type RefusalCode } from '@hive/shared';
import { sessionClosed } from './peers.ts';
import type { PeerSession, State } from './state.ts';
import type { KeyRequest } from './types.ts';

type Body = Message<'Answer'>['body'];
type Outcome = { readonly body: Body } | { readonly code: RefusalCode; readonly text: string };

/** Why this client may not manage keys; null when it may. */
function keyProblem({ key }: PeerSession): string | null {
  if (key === null) return 'This Queen is insecure: she has no keys.';
  if (key.role === 'node') return null;
  return "Only a node's key, or the secret itself, manages keys. Run this where the Queen runs, as the user who started her.";
}

export function revokeKey(state: State, client: PeerSession, { key: keyId }: Message<'Manage'>): Outcome {
  const problem = keyProblem(client);
  if (problem !== null) return { code: 'notPermitted', text: problem };
  if (keyId === undefined || !isKeyId(keyId))
    return { code: 'badSpec', text: `"${keyId ?? ''}" is not the id of a key. "hive key list" shows them.` };
  if (keyId === LOCAL_KEY_ID) {
    return {
      code: 'badSpec',
      text: 'That is whoever reads the secret itself, who could make any other key. "hive key rotate" and "hive key retire" make a new secret.',
    };
  }
  if (state.revokedKeys.size >= LIMITS.revokedKeysMax)
    return {
      code: 'badSpec',
      text: 'Too many keys are revoked. Rotate the keys and retire the old generation.',
    };
  if (!state.revokedKeys.has(keyId)) state.commit({ type: 'keyRevoked', keyId, at: state.now });
  const sessions = closeSessions(state, 'This key was revoked.', (key) => key.keyId === keyId);
  state.notice({ type: 'keyRevoked', keyId, sessions });
  return { body: { key: keyId, sessions } };
}

/** Another node has revoked them. */
export function revokedElsewhere(state: State, keyIds: readonly string[]): void {
  for (const keyId of keyIds) {
    if (!isKeyId(keyId) || keyId === LOCAL_KEY_ID || state.revokedKeys.has(keyId)) continue;
    if (state.revokedKeys.size >= LIMITS.revokedKeysMax) return;
    state.commit({ type: 'keyRevoked', keyId, at: state.now });
    const sessions = closeSessions(state, 'This key was revoked.', (key) => key.keyId === keyId);
    state.notice({ type: 'keyRevoked', keyId, sessions });
  }
}

/** Rotating and retiring change the secret, which is not in here: the runtime does it, and answers. */
export function requestKeys(
  state: State,
  client: PeerSession,
  { request, action }: Pick<KeyRequest, 'request' | 'action'>,
): Outcome | null {
  const problem = keyProblem(client);
  if (problem !== null) return { code: 'notPermitted', text: problem };
  state.effects.keys.push({ session: client.session, request, action });
  return null;
}

/** What is known of keys here, the newest first. */
export function describeKeys(state: State, client: PeerSession): Outcome {
  const problem = keyProblem(client);
  if (problem !== null) return { code: 'notPermitted', text: problem };
  const revoked = [...state.revokedKeys].reverse().slice(0, LIMITS.answerEntriesMax);
  const { formatTime } = state.identity;
  return { body: { revoked: revoked.map(([id, at]) => ({ id, revokedAt: formatTime(at) })) } };
}

/** Keys of these generations are not valid any more. */
export function keysRetired(state: State, oldest: number): void {
  closeSessions(state, 'This generation of keys was retired.', (key) => key.generation < oldest);
}

function closeSessions(
  state: State,
  message: string,
  isOver: (key: NonNullable<PeerSession['key']>) => boolean,
): number {
  let closed = 0;
  for (const peer of [...state.sessions.values()]) {
    if (peer.key === null || !isOver(peer.key)) continue;
    closed++;
    state.close(peer.session, 'keyRevoked', message);
    sessionClosed(state, peer.session, message);
  }
  return closed;
}
