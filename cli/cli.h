/* The program: one table of commands and options, from which help and completion come. */
#ifndef SNUG_CLI_CLI_H
#define SNUG_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/snug.h"

/** Exit codes; documented in the man page and stable. */
enum {
    CLI_EXIT_DONE = 0,
    CLI_EXIT_FAILED = 1,    /* Data, input and output. */
    CLI_EXIT_USAGE = 2,     /* Command line or configuration. */
    CLI_EXIT_NO_FIT = 3,    /* The budget or the machine is too small. */
    CLI_EXIT_CONDITION = 4, /* A --fail-on condition holds. */
    CLI_EXIT_SOME_FAILED = 5, /* Of several experiments. */
    CLI_EXIT_INTERRUPTED = 130
};

enum {
    CLI_POSITIONALS_MAX = 4096,
    CLI_OVERRIDES_MAX = 256,
    CLI_OVERRIDE_BYTES = 1024, /* One that is made from an option. */
    CLI_FAIL_ON_MAX = 16
};

/** What an option does with its value. */
typedef enum cli_option_kind {
    CLI_OPTION_HELP,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_COLOR,
    CLI_OPTION_TEXT,      /* Value to the field at `offset` of cli_values. */
    CLI_OPTION_FLAG,      /* true to the field at `offset`. */
    CLI_OPTION_SETTING,   /* Becomes "KEY=VALUE" of the configuration. */
    CLI_OPTION_RATIO,     /* 0.6 becomes the budget 60%. */
    CLI_OPTION_MEBIBYTES, /* 600 becomes the budget 600MiB, 0 auto. */
    CLI_OPTION_FAIL_ON
} cli_option_kind;

typedef struct cli_option {
    const char *name; /* Without the dashes; '-' and '_' are the same on the command line. */
    char letter;      /* 0 = none. */
    cli_option_kind kind;
    const char *argument; /* "SIZE"; NULL = takes none. */
    const char *help;     /* One line. */
    int64_t offset;       /* In cli_values; TEXT and FLAG. */
    const char *key;      /* SETTING: of the configuration. */
    const char *choices;  /* "a|b": the only values; NULL = any. */
} cli_option;

/** Values of TEXT and FLAG options; NULL and false when not given. */
typedef struct cli_values {
    const char *budget, *profile, *out, *explain, *require, *checkpoint, *part, *output;
    const char *inputs, *targets, *time, *rate, *group, *dataset;
    const char *sessions, *rows, *channels, *seed;
    const char *verify, *picture, *curve_picture, *certificate, *verify_certificate;
    const char *limit, *enforce, *retry, *shrink, *grow, *state, *time_limit, *grace, *result;
    const char *only;
    bool keep_going;
    const char *pid, *name, *interval, *duration, *plot, *plot_interval;
    const char *pss, *pss_stall, *thresholds, *gpu_thresholds, *warn, *gpu;
    bool chart, alone, steady, report_text;
    const char *resume_from;
    const char *report, *log_file;
    bool resume, origin, force, dry_run, curve, recalibrate;
} cli_values;

typedef struct cli_line cli_line;

typedef struct cli_command {
    const char *name;     /* "data convert" */
    const char *summary;  /* One line. */
    const char *usage;    /* Behind the name. */
    const char *examples; /* Lines. */
    const cli_option *const
        *groups; /* Lists of options, each ended by a NULL name; ended by NULL. */
    int64_t positionals_min, positionals_max;
    bool overrides; /* key=value is allowed. */
    int (*run)(const cli_line *line);
} cli_command;

/** A parsed command line. */
struct cli_line {
    const cli_command *command;
    bool help, json, quiet, color; /* `color`: of stderr. */
    bool color_stdout;
    cli_values values;
    const char *positionals[CLI_POSITIONALS_MAX];
    int64_t positional_count;
    const char *overrides[CLI_OVERRIDES_MAX];
    int64_t override_count;
    const char *fail_on[CLI_FAIL_ON_MAX];
    int64_t fail_on_count;
    /* Texts of overrides made from options; last, so that those not used are never touched. */
    char made[CLI_OVERRIDES_MAX][CLI_OVERRIDE_BYTES];
};

/* commands.c */
int64_t cli_command_count(void);
const cli_command *cli_command_at(int64_t index);
/** Finds the command at the front of the words; *out_words says how many words its name has. */
const cli_command *cli_command_find(const char *const *words, int64_t count, int64_t *out_words);

