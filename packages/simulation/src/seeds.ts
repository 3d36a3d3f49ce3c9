/**
 * Seeds that have found something, and what it was; they are run for ever. What a seed draws changes with the simulation,
 * so an entry says what was found, not that it would be found again. Their plain plans are as they were: what three of four
 * seeds draw beside them comes from another source (`extras.ts`), but adds to the jobs and so moves what happens when.
 */
export interface KnownSeed {
  readonly seed: number;
  readonly found: string;
}
export const KNOWN_SEEDS: readonly KnownSeed[] = [
  { seed: 1, found: 'slots kept for a wide task stayed idle when it ran elsewhere' },
  { seed: 4, found: 'the last report of a job left a rate behind in the ended job' },
  {
    seed: 5,
    found: 'the end of a wide lease of an earlier session granted one slot: credit was lost for ever',
  },
  {
    seed: 6,
    found:
      '`received` in the message that opens an ordered reading dropped pages that were not read; with extras: a range job that comes after others was among the ready ones from the start',
  },
  { seed: 15, found: 'a detached job whose client vanished before its seal stayed open for ever' },
  {
    seed: 19,
    found:
      'a job that its reader held back went on only at the next heartbeat; with extras: a child that was held for its Drone was also given out when its parent had a result',
  },
  { seed: 25, found: 'fewer Drones made the Queen hasty with peers that had been told a longer heartbeat' },
  { seed: 34, found: 'as seed 6' },
  { seed: 51, found: 'a hidden job was removed while its client dialled again, and everything ran twice' },
  { seed: 52, found: 'as seed 25' },
  {
    seed: 95,
    found:
      'a report that takes longer than the silence bound was begun anew for ever; with restarts: a lease of an earlier opening that was lost twice stayed among the lost ones; with extras: a task of a graph went on over a restart, though the result of its parent was lost with the Queen',
  },
  { seed: 111, found: 'the bound on tasks waiting for a retry took effect too late' },
  { seed: 121, found: 'as seed 51' },
  { seed: 129, found: 'a lease of no tasks, when all fresh ones had been cancelled one by one' },
  { seed: 131, found: 'as seed 95' },
  { seed: 142, found: 'a cancelled copy that will not stop, and its retry on the same Drone (allowed)' },
  { seed: 27, found: 'a drained Drone got work again when it had dialled anew' },
  { seed: 68, found: 'a lost Drone reported the last parent of a task, which then waited for ever' },
  {
    seed: 100,
    found:
      'a job was retried before one that it comes after had succeeded: that one had failed and was removed',
  },
  { seed: 127, found: 'nothing yet; its power cut tears a transaction in the middle of a step' },
  { seed: 1087, found: 'a task that had come back in an adopted lease failed there and was retried at once' },
  { seed: 1411, found: 'a task was given by its retry to the Drone on which another copy still ran' },
  { seed: 2952, found: 'a task that waited for its retry ran at once, because its other copy was lost' },
  {
    seed: 3859,
    found: 'results that waited for a slow commit were removed, and their reader waited for ever',
  },
  { seed: 6244, found: 'as seed 3859' },
  { seed: 6497, found: 'a task failed in an adopted lease and was still held for its Drone' },
  { seed: 10250, found: 'a Drone handed a cancelled lease back and was never told to forget its job' },
  {
    seed: 12328,
    found: 'parts of a result page cost a reader more than they held, and the credit for the rest never came',
  },
  {
    seed: 31613,
    found: 'a job whose queued tasks had all been cancelled one by one stayed among the ready ones',
  },
  {
    seed: 60915,
    found: "the auditor measured a wait in a job's earlier life by the inputs of a later one",
  },
  {
    seed: 1_000_015,
    found: 'tasks of a folded report that was dropped went back, and their job was not ready for all that',
  },
  {
    seed: 1_000_196,
    found: 'a stretch of queued tasks was taken for overdue some milliseconds before it was',
  },
  {
    seed: 20944,
    found:
      'what a Drone had still to report after a reconnect stopped for ever when a lease of which it had reported some was cancelled',
  },
];
