/* The checksum of HDF5's newer structures. */
#ifndef SNUG_DATA_HDF5_H5_CHECKSUM_H
#define SNUG_DATA_HDF5_H5_CHECKSUM_H

#include <stdint.h>

/** @source Bob Jenkins, "lookup3" (2006), hashlittle with initial value 0. */
uint32_t snug_h5_checksum(const void *data, int64_t bytes);

#endif
