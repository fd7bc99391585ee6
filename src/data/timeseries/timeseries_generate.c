#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/philox.h"
#include "data/hdf5/h5_write.h"
#include "data/timeseries/timeseries_files.h"
#include "sys/file.h"
#include "sys/heap.h"

enum {
    LATENTS_MAX =
        6,     /* Independent motions; fewer than channels, so that they can be found again. */
    WAVES = 3, /* Sine waves of one motion. */
    BATCH_ROWS = 256,
    INVALID_ROWS = 100, /* Length of one run of invalid rows. */
    ARENA_BLOCK_BYTES = 512 << 10
};

/* Random numbers of different use never share a stream. */
typedef enum use { USE_INPUT_MIX = 1, USE_TARGET_MIX, USE_WAVE, USE_NOISE, USE_INVALID } use;

typedef struct wave {
    double frequency, phase, amplitude;
} wave;

typedef struct generator {
    snug_timeseries_generate_options options;
    int64_t latent_count;
    double *input_mix;  /* [C, latents] */
    double *target_mix; /* [K, latents] */
    wave waves[LATENTS_MAX][WAVES];
    unsigned char *rows;
    int64_t row_bytes;
} generator;

static snug_philox_block words_at(const generator *self, use stream, uint64_t a, uint64_t b)
{
    const snug_philox_block counter = {
        {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32)}};
    return snug_philox(snug_philox_stream(self->options.seed, (uint64_t)stream), counter);
}

static double unit_at(const generator *self, use stream, uint64_t a, uint64_t b)
{
    return (double)snug_philox_unit(words_at(self, stream, a, b).word[0]);
}

static snug_status make_mix(generator *self, use stream, int64_t channels, snug_arena *arena,
                            double **out, snug_error *err)
{
    void *memory = NULL;
    const int64_t count = channels * self->latent_count;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(double), &memory, err));
    double *const mix = memory;
    const double scale = 1.0 / sqrt((double)self->latent_count);
    for (int64_t i = 0; i < count; i++) {
        float normal[2];
        const snug_philox_block words = words_at(self, stream, (uint64_t)i, 0);
        snug_philox_normal(words.word[0], words.word[1], normal);
        mix[i] = (double)normal[0] * scale;
    }
    *out = mix;
    return SNUG_OK;
}

static void make_waves(generator *self, int64_t file)
{
    for (int64_t d = 0; d < self->latent_count; d++) {
        for (int64_t w = 0; w < WAVES; w++) {
            const uint64_t place = (uint64_t)(d * WAVES + w) * 2;
            self->waves[d][w] = (wave){
                .frequency = 0.1 + 1.4 * unit_at(self, USE_WAVE, place, (uint64_t)file),
                .phase = 6.283185307179586 * unit_at(self, USE_WAVE, place + 1, (uint64_t)file),
                .amplitude = 1.0 / (1.0 + (double)w)};
        }
    }
}

static void latents_at(const generator *self, double seconds, double *out)
{
    for (int64_t d = 0; d < self->latent_count; d++) {
        double sum = 0.0;
        for (int64_t w = 0; w < WAVES; w++) {
            const wave *const one = &self->waves[d][w];
            sum += one->amplitude * sin(6.283185307179586 * one->frequency * seconds + one->phase);
        }
        out[d] = sum;
    }
}

static double mixed(const generator *self, const double *mix, int64_t channel,
                    const double *latents)
{
    double sum = 0.0;
    for (int64_t d = 0; d < self->latent_count; d++) {
        sum += mix[channel * self->latent_count + d] * latents[d];
    }
    return sum;
}

