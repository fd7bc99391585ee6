#include "sys/nvml.h"

#include <stddef.h>

#include "base/attr.h"
#include "sys/library.h"

/*
 * The few declarations of NVML that are used, written from its reference: the functions, the two
 * structures, and that 0 is success. Their binary interface is stable over all drivers.
 */
enum { NVML_SUCCESS = 0, NVML_TEMPERATURE_GPU = 0 };

typedef struct nvml_memory {
    unsigned long long total, free, used;
} nvml_memory;

typedef struct nvml_utilization {
    unsigned gpu, memory;
} nvml_utilization;

/* An entry of the list of processes; the first form ends before the numbers of a partition. */
typedef struct nvml_process {
    unsigned pid;
    unsigned long long used;
} nvml_process;

typedef struct nvml_process_long {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
} nvml_process_long;

/* Temperature, name, use and the list of processes are extras. */
static void find_extras(snug_nvml *nvml)
{
    static const char *const lists[] = {"nvmlDeviceGetComputeRunningProcesses_v3",
                                        "nvmlDeviceGetComputeRunningProcesses_v2"};
    void *library = nvml->library;
    (void)snug_library_find(library, "nvmlDeviceGetTemperature", (void *)&nvml->temperature);
    (void)snug_library_find(library, "nvmlDeviceGetName", (void *)&nvml->name);
    (void)snug_library_find(library, "nvmlDeviceGetUtilizationRates", (void *)&nvml->utilization);
    for (int i = 0; i < 2 && !nvml->processes_long; i++) {
        nvml->processes_long = snug_library_find(library, lists[i], (void *)&nvml->processes);
    }
    if (!nvml->processes_long) {
        (void)snug_library_find(library, "nvmlDeviceGetComputeRunningProcesses",
                                (void *)&nvml->processes);
    }
}

bool snug_nvml_open(snug_nvml *out, const char **out_reason)
{
    snug_nvml nvml = {0};
    int (*init)(void) = NULL;
    int (*get_count)(unsigned *) = NULL;
    int (*get_device)(unsigned, void **) = NULL;
    unsigned count = 0;
    const snug_library_symbol needed[] = {
        {"nvmlInit_v2", (void *)&init},
        {"nvmlShutdown", (void *)&nvml.shutdown},
        {"nvmlDeviceGetCount_v2", (void *)&get_count},
        {"nvmlDeviceGetHandleByIndex_v2", (void *)&get_device},
        {"nvmlDeviceGetMemoryInfo", (void *)&nvml.memory},
    };
    if (!snug_library_open("libnvidia-ml.so.1", NULL, 0, &nvml.library)) {
        *out_reason = "no libnvidia-ml.so.1";
        return false;
    }
    for (int64_t i = 0; i < SNUG_COUNT(needed); i++) {
        if (!snug_library_find(nvml.library, needed[i].name, needed[i].out_function)) {
            snug_library_close(nvml.library);
            *out_reason = "libnvidia-ml.so.1 lacks a function";
            return false;
        }
    }
    find_extras(&nvml);
    if (init() != NVML_SUCCESS) {
        snug_library_close(nvml.library);
        *out_reason = "NVML does not start: no driver";
        return false;
    }
    if (get_count(&count) == NVML_SUCCESS) {
        for (unsigned i = 0; i < count && nvml.device_count < SNUG_NVML_DEVICES_MAX; i++) {
            void **device = &nvml.devices[nvml.device_count];
            nvml.device_count += get_device(i, device) == NVML_SUCCESS ? 1 : 0;
        }
    }
    if (nvml.device_count == 0) {
        snug_nvml_close(&nvml);
        *out_reason = "NVML shows no device";
        return false;
    }
    *out = nvml;
    return true;
}

void snug_nvml_close(snug_nvml *nvml)
{
    if (nvml->library != NULL) {
        (void)nvml->shutdown();
        snug_library_close(nvml->library);
    }
    *nvml = (snug_nvml){0};
}

void snug_nvml_read(const snug_nvml *nvml, int32_t index, snug_nvml_device *out)
{
    nvml_memory memory = {0};
    nvml_utilization use = {0};
    snug_nvml_device device = {-1, -1, -1};
    if (nvml->memory(nvml->devices[index], &memory) == NVML_SUCCESS) {
        device.used_bytes = (int64_t)memory.used;
        device.total_bytes = (int64_t)memory.total;
    }
    if (nvml->utilization != NULL &&
        nvml->utilization(nvml->devices[index], &use) == NVML_SUCCESS) {
        device.use_percent = (int32_t)use.gpu;
    }
    *out = device;
}

int64_t snug_nvml_processes(const snug_nvml *nvml, int32_t index,
                            snug_nvml_process out[SNUG_NVML_PROCESSES_MAX])
{
    nvml_process_long entries[SNUG_NVML_PROCESSES_MAX];
    nvml_process plain[SNUG_NVML_PROCESSES_MAX];
    unsigned count = SNUG_NVML_PROCESSES_MAX;
    void *list = nvml->processes_long ? (void *)entries : (void *)plain;
    if (nvml->processes == NULL ||
        nvml->processes(nvml->devices[index], &count, list) != NVML_SUCCESS ||
        count > SNUG_NVML_PROCESSES_MAX) {
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        const unsigned long long used = nvml->processes_long ? entries[i].used : plain[i].used;
        out[i].pid = nvml->processes_long ? entries[i].pid : plain[i].pid;
        /* All ones: the driver does not say. */
        out[i].used_bytes = used > INT64_MAX ? -1 : (int64_t)used;
    }
    return count;
}

int32_t snug_nvml_temperature(const snug_nvml *nvml, int32_t index)
{
    unsigned celsius = 0;
    if (nvml->temperature == NULL ||
        nvml->temperature(nvml->devices[index], NVML_TEMPERATURE_GPU, &celsius) != NVML_SUCCESS) {
        return -1;
    }
    return (int32_t)celsius;
}

const char *snug_nvml_name(const snug_nvml *nvml, int32_t index, char out[SNUG_NVML_NAME_BYTES])
{
    if (nvml->name == NULL ||
        nvml->name(nvml->devices[index], out, SNUG_NVML_NAME_BYTES) != NVML_SUCCESS) {
        out[0] = '\0';
    }
    out[SNUG_NVML_NAME_BYTES - 1] = '\0';
    return out;
}
