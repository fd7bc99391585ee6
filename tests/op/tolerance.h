/* Tolerances of the op and model tests, each with its reason. */
#ifndef SNUG_TESTS_OP_TOLERANCE_H
#define SNUG_TESTS_OP_TOLERANCE_H

/* One pass of f32 arithmetic over at most a few hundred terms: 2^-24 * sqrt(300) * a few. */
#define TOLERANCE_F32 1e-5
/* Forty and more dependent LSTM steps, each with rounded gates. */
#define TOLERANCE_LOOP 1e-4
/* Central differences in double with a step of 1e-5: truncation 1e-10, cancellation 1e-11. */
#define TOLERANCE_DIFFERENCE 1e-6
/* A whole small model against PyTorch in f32. */
#define TOLERANCE_MODEL 1e-5

#endif
