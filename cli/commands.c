#include "cli.h"

#include <stddef.h>
#include <string.h>

#define VALUE(field) ((int64_t)offsetof(cli_values, field))
#define LISTED(list) ((int64_t)(sizeof(list) / sizeof((list)[0])))

static const cli_option common[] = {
    {.name = "help", .letter = 'h', .kind = CLI_OPTION_HELP, .help = "show this help"},
    {.name = "json", .kind = CLI_OPTION_JSON, .help = "print one JSON document instead of text"},
    {.name = "quiet", .letter = 'q', .kind = CLI_OPTION_QUIET, .help = "no messages, no progress"},
    {.name = "color",
     .kind = CLI_OPTION_COLOR,
     .argument = "WHEN",
     .choices = "auto|always|never",
     .help = "colours on stderr: auto, always or never"},
    {0},
};

static const cli_option budget[] = {
    {.name = "budget",
     .letter = 'b',
     .kind = CLI_OPTION_TEXT,
     .argument = "SIZE",
     .offset = VALUE(budget),
     .help = "memory of the whole process: 600MiB, 60% of what is free, auto"},
    {.name = "memory-usage-ratio",
     .kind = CLI_OPTION_RATIO,
     .argument = "RATIO",
     .help = "the same as a share from 0 to 1: 0.6 is --budget 60%"},
    {.name = "max-memory-mb",
     .kind = CLI_OPTION_MEBIBYTES,
     .argument = "MIB",
     .help = "the same in MiB; 0 is --budget auto"},
    {0},
};

#define SETTING(name_, argument_, key_, help_)                                                     \
    {                                                                                              \
        .name = name_, .kind = CLI_OPTION_SETTING, .argument = argument_, .key = key_,             \
        .help = help_                                                                              \
    }

static const cli_option settings[] = {
    {.name = "profile",
     .letter = 'p',
     .kind = CLI_OPTION_TEXT,
     .argument = "NAME",
     .offset = VALUE(profile),
     .choices = "default|low_memory|high_performance|quick_demo|ultra_low_memory|safe|original",
     .help = "laid over CONFIG; 'snug config list' shows them"},
    {.name = "threads",
     .letter = 't',
     .kind = CLI_OPTION_SETTING,
     .argument = "N",
     .key = "threads",
     .help = "compute threads; 0 = all cores"},
    SETTING("seed", "N", "seed", "seed of every random number"),
    SETTING("data", "PATH", "data.path", "folder of sessions, or one file"),
    SETTING("dataset-path", "PATH", "data.path", "the same"),
    SETTING("window-size", "ROWS", "data.window", "length of a window"),
    SETTING("stride", "ROWS", "data.stride", "distance from window to window; 0 = the window"),
    SETTING("num-workers", "N", "data.num_workers", "loader threads, 0 to 16"),
    SETTING("prefetch-factor", "N", "data.prefetch_factor", "how far workers read ahead"),
    SETTING("batch-size", "N", "training.batch_size", "samples per accumulation step"),
    SETTING("gradient-accumulation-steps", "N", "training.gradient_accumulation_steps",
            "batches per optimizer step"),
    SETTING("num-epochs", "N", "training.epochs", "passes over the training windows"),
    SETTING("epochs", "N", "training.epochs", "the same"),
    SETTING("max-steps", "N", "training.max_steps", "stop after so many optimizer steps"),
    SETTING("learning-rate", "X", "optimizer.lr", "learning rate"),
    SETTING("optimizer", "NAME", "optimizer.name", "adamw, adam or sgd"),
    SETTING("loss", "NAME", "training.loss", "mae, mse or mse_mae"),
    SETTING("smart", NULL, "training.smart",
            "rounds of epochs until the target is met or they bring nothing"),
    SETTING("target", "CONDITION", "training.target", "smart: ends the run, like 'accuracy>0.9'"),
    SETTING("strict-memory-check", NULL, "training.strict_memory_check",
            "stop with a checkpoint when memory stays short"),
    SETTING("model-name", "FOLDER", "model.path", "text: folder of a pretrained model"),
    SETTING("model-path", "FOLDER", "model.path", "the same"),
    SETTING("max-length", "TOKENS", "data.max_length", "text: longer texts are cut"),
    SETTING("train-file", "PATH", "data.path", "text: CSV, TSV or JSONL to train on"),
    SETTING("valid-file", "PATH", "data.valid_path", "text: the same to validate on"),
    SETTING("test-file", "PATH", "data.test_path", "text: the same to test on"),
    SETTING("weight-decay", "X", "optimizer.weight_decay", "weight decay"),
    SETTING("warmup-ratio", "X", "scheduler.warmup_ratio", "share of the steps to warm up in"),
    SETTING("early-stopping-patience", "N", "training.early_stopping_patience",
            "evaluations without improvement before stopping"),
    SETTING("dataloader-num-workers", "N", "data.num_workers", "loader threads, 0 to 16"),
    SETTING("use-amp", NULL, "training.use_amp",
            "store activations as bf16: half the bytes, another result"),
    SETTING("gradient-checkpointing", NULL, "training.gradient_checkpointing",
            "accepted: the plan decides what is computed again"),
    {0},
};