/* time f8 | joint_angles f8[K] | emg f4[C], little-endian as everything here. */
static void make_row(const generator *self, int64_t file, int64_t row, unsigned char *out)
{
    const int64_t input_count = self->options.input_count;
    const int64_t target_count = self->options.target_count;
    const double seconds = (double)row / self->options.rate;
    const bool invalid = unit_at(self, USE_INVALID, (uint64_t)(row / INVALID_ROWS),
                                 (uint64_t)file) < self->options.invalid_fraction;
    double latents[LATENTS_MAX];
    latents_at(self, seconds, latents);
    memcpy(out, &seconds, sizeof seconds);
    out += sizeof seconds;
    for (int64_t k = 0; k < target_count; k++) {
        const double angle = invalid ? 0.0 : tanh(mixed(self, self->target_mix, k, latents));
        memcpy(out, &angle, sizeof angle);
        out += sizeof angle;
    }
    for (int64_t c = 0; c < input_count; c += 4) {
        const snug_philox_block words = words_at(
            self, USE_NOISE, (uint64_t)(row * ((input_count + 3) / 4) + c / 4), (uint64_t)file);
        float noise[4];
        snug_philox_normal(words.word[0], words.word[1], noise);
        snug_philox_normal(words.word[2], words.word[3], noise + 2);
        for (int64_t i = 0; i < 4 && c + i < input_count; i++) {
            const double amplitude = exp(mixed(self, self->input_mix, c + i, latents));
            const float value = (float)(0.1 * amplitude * (double)noise[i]);
            memcpy(out, &value, sizeof value);
            out += sizeof value;
        }
    }
}

static snug_status check_options(const snug_timeseries_generate_options *options, snug_error *err)
{
    if (options->folder == NULL || options->folder[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "no folder to generate into");
    }
    if (options->file_count < 0 || options->file_count > SNUG_FILES_MAX || options->row_count < 0 ||
        options->row_count > UINT32_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "files lie in 1 to %d, rows in 1 to %u",
                         SNUG_FILES_MAX, UINT32_MAX);
    }
    if (options->input_count < 0 || options->input_count > SNUG_CHANNELS_MAX ||
        options->target_count < 0 || options->target_count > SNUG_CHANNELS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "channels and targets lie in 1 to %d",
                         SNUG_CHANNELS_MAX);
    }
    if (!(options->rate >= 0.0 && options->rate <= 1e9) ||
        !(options->invalid_fraction >= 0.0 && options->invalid_fraction <= 0.9)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "the rate is positive, the invalid fraction lies in 0 to 0.9");
    }
    return SNUG_OK;
}

static snug_status write_rows(generator *self, int64_t file, snug_h5_writer *writer,
                              snug_error *err)
{
    const int64_t row_count = self->options.row_count;
    for (int64_t row = 0; row < row_count; row += BATCH_ROWS) {
        const int64_t count = snug_min_i64(BATCH_ROWS, row_count - row);
        for (int64_t i = 0; i < count; i++) {
            make_row(self, file, row + i, self->rows + i * self->row_bytes);
        }
        SNUG_TRY(snug_h5_writer_rows(writer, self->rows, count, err));
    }
    return SNUG_OK;
}

