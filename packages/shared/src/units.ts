/**
 * Branded primitives, so that a lease number is never passed where a task index is meant.
 * Brands cost nothing at run time; the constructors below are casts at the places where a value enters the program.
 */
declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A job's name: a UUIDv7 chosen by the client, in its 36-character text form. */
export type JobId = Branded<string, 'JobId'>;
/** Identity of a Queen's store: 128 random bits as 32 hex digits. */
export type QueenId = Branded<string, 'QueenId'>;
/** One opening of that store: 64 random bits as 16 hex digits. */
export type Incarnation = Branded<string, 'Incarnation'>;
/** Number of a lease; never the same twice, since an incarnation begins at (epoch - 1) x 2^32 + 1. */
export type LeaseNumber = Branded<number, 'LeaseNumber'>;
/** Identity of a peer process (a Drone or a client): 128 random bits as 32 hex digits. It outlives its sessions. */
export type PeerId = Branded<string, 'PeerId'>;
/** Which cluster is meant: 128 bits as 32 hex digits, made from the public key of its Queens. */
export type ClusterId = Branded<string, 'ClusterId'>;
/** Number of a session within one process, counted from 1; never on the wire. */
export type SessionNumber = Branded<number, 'SessionNumber'>;
/** Position of a task in its job, counted from 0, at most 2^53 - 1. */
export type TaskIndex = number;
/** Milliseconds on a clock that never goes back; only differences mean anything. */
export type Millis = number;

export const jobId = (text: string): JobId => text as JobId;
export const queenId = (text: string): QueenId => text as QueenId;
export const incarnation = (text: string): Incarnation => text as Incarnation;
export const leaseNumber = (n: number): LeaseNumber => n as LeaseNumber;
export const peerId = (text: string): PeerId => text as PeerId;
export const clusterId = (text: string): ClusterId => text as ClusterId;
export const sessionNumber = (n: number): SessionNumber => n as SessionNumber;

const JOB_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Whether a text has the form of a job id (any UUID in lower case). */
export function isJobId(text: string): text is JobId {
  return text.length === 36 && JOB_ID.test(text);
}
