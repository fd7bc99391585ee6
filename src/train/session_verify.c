/* The plan against the run: predicted and measured bytes of each part of the process. */
#include "base/checked.h"
#include "base/json.h"
#include "base/translate.h"
#include "mem/ledger.h"
#include "sys/heap.h"
#include "train/session.h"

enum { VERIFY_BYTES = 16 << 10, PARTS = 4 };

/** What can be measured apart from the rest; the predictions add up to the predicted peak. */
typedef struct verify_part {
    const char *name;
    const char *text;
    int64_t predicted_bytes, measured_bytes;
} verify_part;

/* The arena is one mapping, which the heap counts as activations; what is in it is the plan's. */
static void find_parts(const snug_session *session, verify_part out[PARTS])
{
    const snug_session_bytes *bytes = &session->bytes;
    const int64_t *used = session->used_bytes;
    out[0] = (verify_part){"arena", "weights, gradients, optimizer, activations, workspace",
                           session->arena_bytes, used[SNUG_CATEGORY_ACTIVATIONS]};
    out[1] = (verify_part){"data", "index, loader ring, chunk cache", bytes->source,
                           used[SNUG_CATEGORY_DATA]};
    out[2] = (verify_part){"runtime", "graph, plan, stacks, checkpoint buffer",
                           bytes->setup + bytes->threads + bytes->buffers + bytes->watch,
                           used[SNUG_CATEGORY_RUNTIME]};
    out[3] = (verify_part){"program", "the program itself and its libraries", bytes->floor,
                           session->summary.peak_rss_bytes};
    for (int64_t i = 0; i < PARTS - 1; i++) {
        out[3].measured_bytes -= out[i].measured_bytes;
    }
}

static bool is_kept(const snug_session *session)
{
    const snug_run_summary *s = &session->summary;
    const snug_ledger ledger = {.predicted_peak_bytes = s->predicted_peak_bytes,
                                .measured_peak_bytes = s->peak_rss_bytes};
    return snug_ledger_promise_kept(&ledger) && s->peak_rss_bytes <= s->budget_bytes &&
           s->allocations_after_seal == 0;
}

static void write_json(const snug_session *session, const verify_part parts[PARTS], snug_text *text)
{
    const snug_run_summary *s = &session->summary;
    snug_plan_summary plan;
    snug_json_writer json;
    snug_session_plan(session, &plan);
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.verify/1");
    snug_json_put_bool(&json, "kept", is_kept(session));
    snug_json_put_i64(&json, "steps", s->steps);
    snug_json_put_i64(&json, "budget_bytes", s->budget_bytes);
    snug_json_put_i64(&json, "predicted_peak_bytes", s->predicted_peak_bytes);
    snug_json_put_i64(&json, "peak_rss_bytes", s->peak_rss_bytes);
    snug_json_put_i64(&json, "allocations_after_seal", s->allocations_after_seal);
    snug_json_key(&json, "parts");
    snug_json_object_begin(&json);
    for (int64_t i = 0; i < PARTS; i++) {
        snug_json_key(&json, parts[i].name);
        snug_json_object_begin(&json);
        snug_json_put_i64(&json, "predicted_bytes", parts[i].predicted_bytes);
        snug_json_put_i64(&json, "measured_bytes", parts[i].measured_bytes);
        snug_json_object_end(&json);
    }
    snug_json_object_end(&json);
    snug_json_key(&json, "categories");
    snug_json_object_begin(&json);
    for (int64_t c = 0; c < SNUG_PLAN_CATEGORIES; c++) {
        snug_json_put_i64(&json, snug_plan_category_name(c), plan.category_bytes[c]);
    }
    snug_json_object_end(&json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

static void write_line(snug_text *text, const verify_part *part)
{
    char predicted[SNUG_SIZE_TEXT_BYTES], measured[SNUG_SIZE_TEXT_BYTES];
    snug_text_cell(text, -12, snug_translated(part->name));
    snug_text_add(text, "%14s%14s%+11.2f MiB  %s\n",
                  snug_size_text(part->predicted_bytes, predicted),
                  snug_size_text(part->measured_bytes, measured),
                  (double)(part->predicted_bytes - part->measured_bytes) / (1 << 20),
                  snug_translated(part->text));
}

static void write_text(const snug_session *session, const verify_part parts[PARTS], snug_text *text)
{
    const snug_run_summary *s = &session->summary;
    const verify_part peak = {"peak", is_kept(session) ? "as promised" : "NOT as promised",
                              s->predicted_peak_bytes, s->peak_rss_bytes};
    static const char *const heads[] = {"Part", "predicted", "measured", "difference"};
    static const int64_t columns[] = {-12, 14, 14, 15};
    for (int64_t i = 0; i < SNUG_COUNT(heads); i++) {
        snug_text_cell(text, columns[i], snug_translated(heads[i]));
    }
    snug_text_say(text, "  after %lld steps\n", (long long)s->steps);
    for (int64_t i = 0; i < PARTS; i++) {
        write_line(text, &parts[i]);
    }
    write_line(text, &peak);
    snug_text_say(text, "Requests    %lld for memory after the start\n",
                  (long long)s->allocations_after_seal);
}

snug_status snug_session_verify_write(const snug_session *session, snug_format format,
                                      snug_write write, void *context, bool *out_kept,
                                      snug_error *err)
{
    verify_part parts[PARTS];
    void *memory = NULL;
    snug_text text;
    if (session->step_times == 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "nothing was trained that could be compared");
    }
    find_parts(session, parts);
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, VERIFY_BYTES, false, &memory, err));
    snug_text_init(&text, memory, VERIFY_BYTES);
    if (format == SNUG_FORMAT_JSON) {
        write_json(session, parts, &text);
    } else {
        write_text(session, parts, &text);
    }
    write(context, text.data, text.length);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, VERIFY_BYTES);
    *out_kept = is_kept(session);
    return SNUG_OK;
}
