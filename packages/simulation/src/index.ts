/** Simulation: the real scheduler, sessions and agents in virtual time, with faults. */
export { SimulationError, type SimulationOptions, type SimulationResult, simulate } from './simulation.ts';
