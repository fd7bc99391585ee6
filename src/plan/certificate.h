/* A program as JSON that anybody can check: written, read back, and verified against its graph. */
#ifndef SNUG_PLAN_CERTIFICATE_H
#define SNUG_PLAN_CERTIFICATE_H

#include "base/text.h"
#include "plan/passes.h"

/** Bytes that surely hold the certificate of a program. */
int64_t snug_certificate_bytes(const snug_program *program, const snug_graph *graph);

/**
 * Writes schema "snug.certificate/2": sizes first, the names of the graph's nodes and tensors, then
 * loops, calls, buffers and segments as rows of integers under named columns.
 */
void snug_certificate_write(const snug_program *program, const snug_graph *graph, snug_text *out);

/**
 * Reads a certificate. Only its form is checked and that it names this graph: snug_plan_verify()
 * says whether the program is right.
 *
 * @param      json   Borrowed for the call.
 * @param      graph  The graph it must have been made for.
 * @param      arena  Where the program is put.
 * @param[out] out    Untouched on failure.
 * @return SNUG_CODE_FORMAT: not such a document; SNUG_CODE_DATA: of another graph; SNUG_CODE_LIMIT.
 */
SNUG_MUST_CHECK snug_status snug_certificate_read(const char *json, int64_t bytes,
                                                  const snug_graph *graph, snug_arena *arena,
                                                  snug_program *out, snug_error *err);

/** Bytes that surely hold the certificate of a step. */
int64_t snug_certificate_step_bytes(const snug_step_plan *step, const snug_graph *graph);

/** Writes the certificate of a step: its program's, or an array of those of both passes. */
void snug_certificate_write_step(const snug_step_plan *step, const snug_graph *graph,
                                 snug_text *out);

/** Reads one or the other, as snug_certificate_read() does. */
SNUG_MUST_CHECK snug_status snug_certificate_read_step(const char *json, int64_t bytes,
                                                       const snug_graph *graph, snug_arena *arena,
                                                       snug_step_plan *out, snug_error *err);

#endif
