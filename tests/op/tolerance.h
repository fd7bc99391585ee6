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
/* A loss with activations in bf16, of a model so small that f32 and double round them alike. */
#define TOLERANCE_NARROW_STEP 1e-5
/* After up to twenty steps of AdamW: attention's gradient takes the stored, rounded output where
 * PyTorch has the exact one, and AdamW divides small gradients by their size. */
#define TOLERANCE_NARROW 5e-3
/* The same losses against fp32: every activation is off by up to 2^-9. */
#define TOLERANCE_BF16 2e-2

#endif