/* options.c */
/** Parses what follows the command's name; on failure the message was printed and it is false. */
bool cli_parse(const cli_command *command, int argc, char **argv, int first, cli_line *out);
/** The option of this name (without dashes) of a command, or NULL. */
const cli_option *cli_option_find(const cli_command *command, const char *name);
/** Reads a whole number of an option; prints and returns false when it is none in the range. */
bool cli_number(const char *option, const char *text, int64_t low, int64_t high, int64_t *out);
bool cli_real(const char *option, const char *text, double *out);
/** Reads "500ms", "90", "90s", "15m" or "2h" as seconds, above 0; prints what is wrong. */
bool cli_seconds(const char *option, const char *text, double *out);
bool cli_part(const char *text, snug_part *out);

/* language.c */
/** Reads the messages of the user's language; the first call of the program. */
void cli_language_init(void);
/** English from now on: for JSON, which programs read, and everything said beside it. */
void cli_language_plain(void);
/** A text of ours in the user's language. */
#define T_(text) snug_translate(text)

/* terminal.c */
void cli_output_init(bool quiet, bool color);
/** A line of the result in the user's language, to stdout. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** "snug: MESSAGE" on stderr, in the user's language. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** The same for a remark; nothing with --quiet. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** A line of snug_run() and snug_experiments_run(): an error or a remark. */
void cli_message(void *context, bool important, const char *text);
/** A snug_write to stdout; the context is not used. */
void cli_write(void *context, const char *text, int64_t bytes);
/** Prints the error and returns its exit code. */
int cli_failed(snug_status status, const snug_error *err);
/** The same for a call that reads the configuration: everything is a usage error. */
int cli_config_failed(snug_status status, const snug_error *err);
/** Whether colours and moving lines are welcome on this stream. */
bool cli_wants_color(const char *choice, int stream);

/* help.c */
void cli_help_command(const cli_command *command);
void cli_help_all(void);

/* completion.c */
bool cli_completion_print(const char *shell);

/* fail_on.c */
typedef struct cli_metric {
    const char *name;
    double value; /* Of "leak" and "exceed" 1 or 0: their name alone is a condition. */
} cli_metric;
/** Checks the conditions' names and form before the work starts; prints what is wrong. */
bool cli_fail_on_check(const cli_line *line, const cli_metric *metrics, int64_t count);
/** True when one of the conditions holds; each one that does is printed. */
bool cli_fail_on_holds(const cli_line *line, const cli_metric *metrics, int64_t count);

/* progress.c */
typedef struct cli_progress {
    bool live;     /* A terminal: one line that is written over. */
    bool silent;   /* --quiet */
    bool shown;    /* The live line is on the screen. */
    double last_s; /* When something was printed last. */
} cli_progress;
void cli_progress_init(cli_progress *progress, const cli_line *line);
/** An observer that prints to stderr. */
snug_observer cli_progress_observer(cli_progress *progress);
void cli_progress_end(cli_progress *progress);

/* runs.c */
/** Opens the configuration of the line; prints its notes. NULL and *out_code on failure. */
snug_config *cli_open_config(const cli_line *line, const char *config, int *out_code);
/** First Ctrl-C or SIGTERM asks `session` to save and stop, the second ends the process. */
void cli_catch_signals(snug_session *session);
void cli_release_signals(void);
/** The shell command of this line with another name in front, for "Next". */
void cli_print_next(const cli_line *line, const char *name, int64_t budget_bytes);
/** Opens RUN/config.yaml with the line's overrides, then a session for `purpose` on it. */
snug_session *cli_open_run(const cli_line *line, snug_purpose purpose, int *out_code);

/* command_*.c */
int cli_run_check(const cli_line *line);
int cli_run_plan(const cli_line *line);
int cli_run_train(const cli_line *line);
int cli_run_eval(const cli_line *line);
int cli_run_predict(const cli_line *line);
int cli_run_data_describe(const cli_line *line);
int cli_run_data_convert(const cli_line *line);
int cli_run_data_generate(const cli_line *line);
int cli_run_config_show(const cli_line *line);
int cli_run_config_list(const cli_line *line);
int cli_run_config_keys(const cli_line *line);
int cli_run_demo(const cli_line *line);
int cli_run_run(const cli_line *line);
int cli_run_experiments(const cli_line *line);
int cli_run_monitor(const cli_line *line);
int cli_run_analyze(const cli_line *line);
int cli_run_help(const cli_line *line);
int cli_run_version(const cli_line *line);
int cli_run_completion(const cli_line *line);
/** Trains with messages and a summary; shared by train and demo. */
int cli_train(const cli_line *line, snug_session *session, snug_run_summary *out_summary);

#endif
