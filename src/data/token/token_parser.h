/* Pieces of the JSON files of a tokenizer, each read by one function. */
#ifndef SNUG_DATA_TOKEN_TOKEN_PARSER_H
#define SNUG_DATA_TOKEN_TOKEN_PARSER_H

#include "base/json.h"
#include "data/token/tokenizer_internal.h"

/** A file in work. Strings that are kept are views of it, or lie in the scratch. */
typedef struct snug_token_parser {
    snug_json_reader reader;
    snug_arena *scratch;
    snug_tokenizer_text *text;
} snug_token_parser;

/** Whether the text of an event, escapes not resolved, is this. */
bool snug_token_is(const snug_json_event *event, const char *text);
/** FORMAT: what `key` should be, and where. */
snug_status snug_token_wrong(const snug_json_event *event, const char *key, const char *wanted,
                             snug_error *err);
/** The next key of an object; *out_more = false at its end. */
SNUG_MUST_CHECK snug_status snug_token_next_key(snug_token_parser *p, snug_json_event *out_key,
                                                bool *out_more, snug_error *err);
/** Begins an object; *out_there = false for null. */
SNUG_MUST_CHECK snug_status snug_token_begin_object(snug_token_parser *p, const char *key,
                                                    bool *out_there, snug_error *err);
/** true, false or null. */
SNUG_MUST_CHECK snug_status snug_token_read_switch(snug_token_parser *p, const char *key,
                                                   snug_said *out, snug_error *err);
/** true or false; null leaves *out as it is. */
SNUG_MUST_CHECK snug_status snug_token_read_bool(snug_token_parser *p, const char *key, bool *out,
                                                 snug_error *err);
/** A string without its escapes: a view where there are none, else in the scratch. */
SNUG_MUST_CHECK snug_status snug_token_keep_string(snug_token_parser *p,
                                                   const snug_json_event *event, const char *key,
                                                   const char **out, int64_t *out_bytes,
                                                   snug_error *err);
/** A short name, ended by a zero; null leaves *out as it is. */
SNUG_MUST_CHECK snug_status snug_token_keep_name(snug_token_parser *p, const snug_json_event *event,
                                                 const char *key, const char **out,
                                                 snug_error *err);
/** The same of the value that comes next. */
SNUG_MUST_CHECK snug_status snug_token_read_name(snug_token_parser *p, const char *key,
                                                 const char **out, snug_error *err);
/** An object of tokens and their ids, `event` its beginning. */
SNUG_MUST_CHECK snug_status snug_token_read_words(snug_token_parser *p,
                                                  const snug_json_event *event, snug_error *err);
/** An added token, whose object has begun. `id` -1: it stands in the object. */
SNUG_MUST_CHECK snug_status snug_token_read_added(snug_token_parser *p, int64_t offset, int64_t id,
                                                  snug_error *err);
/** The file is an object. */
SNUG_MUST_CHECK snug_status snug_token_begin_file(snug_token_parser *p, snug_error *err);
/** Nothing but spaces may follow. */
SNUG_MUST_CHECK snug_status snug_token_end_file(snug_token_parser *p, snug_error *err);

#endif