static const cli_option plan_only[] = {
    {.name = "explain",
     .letter = 'e',
     .kind = CLI_OPTION_TEXT,
     .argument = "KEY",
     .offset = VALUE(explain),
     .help = "say where one figure comes from: a category, micro_batch, budget"},
    {.name = "curve",
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(curve),
     .help = "what every budget costs in time, from the smallest to the fastest plan"},
    {.name = "curve-picture",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE.svg",
     .offset = VALUE(curve_picture),
     .help = "draw that curve"},
    {.name = "picture",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE.svg",
     .offset = VALUE(picture),
     .help = "draw the arena over time, every buffer in it"},
    {.name = "verify",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(verify),
     .help = "train N steps, keep nothing, compare plan and kernel; exit 1 if wrong"},
    {.name = "certificate",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(certificate),
     .help = "write the whole plan as JSON for others to check"},
    {.name = "verify-certificate",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(verify_certificate),
     .help = "have the independent verifier check such a file"},
    {.name = "recalibrate",
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(recalibrate),
     .help = "measure this machine again, whatever the cache says"},
    {0},
};

static const cli_option fail_on[] = {
    {.name = "fail-on",
     .kind = CLI_OPTION_FAIL_ON,
     .argument = "CONDITION",
     .help = "exit 4 when it holds at the end, like 'mae>0.2'; may be given again"},
    {0},
};

static const cli_option train_only[] = {
    {.name = "out",
     .letter = 'o',
     .kind = CLI_OPTION_TEXT,
     .argument = "RUN",
     .offset = VALUE(out),
     .help = "folder of the run; without it the next free runs/NAME-N"},
    {.name = "resume",
     .letter = 'r',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(resume),
     .help = "continue the run in --out from its last checkpoint, with the same bits"},
    {.name = "output-dir",
     .kind = CLI_OPTION_TEXT,
     .argument = "RUN",
     .offset = VALUE(out),
     .help = "the same as --out"},
    {.name = "resume-from-checkpoint",
     .kind = CLI_OPTION_TEXT,
     .argument = "FOLDER",
     .offset = VALUE(resume_from),
     .help = "a RUN of ours goes on as with --resume; another model is a start"},
    {.name = "dry-run",
     .letter = 'n',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(dry_run),
     .help = "plan and stop"},
    {0},
};

static const cli_option run_only[] = {
    {.name = "checkpoint",
     .letter = 'c',
     .kind = CLI_OPTION_TEXT,
     .argument = "NAME",
     .offset = VALUE(checkpoint),
     .help = "best, last or step-N of the run; without it best, else last"},
    {.name = "part",
     .kind = CLI_OPTION_TEXT,
     .argument = "PART",
     .offset = VALUE(part),
     .choices = "train|validation|test|all",
     .help = "which files: train, validation, test or all; without it validation"},
    {.name = "data",
     .kind = CLI_OPTION_SETTING,
     .argument = "PATH",
     .key = "data.path",
     .help = "other data than the run was trained on"},
    {.name = "threads",
     .letter = 't',
     .kind = CLI_OPTION_SETTING,
     .argument = "N",
     .key = "threads",
     .help = "compute threads; 0 = all cores"},
    {0},
};

static const cli_option eval_only[] = {
    {.name = "picture",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE.svg",
     .offset = VALUE(picture),
     .help = "text: draw which classes were taken for which"},
    {0},
};

