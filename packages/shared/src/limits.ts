/**
 * Every bound of the system in one place, with the relations between them asserted when the module is loaded.
 * A number that limits what a peer may make us hold belongs here and nowhere else.
 */
import { InvariantError } from './errors.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

export const LIMITS = {
  /** Body of one frame, in bytes. */
  frameBytesMax: 16 * MiB,
  /** Body of one frame before the handshake is done, in bytes. */
  handshakeBytesMax: 64 * KiB,
  /** One value inside a page, in bytes; a larger one is a stream. */
  valueBytesMax: MiB,
  /** A page is closed by whoever builds it when it holds this many bytes... */
  pageBytesTarget: 256 * KiB,
  /** ...and can therefore never hold more than this. */
  pageBytesMax: 256 * KiB + MiB,
  /** Values in one page. */
  pageCountMax: 131_072,
  /** Input bytes that one lease may carry; a lease ends at the page in which it passes this. */
  leaseBytesMax: MiB,
  /** Tasks in one lease. */
  leaseTasksMax: 131_072,
  /** Ranges in one lease. */
  leaseRangesMax: 64,
  /** Time that one lease should take, in milliseconds. */
  leaseTargetMillis: 50,
  /** A place gets a waiting lease only if the running one is expected to take less than this. */
  prefetchMillisMax: 1_000,
  /** Bytes in one chunk of a stream or blob. */
  chunkBytesMax: 256 * KiB,
  /** Chunks that a reader asks for ahead. */
  chunksAhead: 8,
  /** Streams that a Queen takes in at once; the others wait. */
  streamsAtOnce: 32,
  /** Levels of jobs whose tasks submit work: a client's jobs are the first. */
  nestedLevels: 3,
  /** Blobs that one job may need. */
  blobsPerJobMax: 1_000,
  /** Blobs that a Queen takes in at once, and that one client may have offered and not given. */
  blobsAtOnce: 16,
  blobOffersMax: 2_000,
  /** Time that a blob is kept after the last use, when no job needs it... */
  blobKeptMillis: 24 * 3_600_000,
  /** ...unless such blobs have more bytes together. */
  blobKeptBytesMax: 1024 * MiB,
  /** Time that a blob stays in any case: whoever offered it is about to submit its job. */
  blobKeptMillisMin: 60_000,
  /** Blobs that a Drone keeps at hand, in bytes, unless it is told otherwise. */
  droneBlobBytesMax: 2 * 1024 * MiB,
  /** A client that wants a value whole gets it up to this many bytes; a larger one must be read as a stream. */
  wholeValueBytesMax: 512 * MiB,
  /** Unacknowledged result bytes at which a slot pauses. */
  slotUnackedBytesMax: 8 * MiB,
  /** A Drone reports a prefix at least this often, in milliseconds. */
  reportMillis: 100,
  /** Input bytes of an attached job that the Queen holds for tasks not yet recorded. */
  inputBytesHeldMax: 32 * MiB,
  /** Result bytes of a job that nobody has read yet, beyond which it gets no fresh leases. */
  resultBytesHeldMax: 64 * MiB,
  /** Result bytes that a client asks for ahead. */
  resultCreditBytes: 16 * MiB,
  /** Finished jobs' results that an in-memory store keeps, in bytes. */
  retainedBytesMax: 256 * MiB,
  /** Finished jobs' results that a durable store keeps, in bytes. */
  durableRetainedBytesMax: 1024 * MiB,
  /** Bytes that a durable store leaves free on its disk: below this, submissions are refused. */
  storeReserveBytes: 64 * MiB,
  /** Finished jobs that are kept. */
  retainedJobsMax: 10_000,
  /** Time that a finished job is kept however large its results are. */
  keptMillisMin: 60_000,
  /** A reader that has taken no page for so long does not keep a finished job, in milliseconds. */
  readerIdleMillis: 600_000,
  /** Time that a finished job is kept. */
  retentionMillis: 7 * 24 * 3_600_000,
  /** Bytes that may wait in the send buffer of a peer before it gets no more work... */
  sendBufferSoft: 8 * MiB,
  /** ...and before it is dropped. */
  sendBufferHard: 64 * MiB,
  /** Time for a peer to finish its handshake. */
  handshakeMillis: 10_000,
  /** Time for a connection itself to stand: a dial that began while the network was cut must not outlast that by long. */
  dialMillis: 5_000,
  /** Strangers, that is connections whose handshake is not done: so many at once, beyond which the oldest is dropped... */
  strangersMax: 256,
  /** ...and so many from this machine itself, where a load of Drones may start at once. */
  strangersLocalMax: 16_384,
  /** Failed handshakes of one address within so many milliseconds, after which it is refused for as long... */
  strangerFailuresMax: 20,
  strangerFailureMillis: 10_000,
  /** ...and of this machine itself. */
  strangerFailuresLocalMax: 200,
  /** Addresses whose failures are remembered. */
  strangerAddressesMax: 10_000,
  /** Keys that can be revoked. */
  revokedKeysMax: 100_000,
  /** The shortest heartbeat interval. */
  heartbeatMillis: 1_000,
  /** Heartbeats that all Drones of a Queen send together in a second. */
  heartbeatsPerSecond: 1_000,
  /** A peer is lost after this many silent intervals... */
  silentHeartbeats: 3,
  /** ...and this much more. */
  silentExtraMillis: 1_000,
  /** An attached job is cancelled when its client has been gone for this long. */
  abandonMillis: 60_000,
  /** Waiting time before a peer dials again: first and cap, with jitter. */
  redialMillis: 100,
  redialMillisMax: 5_000,
  /** Time after a restart in which tasks that may be running are held for their Drones. */
  rejoinMillis: 15_000,
  /** Leases of lost Drones that are remembered, so that what they still report counts. */
  lostLeasesMax: 65_536,
  /** Time between a cancelled task's abort signal and the end of its thread. */
  killMillis: 5_000,
  /** Slots of one Drone. */
  slotsMax: 1_024,
  /** Application failures that are tried again, unless the job says otherwise. */
  retries: 2,
  /** First and largest backoff of a retry. */
  backoffMillis: 1_000,
  backoffMillisMax: 60_000,
  /** Tasks of one job waiting for a retry beyond which it gets no fresh leases. */
  retryingTasksMax: 100_000,
  /** Tasks of one graph job, and dependencies among them. */
  graphTasksMax: 1_000_000,
  graphEdgesMax: 10_000_000,
  /** Crashes of one task after which it ends as crashed. */
  crashLimit: 3,
  /** Characters of a name, a label, a message, a code. */
  nameMax: 256,
  textMax: 8_192,
  /** Labels of a Drone or a job; kinds of a Drone; capabilities of a peer. */
  labelsMax: 64,
  kindsMax: 256,
  capabilitiesMax: 64,
  /** Characters of the texts of all failures in one report; longer ones are cut. */
  failureTextMax: MiB,
  /** Values that `top` keeps. */
  topMax: 65_536,
  /** Folded values of neighbours that are folded together, and their bytes; two in any case. */
  foldPagesMax: 32,
  foldBytesMax: MiB,
  /** A slot that folds reports at least this often while it finishes tasks, in milliseconds. */
  foldMillis: 50,
  /** Time that a user's function has for one fold, unless the job limits its attempts, in milliseconds. */
  foldMillisMax: 300_000,
  /** Entries in one list that a peer may send. */
  listMax: 131_072,
  /** Bytes of a job's parameters. */
  paramsBytesMax: MiB,
  /** Jobs whose spec a Drone is kept informed of; those that it holds leases of come on top. */
  specsPerDroneMax: 4_096,
  /** Jobs that one client may have open at once. */
  openJobsMax: 100_000,
  /** Summaries of other nodes' jobs that a node remembers. */
  jobsElsewhereMax: 1_000,
  /** A new job is told to the nodes that watch after this time; so many at once; and what each adds until the next time. */
  newsMillis: 20,
  newsJobsMax: 16,
  newsMillisPerJob: 5,
  /** Entries in one answer to Query. */
  answerEntriesMax: 1_000,
  /** Progress and Overview are sent at most this often. */
  progressMillis: 250,
  /** A question on the network has exactly this many bytes; nothing that answers it has more. */
  datagramBytes: 512,
  /** Characters of a Queen's name in a datagram; a longer one is cut. */
  datagramNameMax: 48,
  /** Time between two announcements of a Queen, unless she is told otherwise, and what she may be told. */
  announceMillis: 5_000,
  announceMillisMin: 100,
  announceMillisMax: 3_600_000,
  /** A Queen is forgotten after this many announcements that were not heard, and a second. */
  silentAnnouncements: 3,
  /** Questions that a Queen answers in a second: of one address, and of all. Twice as many may come at once. */
  answersPerAddress: 10,
  answersPerSecond: 100,
  /** Signatures that a listener checks in a second: of one address, and of all. Twice as many may come at once. */
  verifiesPerAddress: 50,
  verifiesPerSecond: 500,
  /** Addresses whose rate is kept in mind. */
  ratedAddressesMax: 4_096,
  /** Queens of one cluster that a listener knows, addresses of each, and incarnations whose serial it remembers. */
  queensKnownMax: 256,
  queenAddressesMax: 4,
  serialsRememberedMax: 1_024,
  /** Ports that are looked through in all, attempts at once, and the time that one may take. */
  scanPortsMax: 16_384,
  scanAttempts: 32,
  scanMillis: 1_000,
  /** Connections to a listening Drone whose other end has not turned out to be a Queen yet. */
  callersMax: 64,
} as const;