static snug_status write_file(generator *self, int64_t file, snug_arena *arena, snug_error *err)
{
    const snug_timeseries_generate_options *const options = &self->options;
    const snug_mark mark = snug_arena_mark(arena);
    snug_status status = SNUG_OK;
    snug_h5_writer writer = {0};
    char name[64];
    char file_name[80];
    char user[32];
    char path[SNUG_PATH_BYTES];
    (void)snprintf(name, sizeof name, "session_%06" PRId64, file);
    (void)snprintf(file_name, sizeof file_name, "%s.hdf5", name);
    (void)snprintf(user, sizeof user, "user_%03" PRId64, file / 4);
    const double seconds = (double)(options->row_count - 1) / options->rate;
    const snug_h5_write_member members[] = {
        {"time", SNUG_H5_FLOAT, 8, 1},
        {"joint_angles", SNUG_H5_FLOAT, 8, options->target_count},
        {"emg", SNUG_H5_FLOAT, 4, options->input_count}};
    const snug_h5_write_attribute attributes[] = {
        {.name = "filename", .kind = SNUG_H5_WRITE_TEXT, .text = name},
        {.name = "session", .kind = SNUG_H5_WRITE_TEXT, .text = name},
        {.name = "stage", .kind = SNUG_H5_WRITE_TEXT, .text = "synthetic"},
        {.name = "user", .kind = SNUG_H5_WRITE_TEXT, .text = user},
        {.name = "side", .kind = SNUG_H5_WRITE_TEXT, .text = file % 2 == 0 ? "left" : "right"},
        {.name = "sample_rate", .kind = SNUG_H5_WRITE_F64, .f64 = options->rate},
        {.name = "num_channels", .kind = SNUG_H5_WRITE_I64, .i64 = options->input_count},
        {.name = "start", .kind = SNUG_H5_WRITE_F64, .f64 = 0.0},
        {.name = "end", .kind = SNUG_H5_WRITE_F64, .f64 = seconds}};
    SNUG_TRY_DONE(snug_path_join(options->folder, file_name, path, err));
    make_waves(self, file);
    const snug_h5_write_options write = {.path = path,
                                         .group = "emg2pose",
                                         .dataset = "timeseries",
                                         .members = members,
                                         .member_count = SNUG_COUNT(members),
                                         .attributes = attributes,
                                         .attribute_count = SNUG_COUNT(attributes)};
    SNUG_TRY_DONE(snug_h5_writer_open(&write, arena, &writer, err));
    SNUG_TRY_DONE(write_rows(self, file, &writer, err));
    SNUG_TRY_DONE(snug_h5_writer_commit(&writer, err));

done:
    snug_h5_writer_abort(&writer);
    snug_arena_rewind(arena, mark);
    return status;
}

static snug_status generator_init(generator *self, const snug_timeseries_generate_options *options,
                                  snug_arena *arena, snug_error *err)
{
    snug_timeseries_generate_options full = *options;
    full.file_count = options->file_count > 0 ? options->file_count : 8;
    full.rate = options->rate > 0.0 ? options->rate : 2000.0;
    full.row_count = options->row_count > 0 ? options->row_count : (int64_t)(60.0 * full.rate);
    full.input_count = options->input_count > 0 ? options->input_count : 16;
    full.target_count = options->target_count > 0 ? options->target_count : 20;
    *self = (generator){.options = full};
    self->latent_count = snug_max_i64(
        1, snug_min_i64(LATENTS_MAX, snug_min_i64(full.target_count, full.input_count / 2)));
    self->row_bytes = (int64_t)sizeof(double) * (1 + full.target_count) +
                      (int64_t)sizeof(float) * full.input_count;
    void *memory = NULL;
    SNUG_TRY(make_mix(self, USE_INPUT_MIX, full.input_count, arena, &self->input_mix, err));
    SNUG_TRY(make_mix(self, USE_TARGET_MIX, full.target_count, arena, &self->target_mix, err));
    SNUG_TRY(snug_arena_array(arena, BATCH_ROWS, self->row_bytes, &memory, err));
    self->rows = memory;
    return SNUG_OK;
}

snug_status snug_timeseries_generate(const snug_timeseries_generate_options *options,
                                     snug_timeseries_progress progress, void *context,
                                     snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_arena arena;
    generator self;
    SNUG_TRY(check_options(options, err));
    SNUG_TRY(snug_folder_make(options->folder, err));
    snug_heap_arena_init(&arena, "generator", SNUG_CATEGORY_DATA, ARENA_BLOCK_BYTES);
    SNUG_TRY_DONE(generator_init(&self, options, &arena, err));
    for (int64_t i = 0; i < self.options.file_count; i++) {
        SNUG_TRY_DONE(write_file(&self, i, &arena, err));
        if (progress != NULL && !progress(context, i + 1, self.options.file_count)) {
            SNUG_FAIL_DONE(err, SNUG_CODE_INTERRUPTED, "stopped after %" PRId64 " files", i + 1);
        }
    }

done:
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return status;
}