static const cli_option predict_only[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(output),
     .help = "ends in .csv, .h5 or .hdf5; without it CSV on stdout"},
    {0},
};

static const cli_option check_only[] = {
    {.name = "require",
     .kind = CLI_OPTION_TEXT,
     .argument = "SIZE",
     .offset = VALUE(require),
     .help = "exit 3 when less than this is free for us"},
    {0},
};

static const cli_option describe_only[] = {
    {.name = "group",
     .kind = CLI_OPTION_TEXT,
     .argument = "NAME",
     .offset = VALUE(group),
     .help = "HDF5 group; without it the one that is there"},
    {.name = "dataset",
     .kind = CLI_OPTION_TEXT,
     .argument = "NAME",
     .offset = VALUE(dataset),
     .help = "HDF5 data set; without it timeseries"},
    {.name = "inputs",
     .letter = 'i',
     .kind = CLI_OPTION_TEXT,
     .argument = "MEMBERS",
     .offset = VALUE(inputs),
     .help = "members with the inputs; without it emg"},
    {.name = "targets",
     .kind = CLI_OPTION_TEXT,
     .argument = "MEMBERS",
     .offset = VALUE(targets),
     .help = "members with the targets; without it joint_angles"},
    {0},
};

static const cli_option convert_only[] = {
    {.name = "inputs",
     .letter = 'i',
     .kind = CLI_OPTION_TEXT,
     .argument = "COLUMNS",
     .offset = VALUE(inputs),
     .help = "columns of the inputs: emg1..emg8, or a,b,c"},
    {.name = "targets",
     .kind = CLI_OPTION_TEXT,
     .argument = "COLUMNS",
     .offset = VALUE(targets),
     .help = "columns of the targets, written the same way"},
    {.name = "rate",
     .kind = CLI_OPTION_TEXT,
     .argument = "HZ",
     .offset = VALUE(rate),
     .help = "rows per second"},
    {.name = "time",
     .kind = CLI_OPTION_TEXT,
     .argument = "COLUMN",
     .offset = VALUE(time),
     .help = "column of the time in seconds; without it made from --rate"},
    {.name = "group",
     .kind = CLI_OPTION_TEXT,
     .argument = "NAME",
     .offset = VALUE(group),
     .help = "HDF5 group to write; without it emg2pose"},
    {.name = "out",
     .letter = 'o',
     .kind = CLI_OPTION_TEXT,
     .argument = "FOLDER",
     .offset = VALUE(out),
     .help = "where the HDF5 files go; without it the current folder"},
    {.name = "force",
     .letter = 'f',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(force),
     .help = "write over files that are there"},
    {0},
};

static const cli_option generate_only[] = {
    {.name = "out",
     .letter = 'o',
     .kind = CLI_OPTION_TEXT,
     .argument = "FOLDER",
     .offset = VALUE(out),
     .help = "where the files go"},
    {.name = "sessions",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(sessions),
     .help = "files; without it 8"},
    {.name = "rows",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(rows),
     .help = "rows of each; without it 60 s"},
    {.name = "channels",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(channels),
     .help = "inputs; without it 16"},
    {.name = "targets",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(targets),
     .help = "targets; without it 20"},
    {.name = "rate",
     .kind = CLI_OPTION_TEXT,
     .argument = "HZ",
     .offset = VALUE(rate),
     .help = "rows per second; without it 2000"},
    {.name = "seed",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(seed),
     .help = "seed; the same one gives the same bytes; without it 42"},
    {.name = "force",
     .letter = 'f',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(force),
     .help = "write over files that are there"},
    {0},
};

static const cli_option show_only[] = {
    {.name = "origin",
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(origin),
     .help = "say where each value comes from: file, profile, command line"},
    {0},
};

static const cli_option demo_only[] = {
    {.name = "out",
     .letter = 'o',
     .kind = CLI_OPTION_TEXT,
     .argument = "FOLDER",
     .offset = VALUE(out),
     .help = "where data and run go; without it a new temporary folder"},
    {0},
};