function relate(holds: boolean, text: string): void {
  if (!holds) throw new InvariantError(`limits: ${text}`);
}
relate(LIMITS.handshakeBytesMax < LIMITS.frameBytesMax, 'the handshake is smaller than any frame');
relate(LIMITS.valueBytesMax <= LIMITS.pageBytesMax, 'a value fits a page');
relate(
  LIMITS.leaseBytesMax + 2 * LIMITS.pageBytesMax + LIMITS.pageCountMax * 4 + 64 * KiB < LIMITS.frameBytesMax,
  'a lease with the page in which it ends fits one frame',
);
relate(
  LIMITS.foldBytesMax + 2 * LIMITS.valueBytesMax + 64 * KiB < LIMITS.frameBytesMax,
  'folded values of neighbours fit one frame',
);
relate(LIMITS.leaseTasksMax * 2 <= 2 ** 30, 'a position in a lease fits a signed 32-bit word');
relate(LIMITS.sendBufferSoft < LIMITS.sendBufferHard, 'the soft bound comes first');
relate(LIMITS.frameBytesMax < LIMITS.sendBufferHard, 'one frame never breaks the hard bound');
relate(
  LIMITS.strangersMax < LIMITS.strangersLocalMax,
  'this machine may open more handshakes than all others',
);
relate(
  LIMITS.strangerFailuresMax * LIMITS.redialMillisMax > 2 * LIMITS.strangerFailureMillis,
  'one peer with a wrong key that dials again and again does not lock out its neighbours',
);
relate(
  LIMITS.rejoinMillis > 2 * LIMITS.redialMillisMax + LIMITS.heartbeatMillis,
  'every Drone dials again within the rejoin grace',
);
relate(
  LIMITS.abandonMillis > 2 * LIMITS.redialMillisMax,
  'a client can come back before its jobs are cancelled',
);
relate(
  LIMITS.readerIdleMillis > LIMITS.keptMillisMin && LIMITS.readerIdleMillis > LIMITS.abandonMillis,
  'a job stays longer for who reads it than for nobody',
);
relate(LIMITS.dialMillis < LIMITS.handshakeMillis, 'who connects as late as it may can still shake hands');
relate(
  LIMITS.announceMillisMin < LIMITS.announceMillis && LIMITS.announceMillis < LIMITS.announceMillisMax,
  'the usual time between announcements is one that may be chosen',
);
relate(
  // The fields of an announcement other than the name, with their keys, an answer's nonce and the signature.
  LIMITS.datagramNameMax * 3 + 200 + 64 + 64 <= LIMITS.datagramBytes,
  'an answer is no longer than its question',
);
relate(
  LIMITS.serialsRememberedMax > LIMITS.queensKnownMax,
  'the serial of every Queen that is known is remembered',
);
relate(
  LIMITS.storeReserveBytes >= LIMITS.inputBytesHeldMax + 2 * LIMITS.frameBytesMax,
  'what one client may still send, and the log of it, fit the reserve of the store',
);
