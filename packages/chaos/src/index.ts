/** A real cluster whose processes are killed, frozen and restarted at random, and the proof that nothing was lost. */
export { type ChaosOptions, type ChaosReport, runChaos } from './chaos.ts';
export { printReport } from './print.ts';