static const cli_option run_command[] = {
    {.name = "limit",
     .letter = 'l',
     .kind = CLI_OPTION_TEXT,
     .argument = "SIZE",
     .offset = VALUE(limit),
     .help = "memory of the command with all its processes: 10G, 600MiB"},
    {.name = "retry",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(retry),
     .help = "start again up to N times when memory ended it; without it 0"},
    {.name = "shrink",
     .kind = CLI_OPTION_TEXT,
     .argument = "RULES",
     .offset = VALUE(shrink),
     .help = "how {bs=16} of the command gets smaller: 'bs=/2,min=1;workers=-1'"},
    {.name = "grow",
     .kind = CLI_OPTION_TEXT,
     .argument = "RULES",
     .offset = VALUE(grow),
     .help = "what grows with it, the product kept: 'accum=*2'"},
    {.name = "state",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(state),
     .help = "remember the values that ran, and begin with them next time"},
    {.name = "enforce",
     .kind = CLI_OPTION_TEXT,
     .argument = "HOW",
     .offset = VALUE(enforce),
     .choices = "auto|cgroup|rlimit|watch",
     .help = "auto, cgroup, rlimit or watch; without it the strongest that works"},
    {.name = "time-limit",
     .kind = CLI_OPTION_TEXT,
     .argument = "TIME",
     .offset = VALUE(time_limit),
     .help = "end an attempt after 90s, 15m or 2h; exit 124"},
    {.name = "grace",
     .kind = CLI_OPTION_TEXT,
     .argument = "TIME",
     .offset = VALUE(grace),
     .help = "from SIGTERM to SIGKILL when the time is over; without it 10s"},
    {.name = "log-file",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(log_file),
     .help = "the memory log of 'snug monitor'; with -2, -3 for more attempts"},
    {.name = "interval",
     .kind = CLI_OPTION_TEXT,
     .argument = "TIME",
     .offset = VALUE(interval),
     .help = "between its samples; without it 1s, more often near the limit"},
    {.name = "json",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(result),
     .help = "write what came of it as JSON; stdout belongs to the command"},
    {0},
};

static const cli_option experiments_only[] = {
    {.name = "out",
     .letter = 'o',
     .kind = CLI_OPTION_TEXT,
     .argument = "FOLDER",
     .offset = VALUE(out),
     .help = "where runs, logs and results go; without it experiments/NAME"},
    {.name = "resume",
     .letter = 'r',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(resume),
     .help = "skip what is done, go on with what was broken off"},
    {.name = "keep-going",
     .letter = 'k',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(keep_going),
     .help = "go on with the others after a failure"},
    {.name = "only",
     .kind = CLI_OPTION_TEXT,
     .argument = "NAMES",
     .offset = VALUE(only),
     .help = "only these, by name or number: 2,5,wide"},
    {.name = "dry-run",
     .letter = 'n',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(dry_run),
     .help = "list them and stop"},
    {0},
};

/* `common` without --json, for a command whose stdout is not ours. */
static const cli_option messages[] = {
    {.name = "help", .letter = 'h', .kind = CLI_OPTION_HELP, .help = "show this help"},
    {.name = "quiet", .letter = 'q', .kind = CLI_OPTION_QUIET, .help = "only what went wrong"},
    {.name = "color",
     .kind = CLI_OPTION_COLOR,
     .argument = "WHEN",
     .choices = "auto|always|never",
     .help = "colours on stderr: auto, always or never"},
    {0},
};

static const cli_option monitor_target[] = {
    {.name = "pid",
     .kind = CLI_OPTION_TEXT,
     .argument = "N",
     .offset = VALUE(pid),
     .help = "watch this process and all below it"},
    {.name = "name",
     .kind = CLI_OPTION_TEXT,
     .argument = "NAME",
     .offset = VALUE(name),
     .help = "the same for the one process or script that is called so"},
    {.name = "no-tree",
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(alone),
     .help = "only that process"},
    {.name = "interval",
     .letter = 'i',
     .kind = CLI_OPTION_TEXT,
     .argument = "TIME",
     .offset = VALUE(interval),
     .help = "between two samples; without it 1s, and less near a limit"},
    {.name = "steady",
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(steady),
     .help = "not more often near a limit"},
    {.name = "duration",
     .letter = 'd',
     .kind = CLI_OPTION_TEXT,
     .argument = "TIME",
     .offset = VALUE(duration),
     .help = "end the watch after 3600, 90s, 15m or 2h"},
    {.name = "pss",
     .kind = CLI_OPTION_TEXT,
     .argument = "WHEN",
     .offset = VALUE(pss),
     .choices = "auto|always|never",
     .help = "proportional share: auto (when quick), always or never"},
    {.name = "pss-stall",
     .kind = CLI_OPTION_TEXT,
     .argument = "TIME",
     .offset = VALUE(pss_stall),
     .help = "what is quick: how long the target may wait; 0.1ms"},
    {.name = "gpu",
     .kind = CLI_OPTION_TEXT,
     .argument = "WHEN",
     .offset = VALUE(gpu),
     .choices = "auto|off",
     .help = "auto: when there is NVML; off"},
    {0},
};

