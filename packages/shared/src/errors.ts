/**
 * Errors split by blame, because blame decides what happens next: a ProtocolError closes the peer's session,
 * a UsageError is shown to the caller as it is, an InvariantError is our own bug and carries the history that led to it.
 */

/** Why a session or a request was refused; travels on the wire as `code`. PROTOCOL.md says what each means. */
export const REFUSAL_CODES = [
  'badMagic',
  'badVersion',
  'badRole',
  'protocolError',
  'handshakeTimeout',
  'silent',
  'slowReader',
  'stopping',
  'replaced',
  'unknownJob',
  'nodeAway',
  'unknownKind',
  'jobDiffers',
  'jobEnded',
  'badSpec',
  'badInput',
  'unknownBlob',
  'badBlob',
  'tooLarge',
  'tooManyJobs',
  'storeLow',
  'damagedStore',
  'notPermitted',
  'keyRevoked',
  'unsupported',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** The peer broke the protocol. Its session is closed with this text; nobody else notices. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: RefusalCode;
  constructor(message: string, code: RefusalCode = 'protocolError') {
    super(message);
    this.code = code;
  }
}

/** The caller asked for something that cannot be done. The text says what to do next. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code: string;
  constructor(message: string, code = 'usage', options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A bug of ours. `history` is the story of the thing that broke, newest last. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
  readonly history: readonly string[];
  constructor(message: string, history: readonly string[] = []) {
    super(history.length === 0 ? message : `${message}\n  ${history.join('\n  ')}`);
    this.history = history;
  }
}

/** Marks a `switch` as complete: a new member of the union makes this a compile error. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected ${JSON.stringify(value)}`);
}
