/** A file of its own, so that whoever reads the types of this package needs none of better-sqlite3's. */

/** What is known of a store itself. */
export interface StoreIdentity {
  readonly queen: string;
  readonly epoch: number;
  /** The latest time that the store has seen, in milliseconds since 1970; time never goes back behind it. */
  readonly latest: number;
}