static const cli_option monitor_output[] = {
    {.name = "log-file",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(log_file),
     .help = "without it memory-DATE-TIME.jsonl here; none for no log"},
    {.name = "log",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(log_file),
     .help = "the same"},
    {.name = "force",
     .letter = 'f',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(force),
     .help = "write over a log that is there"},
    {.name = "chart",
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(chart),
     .help = "a live chart below the output of COMMAND, too"},
    {.name = "plot",
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE",
     .offset = VALUE(plot),
     .help = "draw the curves at the end, as .svg or .png"},
    {.name = "plot-interval",
     .kind = CLI_OPTION_TEXT,
     .argument = "TIME",
     .offset = VALUE(plot_interval),
     .help = "and every so often before"},
    {.name = "report",
     .letter = 'r',
     .kind = CLI_OPTION_FLAG,
     .offset = VALUE(report_text),
     .help = "a table of all that was measured at the end, with advice"},
    {.name = "limit",
     .letter = 'l',
     .kind = CLI_OPTION_TEXT,
     .argument = "SIZE",
     .offset = VALUE(limit),
     .help = "raise the alarm by this limit too; nothing is enforced"},
    {.name = "warn",
     .letter = 'w',
     .kind = CLI_OPTION_TEXT,
     .argument = "BY",
     .offset = VALUE(warn),
     .choices = "both|percent|headroom|off",
     .help = "levels by percent, by headroom, both or off; without it both"},
    {.name = "threshold",
     .kind = CLI_OPTION_TEXT,
     .argument = "N,N,N",
     .offset = VALUE(thresholds),
     .help = "percent for notice, warning, danger; without it 70,80,90"},
    {.name = "gpu-threshold",
     .kind = CLI_OPTION_TEXT,
     .argument = "N,N,N",
     .offset = VALUE(gpu_thresholds),
     .help = "the same for GPU memory; without it 80,90,95"},
    {0},
};

static const cli_option analyze_only[] = {
    {.name = "report",
     .letter = 'r',
     .kind = CLI_OPTION_TEXT,
     .argument = "FILE.html",
     .offset = VALUE(report),
     .help = "write one page with picture and figures; it loads nothing"},
    {.name = "limit",
     .letter = 'l',
     .kind = CLI_OPTION_TEXT,
     .argument = "SIZE",
     .offset = VALUE(limit),
     .help = "when is it reached; without it what the log or run names"},
    {.name = "budget",
     .letter = 'b',
     .kind = CLI_OPTION_TEXT,
     .argument = "SIZE",
     .offset = VALUE(limit),
     .help = "the same"},
    {.name = "log-file",
     .kind = CLI_OPTION_TEXT,
     .argument = "LOG",
     .offset = VALUE(log_file),
     .help = "a log; the same as its name alone"},
    {.name = "fail-on",
     .kind = CLI_OPTION_FAIL_ON,
     .argument = "CONDITION",
     .help = "exit 4 on leak, exceed, peak>SIZE, growth>SIZE; also several"},
    {0},
};

static const cli_option *const check_groups[] = {check_only, budget, common, NULL};
static const cli_option *const plan_groups[] = {plan_only, budget, settings, fail_on, common, NULL};
static const cli_option *const train_groups[] = {train_only, budget, settings,
                                                 fail_on,    common, NULL};
