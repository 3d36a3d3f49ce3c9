/** The wire of The Hive: what anyone needs to speak it. Nothing here touches a socket, a clock or a random source. */
export { Chance, seededChance } from './chance.ts';
export * from './codec.ts';
export * from './discovery/datagram.ts';
export * from './discovery/directory.ts';
export * from './discovery/rate-limiter.ts';
export * from './errors.ts';
export { type Field, type Fields, type Infer, isPlain, type Plain } from './fields.ts';
export * from './frame.ts';
export * from './interval-set.ts';
export * from './key-identity.ts';
export * from './limits.ts';
export * from './messages.ts';
export * from './page.ts';
export * from './redial.ts';
export * from './session.ts';
export * from './streams.ts';
export * from './units.ts';
export * from './values.ts';
