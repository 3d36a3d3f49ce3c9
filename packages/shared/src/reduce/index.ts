/** Folding results into one value. */
export { encodeFolded, type Folded, foldedInput, foldValues } from './fold.ts';
export { type FoldFunction, type Operator, operatorOf, reduceProblem } from './operator.ts';