static const cli_option *const eval_groups[] = {eval_only, run_only, budget, fail_on, common, NULL};
static const cli_option *const predict_groups[] = {predict_only, run_only, budget, common, NULL};
static const cli_option *const describe_groups[] = {describe_only, common, NULL};
static const cli_option *const convert_groups[] = {convert_only, common, NULL};
static const cli_option *const generate_groups[] = {generate_only, common, NULL};
static const cli_option *const show_groups[] = {show_only, settings, common, NULL};
static const cli_option *const demo_groups[] = {demo_only, budget, common, NULL};
static const cli_option *const run_groups[] = {run_command, messages, NULL};
static const cli_option *const monitor_groups[] = {monitor_target, monitor_output, common, NULL};
static const cli_option *const analyze_groups[] = {analyze_only, common, NULL};
static const cli_option *const experiments_groups[] = {experiments_only, budget, common, NULL};
static const cli_option *const plain_groups[] = {common, NULL};

static const cli_command commands[] = {
    {"check", "what memory there is, what limits it, and what to run", "[--budget SIZE]",
     "  snug check\n"
     "  snug check --require 600MiB --json\n"
     "\n"
     "The profile for time series follows what is free now, the one for text the memory of the\n"
     "machine or, if smaller, its tightest limit: below 8 GiB low_memory and ultra_low_memory, up\n"
     "to 16 GiB default and safe, above high_performance and original. A GPU is shown only: snug\n"
     "computes on the processor. Warnings: more than 90 % of the memory or 95 % of a GPU's in\n"
     "use, or 85 degrees C.\n",
     check_groups, 0, 0, false, cli_run_check},
    {"plan", "where every byte will go, before anything runs", "CONFIG [KEY=VALUE ...]",
     "  snug plan timeseries data.path=sessions --budget 600MiB\n"
     "  snug plan my.yaml --profile low_memory --json\n"
     "  snug plan my.yaml --budget 600MiB --verify 3\n"
     "  snug plan timeseries data.path=sessions --budget 600MiB --explain activations\n"
     "  snug plan timeseries data.path=sessions --budget 600MiB --curve --picture arena.svg\n",
     plan_groups, 1, 1, true, cli_run_plan},
    {"train", "train inside the budget", "CONFIG [KEY=VALUE ...]",
     "  snug train timeseries data.path=sessions --budget 600MiB --out runs/first\n"
     "  snug train timeseries_small data.path=sessions training.epochs=20 --profile low_memory\n"
     "  snug train timeseries data.path=sessions --out runs/first --resume\n",
     train_groups, 1, 1, true, cli_run_train},
    {"eval", "the metrics of a run on validation or test files", "RUN [KEY=VALUE ...]",
     "  snug eval runs/first --part test\n"
     "  snug eval runs/first --checkpoint last --fail-on 'mae>0.2' --json\n"
     "  snug eval runs/texts --part test --picture confusion.svg\n",
     eval_groups, 1, 1, true, cli_run_eval},
    {"predict", "predictions of a run as CSV or HDF5", "RUN [FILE] [KEY=VALUE ...]",
     "  snug predict runs/first session.hdf5 --output angles.csv\n"
     "  snug predict runs/first --part test --output test.hdf5\n",
     predict_groups, 1, 2, true, cli_run_predict},
    {"data describe", "layout, rows, rate and statistics of a file", "FILE ...",
     "  snug data describe session.hdf5\n"
     "  snug data describe session.hdf5 --json\n",
     describe_groups, 1, CLI_POSITIONALS_MAX, false, cli_run_data_describe},
    {"data convert", "HDF5 sessions from CSV files", "FILE.csv ... --inputs ... --targets ...",
     "  snug data convert day1.csv day2.csv --inputs emg1..emg8 --targets force --rate 200 --out "
     "sessions\n",
     convert_groups, 1, CLI_POSITIONALS_MAX, false, cli_run_data_convert},
    {"data generate", "learnable synthetic data", "timeseries|text --out FOLDER",
     "  snug data generate timeseries --out sessions\n"
     "  snug data generate text --out texts --rows 400\n"
     "  snug data generate timeseries --out sessions --sessions 4 --rows 60000 --seed 1\n",
     generate_groups, 1, 1, false, cli_run_data_generate},
    {"config show", "all settings and what they mean or where they come from",
     "[CONFIG] [KEY=VALUE ...]",
     "  snug config show timeseries > my.yaml\n"
     "  snug config show my.yaml training.batch_size=16 --origin\n",
     show_groups, 0, 1, true, cli_run_config_show},
    {"config list", "the built-in configurations and profiles", "", "  snug config list\n",
     plain_groups, 0, 0, false, cli_run_config_list},
    {"config keys", "every key, its default and its meaning", "",
     "  snug config keys\n"
     "  snug config keys --json\n",
     plain_groups, 0, 0, false, cli_run_config_keys},
    {"demo", "make a small data set, plan, train and report; about a minute", "",
     "  snug demo\n"
     "  snug demo --budget 24MiB --out demo\n",
     demo_groups, 0, 0, false, cli_run_demo},
    {"run", "any command inside a memory limit, tried again smaller", "--limit SIZE -- COMMAND ...",
     "  snug run --limit 10G -- python train.py\n"
     "  snug run --limit 10G --retry 3 --shrink 'bs=/2,min=1' --grow 'accum=*2' -- \\\n"
     "      python train.py --batch {bs=16} --accumulate {accum=1}\n"
     "  snug run --limit 2G --time-limit 30m --json result.json -- make test\n"
     "\n"
     "Exit codes: the command's own, 128 + its signal, 122 ended by the limit with no attempt\n"
     "left, 124 out of time, 125 snug failed, 126 not executable, 127 not found.\n",
     run_groups, 1, CLI_POSITIONALS_MAX, false, cli_run_run},
    {"monitor", "watch memory: of a command, of a process, of the machine",
     "[--pid N | --name NAME | -- COMMAND ...]",
     "  snug monitor\n"
     "  snug monitor --chart --report -- python train.py\n"
     "  snug monitor --pid 4123 --duration 1h --plot memory.svg --plot-interval 60\n"
     "  snug monitor --name train.py --limit 10G --log-file train.jsonl\n"
     "\n"
     "Without a target it watches the machine. With a COMMAND it ends with the command's own exit\n"
     "code, 128 + its signal, 127 when it is not found and 126 when it cannot be executed.\n",
     monitor_groups, 0, CLI_POSITIONALS_MAX, false, cli_run_monitor},
    {"analyze", "what a memory log says: stable, a leak, and when it will be too much", "LOG ...",
     "  snug analyze memory.jsonl\n"
     "  snug analyze memory.jsonl --report memory.html --limit 8GiB\n"
     "  snug analyze before.jsonl after.jsonl\n"
     "  snug analyze mprofile.dat --fail-on leak --fail-on 'peak>6GiB'\n"
     "  snug analyze runs/first --report first.html\n",
     analyze_groups, 0, 16, false, cli_run_analyze},
    {"experiments", "a list or grid of runs, one process each, within a budget", "FILE",
     "  snug experiments sweep.yaml --dry-run\n"
     "  snug experiments sweep.yaml --budget 600MiB --keep-going\n"
     "  snug experiments sweep.yaml --resume\n",
     experiments_groups, 1, 1, false, cli_run_experiments},
    {"help", "help on a command", "[COMMAND]", "  snug help train\n", plain_groups, 0, 2, false,
     cli_run_help},
    {"version", "the version of the program", "", "  snug version --json\n", plain_groups, 0, 0,
     false, cli_run_version},
    {"completion", "a completion script for the shell", "bash|zsh|fish",
     "  snug completion bash > ~/.local/share/bash-completion/completions/snug\n"
     "  snug completion zsh > \"${fpath[1]}/_snug\"\n"
     "  snug completion fish > ~/.config/fish/completions/snug.fish\n",
     plain_groups, 1, 1, false, cli_run_completion},
};

int64_t cli_command_count(void)
{
    return LISTED(commands);
}

const cli_command *cli_command_at(int64_t index)
{
    return &commands[index];
}

/* How many of the words are the name of this command; 0 when they are not. */
static int64_t match(const char *name, const char *const *words, int64_t count)
{
    int64_t used = 0;
    while (used < count) {
        const size_t length = strcspn(name, " ");
        if (strlen(words[used]) != length || strncmp(words[used], name, length) != 0) {
            return 0;
        }
        used++;
        if (name[length] == '\0') {
            return used;
        }
        name += length + 1;
    }
    return 0;
}

const cli_command *cli_command_find(const char *const *words, int64_t count, int64_t *out_words)
{
    for (int64_t i = 0; i < LISTED(commands); i++) {
        const int64_t used = match(commands[i].name, words, count);
        if (used > 0) {
            *out_words = used;
            return &commands[i];
        }
    }
    return NULL;
}
