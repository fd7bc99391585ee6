#include "cli.h"

#include <stdio.h>
#include <string.h>

int cli_run_data_describe(const cli_line *line)
{
    if (line->json && line->positional_count > 1) {
        cli_error("--json describes one file at a time: one document, one file");
        return CLI_EXIT_USAGE;
    }
    int code = CLI_EXIT_DONE;
    for (int64_t i = 0; i < line->positional_count; i++) {
        snug_error err = {0};
        const snug_data_describe_options options = {.path = line->positionals[i],
                                                    .group = line->values.group,
                                                    .dataset = line->values.dataset,
                                                    .inputs = line->values.inputs,
                                                    .targets = line->values.targets};
        const snug_status status = snug_data_describe(
            &options, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT, cli_write, NULL, &err);
        if (status != SNUG_OK) {
            code = cli_failed(status, &err);
        }
    }
    return code;
}

static void print_result(const cli_line *line, const char *schema, const char *out,
                         const snug_data_result *result)
{
    char size[32];
    if (line->json) {
        (void)printf("{\"schema\":\"%s\",\"files\":%lld,\"rows\":%lld,\"bytes\":%lld}\n", schema,
                     (long long)result->files, (long long)result->rows, (long long)result->bytes);
        return;
    }
    cli_say(result->files == 1 ? "%lld file with %lld rows in '%s' (%s)\n"
                               : "%lld files with %lld rows in '%s' (%s)\n",
            (long long)result->files, (long long)result->rows, out,
            snug_size_show(result->bytes, size));
}

static bool read_rate(const char *text, double *out)
{
    double rate = 0;
    if (!cli_real("rate", text, &rate)) {
        return false;
    }
    if (rate <= 0) {
        cli_error("--rate must be above 0 Hz, not %s", text);
        return false;
    }
    *out = rate;
    return true;
}

int cli_run_data_convert(const cli_line *line)
{
    const cli_values *values = &line->values;
    double rate = 0;
    if (values->inputs == NULL || values->targets == NULL) {
        cli_error("which columns? give --inputs and --targets, like --inputs emg1..emg8 --targets "
                  "force");
        return CLI_EXIT_USAGE;
    }
    if (values->rate == NULL) {
        cli_error("how fast are the rows? give --rate HZ");
        return CLI_EXIT_USAGE;
    }
    if (!read_rate(values->rate, &rate)) {
        return CLI_EXIT_USAGE;
    }
    snug_error err = {0};
    snug_data_result result = {0};
    const snug_data_convert_options options = {.paths = line->positionals,
                                               .path_count = line->positional_count,
                                               .out = values->out == NULL ? "." : values->out,
                                               .inputs = values->inputs,
                                               .targets = values->targets,
                                               .time = values->time,
                                               .rate = rate,
                                               .group = values->group,
                                               .overwrite = values->force};
    const snug_status status = snug_data_convert(&options, &result, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    print_result(line, "snug.convert/1", options.out, &result);
    return CLI_EXIT_DONE;
}

static bool read_count(const char *name, const char *text, int64_t low, int64_t high, int64_t *out)
{
    return text == NULL || cli_number(name, text, low, high, out);
}

int cli_run_data_generate(const cli_line *line)
{
    const cli_values *values = &line->values;
    int64_t seed = 42;
    snug_data_generate_options options = {.out = values->out, .overwrite = values->force};
    const bool text = strcmp(line->positionals[0], "text") == 0;
    if (!text && strcmp(line->positionals[0], "timeseries") != 0) {
        cli_error("'%s' cannot be generated; 'timeseries' and 'text' can", line->positionals[0]);
        return CLI_EXIT_USAGE;
    }
    if (values->out == NULL) {
        cli_error("where to? give --out FOLDER");
        return CLI_EXIT_USAGE;
    }
    if (!read_count("sessions", values->sessions, 1, 1000000, &options.sessions) ||
        !read_count("rows", values->rows, 2, 1000000000, &options.rows) ||
        !read_count("channels", values->channels, 1, 4096, &options.channels) ||
        !read_count("targets", values->targets, 1, 4096, &options.targets) ||
        !read_count("seed", values->seed, 0, INT64_MAX, &seed)) {
        return CLI_EXIT_USAGE;
    }
    if (values->rate != NULL && !read_rate(values->rate, &options.rate)) {
        return CLI_EXIT_USAGE;
    }
    options.seed = (uint64_t)seed;
    snug_error err = {0};
    snug_data_result result = {0};
    const snug_data_generate_text_options rows = {.out = options.out,
                                                  .rows = options.rows,
                                                  .seed = options.seed,
                                                  .overwrite = options.overwrite};
    const snug_status status = text ? snug_data_generate_text(&rows, &result, &err)
                                    : snug_data_generate(&options, &result, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    print_result(line, "snug.generate/1", options.out, &result);
    return CLI_EXIT_DONE;
}
