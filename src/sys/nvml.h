/* NVIDIA's management library, found at run time: memory, use and temperature of the GPUs. */
#ifndef SNUG_SYS_NVML_H
#define SNUG_SYS_NVML_H

#include <stdbool.h>
#include <stdint.h>

enum { SNUG_NVML_DEVICES_MAX = 16, SNUG_NVML_NAME_BYTES = 96, SNUG_NVML_PROCESSES_MAX = 128 };

/** An open library. All zeros is closed. Only snug_nvml_* look into it. */
typedef struct snug_nvml {
    void *library;
    int32_t device_count;
    void *devices[SNUG_NVML_DEVICES_MAX];
    int (*memory)(void *device, void *out);
    int (*utilization)(void *device, void *out);
    int (*temperature)(void *device, int sensor, unsigned *out);
    int (*name)(void *device, char *out, unsigned bytes);
    int (*shutdown)(void);
    int (*processes)(void *device, unsigned *count, void *out);
    bool processes_long; /* Its entries have the two numbers of a partition behind them. */
} snug_nvml;

/** Of one device; what it does not tell is -1. */
typedef struct snug_nvml_device {
    int64_t used_bytes; /* What the driver keeps for itself included. */
    int64_t total_bytes;
    int32_t use_percent; /* Of the time in which a kernel ran, over the last second or less. */
} snug_nvml_device;

/**
 * Opens libnvidia-ml.so.1 and lists the devices. No context is made on any of them: that alone
 * would take hundreds of MiB.
 *
 * @param[out] out_reason  Why it could not be opened, one line; untouched when it was. Static.
 * @return  False when there is no such library, driver or device: nothing is wrong then.
 */
bool snug_nvml_open(snug_nvml *out, const char **out_reason);
void snug_nvml_close(snug_nvml *nvml);

/** Reads one device, index below device_count; some 15 microseconds. */
void snug_nvml_read(const snug_nvml *nvml, int32_t index, snug_nvml_device *out);
/** A process that computes on a device. */
typedef struct snug_nvml_process {
    int64_t pid;        /* As the driver knows it: of the machine, whatever the container. */
    int64_t used_bytes; /* -1: not told. */
} snug_nvml_process;

/**
 * Lists the processes that compute on a device, up to SNUG_NVML_PROCESSES_MAX of them; up to some
 * milliseconds. @return Their number; -1: not told.
 */
int64_t snug_nvml_processes(const snug_nvml *nvml, int32_t index,
                            snug_nvml_process out[SNUG_NVML_PROCESSES_MAX]);
/** Degrees Celsius, or -1. */
int32_t snug_nvml_temperature(const snug_nvml *nvml, int32_t index);
/** "NVIDIA H200", or "" when it does not tell; returns `out`. */
const char *snug_nvml_name(const snug_nvml *nvml, int32_t index, char out[SNUG_NVML_NAME_BYTES]);

#endif
