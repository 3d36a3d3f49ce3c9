/** Folding results into one value. */
export { type Folded, foldedInput, foldValues } from './fold.ts';
export { type Operator, operatorOf, reduceProblem } from './operator.ts';
